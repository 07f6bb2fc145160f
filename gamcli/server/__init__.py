"""
The token endpoint over HTTP: bounded bytes come in, one action decides, one response goes out.

messages    what travels: Request, Response, and the strict parsing of bytes into requests
forms       the body and the Authorization header, read as their standards say
refusals    the one table from a rule to what a client is told
oauth       the endpoints as functions, and their routes; no socket
log         one line a request, never a secret
http        sockets, threads, time limits
"""
