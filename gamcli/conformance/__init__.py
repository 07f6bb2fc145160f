"""
Checks any server against the contract of the token endpoint, over HTTP alone.

*.toml      the table: request templates, and one row per promise, by section
table       loads the rows
worlds      test credentials by profile, and the manifest that creates them
exchange    sends a request and receives the response
comparison  compares a response with the expected one
suite       checks rows
local       creates the test credentials in a new store and serves them

Only `local` may import the server: an error that server and table shared would otherwise go unnoticed.
"""
