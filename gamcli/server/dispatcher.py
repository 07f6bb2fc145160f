"""
Where requests are asked and answers come back: at once, after a commit that grants share, or from who has the time.

The same for every form of the server: its own event loop (`http`) and those of others (`asgi`).
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Generic

from gamcli.actions import Gam
from gamcli.actions.grant_cache import GrantCache
from gamcli.server.endpoints import routes
from gamcli.server.group_commit import GroupCommit
from gamcli.server.refusal_counts import RefusalCounts
from gamcli.server.transport.messages import Response
from gamcli.server.worker_pool import RequestT, WorkerPool


class Dispatcher(Generic[RequestT]):
    """
    Answers whoever asks, in one thread that never waits; `ring` is called whenever `served` has something to give.

    It reads the file of `gam.store` through a connection that has no patience, and writes it through another; a store
    in memory has one connection, and is written at once.
    """

    def __init__(self, gam: Gam, config: routes.ServerConfig, notify: Callable[[], None]) -> None:
        self._grant_cache: GrantCache[Response] = GrantCache()
        self._config = replace(config, nonblocking=True, grant_cache=self._grant_cache)
        self._group_commit: GroupCommit[RequestT] | None = None
        with ExitStack() as opened:
            self._gam = replace(gam, store=opened.enter_context(gam.store.open_again(durable=False, timeout=0)))
            self._refusal_counts = opened.enter_context(closing(RefusalCounts(gam)))
            self._worker_pool: WorkerPool[RequestT] = opened.enter_context(closing(WorkerPool(gam, config, notify)))
            if not gam.store.is_in_memory:
                written = opened.enter_context(gam.store.open_again(durable=True, timeout=0))
                self._group_commit = opened.enter_context(
                    closing(GroupCommit(written, notify, self._worker_pool.submit))
                )
            self._exit_stack = opened.pop_all()

    def check_version(self) -> None:
        """Look whether the store is as it was; to be called when all has come whole that is asked before `turn`."""
        self._grant_cache.check_version(self._gam)

    def submit(self, pending: RequestT) -> routes.TracedResponse | None:
        """Return the answer, or None when it comes later: it is among those `served`."""
        begun = routes.handle(self._gam, pending.request, self._config)
        if isinstance(begun, routes.TracedResponse):
            return self._count_refusal(begun)
        if isinstance(begun, routes.WouldBlock):
            self._worker_pool.submit(pending)
            return None
        if self._group_commit is None:
            return self._count_refusal(begun.write_alone(self._gam))
        self._group_commit.add(pending, begun)
        return None

    def flush(self) -> None:
        """Write what is pending; to be called when nobody else asks at the moment."""
        self._grant_cache.forget_version()
        if self._group_commit is not None:
            self._group_commit.start_batch()

    def pop_responses(self) -> list[tuple[RequestT, routes.TracedResponse]]:
        """Return those whose answer may leave, each once."""
        found = self._worker_pool.pop_responses()
        found += self._group_commit.pop_responses() if self._group_commit is not None else ()
        for _, answer in found:
            self._count_refusal(answer)
        return found

    def _count_refusal(self, result: routes.TracedResponse) -> routes.TracedResponse:
        """Return the answer; a refusal is summed up for the audit trail."""
        if result.trace.rule:
            self._refusal_counts.count(result.trace.rule, result.trace.client_id)
        return result

    def close(self) -> None:
        """End the threads."""
        self._exit_stack.close()
