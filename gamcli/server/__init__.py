"""
The token endpoint over HTTP: bounded bytes come in, one action decides, one response goes out.

messages    what travels: Request, Response, and the strict parsing of bytes into requests
forms       the body and the Authorization header, read as their standards say
refusals    the one table from a rule to what a client is told
failures    who fails too often, and how long it has to wait
origins     pages of which origins may ask from a browser
oauth       the endpoints as functions, and their routes; no socket
log         one line a request, never a secret
scribe      the thread that writes the log
connection  one client: whole requests in, responses out, a deadline for each
tls         the certificate, and sockets that encrypt
waiting     the thread for requests that find the store held by another process
http        the one loop over all connections
faults      which request is refused, held back or cut off, for tests of clients
delays      the thread where answers are held back
journal     what was asked, as records to assert on
faulty      the server with faults and a journal
"""
