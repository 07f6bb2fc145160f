"""
Threads that hash passwords and wait for a busy store, which would block the event loop.

They run `routes.handle_blocking`, in which the endpoint verifies the password.
"""

import os
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import Generic, TypeVar

from gamcli.actions import Gam
from gamcli.errors import StoreBusyError
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.access_token import PendingGrant
from gamcli.server.endpoints.context import RequestContext, ServerConfig, TracedResponse
from gamcli.server.transport.connection import PendingRequest

MAX_WAIT_SECONDS = 5.0
"""A request that has waited longer, since it arrived, is answered with 503."""

RETRY_SECONDS = 0.02
"""Pause before a request is tried again whose connection to the store was lost, or that conflicted with others."""

MAX_THREADS = 4
"""Hashing a password takes 32 MiB."""

RequestT = TypeVar("RequestT", bound=PendingRequest)


def seconds_left(pending: PendingRequest) -> float:
    """Return how long a request may still wait."""
    return pending.started + MAX_WAIT_SECONDS - monotonic()


class WorkerPool(Generic[RequestT]):
    """Handles requests in order of arrival; it calls `notify` when a result is available."""

    def __init__(self, gam: Gam, config: ServerConfig, notify: Callable[[], None]) -> None:
        self._gam = gam
        self._config = config
        self._notify = notify
        self._queue: SimpleQueue[RequestT | None] = SimpleQueue()
        self._results: deque[tuple[RequestT, TracedResponse | PendingGrant]] = deque()
        self._closing = False
        self._threads = [
            Thread(target=self._run, name="worker", daemon=True) for _ in range(min(MAX_THREADS, os.cpu_count() or 1))
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, pending: RequestT) -> None:
        self._queue.put(pending)

    def pop_results(self) -> list[tuple[RequestT, TracedResponse | PendingGrant]]:
        """Return the responses, and the grants whose password was verified, each once."""
        return [self._results.popleft() for _ in range(len(self._results))]

    def close(self) -> None:
        """Stop the threads after the requests that they handle; no client waits for the others any more."""
        self._closing = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (pending := self._queue.get()) is not None and not self._closing:
            try:
                result = self._handle(pending)
            except Exception as error:  # noqa: BLE001 - every request gets a response
                result = RequestContext(pending.request, self._config).fail(error)
            self._results.append((pending, result))
            self._notify()

    def _handle(self, pending: RequestT) -> TracedResponse | PendingGrant:
        while seconds_left(pending) > 0:
            result = routes.handle_blocking(self._gam, pending.request, self._config)
            if isinstance(result, PendingGrant) or result.trace.rule != "store_busy":
                return result
            sleep(RETRY_SECONDS)  # nothing was changed
        raise StoreBusyError("the request waited too long")
