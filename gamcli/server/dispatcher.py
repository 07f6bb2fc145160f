"""
Answers requests without blocking its thread: at once, after a group commit, or on the threads of the worker pool.

Used by the event loop and by the ASGI application.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from time import monotonic
from typing import Generic

from gamcli.actions import Gam
from gamcli.actions.grant_cache import GrantCache
from gamcli.errors import RefusedError
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.outcomes import ServerConfig, TracedResponse, WouldBlock
from gamcli.server.group_commit import GroupCommit
from gamcli.server.refusal_counts import RefusalCounts
from gamcli.server.request_log import RequestLog
from gamcli.server.transport.messages import Request, Response
from gamcli.server.worker_pool import RequestT, WorkerPool


class Dispatcher(Generic[RequestT]):
    """
    A `RequestHandler` for one thread; it calls `notify` when `pop_responses` has something to return.

    It reads and writes a file through two connections that fail instead of waiting for other processes. A store in
    memory has one connection, and is written at once.
    """

    def __init__(self, gam: Gam, config: ServerConfig, log: RequestLog, notify: Callable[[], None]) -> None:
        self._log = log
        self._grant_cache: GrantCache[Response] = GrantCache()
        self._config = replace(config, nonblocking=True, grant_cache=self._grant_cache)
        self._group_commit: GroupCommit[RequestT] | None = None
        with ExitStack() as opened:
            self._gam = replace(gam, store=opened.enter_context(gam.store.open_again(durable=False, timeout=0)))
            self._refusal_counts = opened.enter_context(closing(RefusalCounts(gam)))
            self._worker_pool: WorkerPool[RequestT] = opened.enter_context(closing(WorkerPool(gam, config, notify)))
            if not gam.store.is_in_memory:
                store = opened.enter_context(gam.store.open_again(durable=True, timeout=0))
                self._group_commit = opened.enter_context(closing(GroupCommit(store, notify, self._worker_pool.submit)))
            self._exit_stack = opened.pop_all()

    def begin_turn(self) -> None:
        """Check once whether the store has changed; call it when all requests of the turn have arrived."""
        self._grant_cache.check_version(self._gam)

    def submit(self, pending: RequestT) -> Response | None:
        """Return the response, or None when `pop_responses` returns it later."""
        result = routes.handle(self._gam, pending.request, self._config)
        if isinstance(result, WouldBlock):
            self._worker_pool.submit(pending)
            return None
        if isinstance(result, TracedResponse):
            return self._record(pending, result)
        if self._group_commit is None:
            return self._record(pending, result.write_alone(self._gam))
        self._group_commit.add(pending, result)
        return None

    def end_turn(self) -> None:
        """Start a group commit if something is to be written."""
        self._grant_cache.forget_version()
        if self._group_commit is not None:
            self._group_commit.start_batch()

    def pop_responses(self) -> list[tuple[RequestT, Response]]:
        """Return the responses that have become available, each once."""
        results = self._worker_pool.pop_responses()
        results += self._group_commit.pop_responses() if self._group_commit is not None else ()
        return [(pending, self._record(pending, result)) for pending, result in results]

    def refuse(self, error: RefusedError, address: str = "") -> Response:
        """Return the response to bytes that are not a request; they are not logged, as they may hold a secret."""
        result = routes.error_response(error, Request("-", "-"), self._config)
        self._log.write(None, result, 0.0, address)
        return result.response

    def _record(self, pending: RequestT, result: TracedResponse) -> Response:
        """Log the request, and count a refusal for the audit log."""
        if result.trace.rule:
            self._refusal_counts.count(result.trace.rule, result.trace.client_id)
        self._log.write(pending.request, result, monotonic() - pending.started)
        return result.response

    def close(self) -> None:
        """Stop all threads."""
        self._exit_stack.close()
