"""
The endpoints: functions from a request to a response, and the table of refusals; no sockets.

routes           which endpoint handles a request
access_token     a grant, from the request to the response after the commit
userinfo         the claims of a token
extras           introspection, revocation and metadata
context          the configuration, a request while it is handled, and how an error becomes a refusal
forms            parameters and credentials of a request, from the bodies that `form_bodies` decodes
attempts         which failures of a client count for the limit of `failure_limit`
refusals         the table of refusals, and the two formats of responses
origins          which pages may call the endpoints from a browser
openapi          the OpenAPI document, with the schemas of `openapi_schemas`
"""
