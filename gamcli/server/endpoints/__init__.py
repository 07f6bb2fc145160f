"""The endpoints: functions from a request to a response, and the table of refusals."""
