"""
The token endpoint over HTTP.

server           the server: endpoints and log behind the event loop
transport/       HTTP: messages, connections, event loop, TLS, worker processes; knows no OAuth
endpoints/       functions from a request to a response, and the table of refusals; no sockets
dispatcher       how a request is answered: at once, after a group commit, or by the worker pool
group_commit     tokens that are issued together share one durable commit
worker_pool      threads that hash passwords and wait for the store
request_log      one line per request, written by `log_writer`
refusal_counts   refusals per application and rule, for the audit log
pruner           deletes old tokens while the server runs
asgi             the same endpoints as an ASGI application
dev/             the development server: injected faults, clock, journal
"""
