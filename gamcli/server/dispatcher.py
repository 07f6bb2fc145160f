"""
Answers requests without blocking its thread, the requests of a turn together.

A turn is what has arrived since the last one. Claims are read in one query, and tokens are judged and saved in one
transaction (`group_commit`); what takes long is passed to the threads of `worker_pool`. Used by the event loop and by
the ASGI application.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from time import monotonic
from typing import Generic

from gamcli.actions import Gam
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.userinfo import ClaimsCache
from gamcli.errors import DamagedRowError, RefusedError, StoreBusyError
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.access_token import PendingGrant, write_tokens
from gamcli.server.endpoints.context import RequestContext, ServerConfig, TracedResponse, WouldBlock
from gamcli.server.endpoints.userinfo import PendingClaims, read_claims
from gamcli.server.group_commit import GroupCommit
from gamcli.server.metrics import ProcessMetrics
from gamcli.server.refusal_counts import RefusalCounts
from gamcli.server.request_log import RequestLog, add_request_id
from gamcli.server.transport.messages import Request, Response
from gamcli.server.worker_pool import MAX_WAIT_SECONDS, RequestT, WorkerPool

TURN_STATEMENT_SECONDS = 2.0
"""How long the event loop waits for a statement; longer than `ROW_LOCK_SECONDS`."""

THREAD_STATEMENT_SECONDS = MAX_WAIT_SECONDS + 1
"""How long a worker thread waits for a statement; it may first wait MAX_WAIT_SECONDS for a lock."""


class Dispatcher(Generic[RequestT]):
    """
    A `RequestHandler` for one thread; it calls `notify` when `pop_responses` has something to return.

    A file has three connections: one that reads and one that writes fail instead of waiting for other processes; all
    threads that may wait share that of `gam`. A store in memory has one connection, and is written at once.
    """

    def __init__(
        self,
        gam: Gam,
        config: ServerConfig,
        log: RequestLog,
        notify: Callable[[], None],
        metrics: ProcessMetrics | None = None,
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._grant_cache = GrantCache()
        self._claims_cache: ClaimsCache[Response] = ClaimsCache()
        self._config = replace(config, nonblocking=True, grant_cache=self._grant_cache)
        self._claims: list[tuple[RequestT, PendingClaims]] = []
        self._grants: list[tuple[RequestT, PendingGrant]] = []
        self._ready: list[tuple[RequestT, TracedResponse]] = []
        self._group_commit: GroupCommit[RequestT] | None = None
        with ExitStack() as opened:
            gam.store.limit_statements(THREAD_STATEMENT_SECONDS)
            self._gam = replace(gam, store=opened.enter_context(gam.store.open_again(durable=False, timeout=0)))
            self._gam.store.limit_statements(TURN_STATEMENT_SECONDS)
            self._refusal_counts = opened.enter_context(closing(RefusalCounts(gam)))
            workers = WorkerPool[RequestT](gam, config, notify)
            self._worker_pool = opened.enter_context(closing(workers))
            if not gam.store.is_in_memory:
                writer = replace(gam, store=opened.enter_context(gam.store.open_again(durable=True, timeout=0)))
                writer.store.limit_statements(TURN_STATEMENT_SECONDS)
                commits = GroupCommit[RequestT](writer, self._grant_cache, notify, metrics)
                self._group_commit = opened.enter_context(closing(commits))
            self._exit_stack = opened.pop_all()

    def submit(self, pending: RequestT) -> Response | None:
        """Return the response, or None when `pop_responses` returns it later."""
        result = routes.handle(self._gam, pending.request, self._config)
        if isinstance(result, TracedResponse):
            return self.record(pending, result)
        if isinstance(result, WouldBlock):
            self._worker_pool.submit(pending)
        elif isinstance(result, PendingClaims):
            self._claims.append((pending, result))
        else:
            self._grants.append((pending, result))
        return None

    def end_turn(self) -> None:
        """Answer all requests of the turn together; call it when all that have arrived are submitted."""
        if self._claims:
            claims, self._claims = self._claims, []
            self._read_claims(claims)
        if self._group_commit is not None:
            for pending, grant in self._grants:
                self._group_commit.add(pending, grant)
            self._group_commit.start_batch()
        elif self._grants:
            responses = write_tokens(self._gam, [grant for _, grant in self._grants], self._grant_cache)
            self._ready += [(pending, each) for (pending, _), each in zip(self._grants, responses, strict=True)]
        self._grants.clear()

    def _read_claims(self, claims: list[tuple[RequestT, PendingClaims]]) -> None:
        try:
            responses = read_claims(self._gam, [each for _, each in claims], self._claims_cache)
        except StoreBusyError:
            for pending, _ in claims:
                self._worker_pool.submit(pending)
        except Exception as error:  # noqa: BLE001 - the edge: every error becomes a response
            if isinstance(error, DamagedRowError) and len(claims) > 1:
                for each in claims:  # the rows of the others are intact
                    self._read_claims([each])
                return
            self._ready += [(pending, each.context.fail(error)) for pending, each in claims]
        else:
            self._ready += [(pending, each) for (pending, _), each in zip(claims, responses, strict=True)]

    def pop_responses(self) -> list[tuple[RequestT, Response]]:
        """Return the responses that have become available, each once; call `end_turn` after it."""
        ready, self._ready = self._ready, []
        for pending, result in self._worker_pool.pop_results():
            if isinstance(result, TracedResponse):
                ready.append((pending, result))
            else:
                self._grants.append((pending, result))
        if self._group_commit is not None:
            ready += self._group_commit.pop_responses()
        return [(pending, self.record(pending, result)) for pending, result in ready]

    def refuse(self, error: RefusedError, request: Request) -> Response:
        """Return the response to a request that was not received as a whole, of which the log shows only the ID."""
        result = RequestContext(request, self._config).fail(error)
        if self._metrics is not None:
            self._metrics.count_response("", result.response.status, result.trace.rule)
        return add_request_id(result.response, self._log.write(request, result, 0.0))

    def record(self, pending: RequestT, result: TracedResponse) -> Response:
        """Log the request, and count a refusal for the audit log."""
        if result.trace.rule:
            self._refusal_counts.count(result.trace.rule, result.trace.client_id)
        seconds = monotonic() - pending.started
        if self._metrics is not None:
            self._metrics.count_response(pending.request.path, result.response.status, result.trace.rule, seconds)
        entry = self._log.write(pending.request, result, seconds)
        return add_request_id(result.response, entry)

    def close(self) -> None:
        self._exit_stack.close()
