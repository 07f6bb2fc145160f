"""
The token endpoint over HTTP.

server           the server: endpoints and log behind the event loop
transport/       HTTP: messages, connections, event loop, TLS, worker processes; knows no OAuth
endpoints/       functions from a request to a response, and the table of refusals; no sockets
dispatcher       answers the requests of a turn together: claims in one query, tokens in one group commit
group_commit     token requests that arrive together share one transaction with one durable commit
worker_pool      threads that hash passwords, and that wait for a busy store to read it
request_log      one line per request, written by `log_writer`
refusal_counts   refusals per application and rule, for the audit log
metrics          numbers of all worker processes, served by `metrics_page`
pruner           deletes old tokens while the server runs
asgi             the same endpoints as an ASGI application
dev/             the development server: injected faults, clock, journal
"""
