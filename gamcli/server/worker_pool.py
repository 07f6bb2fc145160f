"""Threads for requests that take long: a password is hashed, or another process holds the store."""

import os
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

from gamcli.actions import Gam
from gamcli.errors import StoreBusyError
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.outcomes import ServerConfig, TracedResponse
from gamcli.server.transport.connection import PendingRequest

MAX_WAIT_SECONDS = 5.0
"""A request that has waited longer, since it arrived, is answered with 503."""

MAX_THREADS = 4
"""Hashing a password takes 32 MiB."""

RequestT = TypeVar("RequestT", bound=PendingRequest)


def seconds_left(pending: PendingRequest) -> float:
    """Return how long a request may still wait."""
    return pending.started + MAX_WAIT_SECONDS - monotonic()


class WorkerPool(Generic[RequestT]):
    """Answers requests in order of arrival; it calls `notify` when a response is available."""

    def __init__(self, gam: Gam, config: ServerConfig, notify: Callable[[], None]) -> None:
        self._gam = gam
        self._config = config
        self._notify = notify
        self._queue: SimpleQueue[RequestT | None] = SimpleQueue()
        self._responses: deque[tuple[RequestT, TracedResponse]] = deque()
        # Each thread has its own store, so that it blocks no other. They are opened now: later there may be no file
        # descriptors left.
        self._thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        with ExitStack() as opened:
            stacks = [opened.enter_context(ExitStack()) for _ in range(self._thread_count)]
            gams = [self._open_store(stack) for stack in stacks]
            opened.pop_all()
        for stack, own_gam in zip(stacks, gams, strict=True):
            Thread(target=self._run, args=(stack, own_gam), name="worker", daemon=True).start()

    def submit(self, pending: RequestT) -> None:
        self._queue.put(pending)

    def pop_responses(self) -> list[tuple[RequestT, TracedResponse]]:
        """Return the available responses, each once."""
        return [self._responses.popleft() for _ in range(len(self._responses))]

    def close(self) -> None:
        """Stop the threads once the queue is empty."""
        for _ in range(self._thread_count):
            self._queue.put(None)

    def _run(self, opened: ExitStack, gam: Gam) -> None:
        with opened:
            while (pending := self._queue.get()) is not None:
                try:
                    result = self._respond(gam, pending)
                except Exception as error:  # noqa: BLE001 - every request gets a response
                    result = routes.error_response(error, pending.request, self._config)
                self._responses.append((pending, result))
                self._notify()

    def _open_store(self, opened: ExitStack) -> Gam:
        store = self._gam.store.open_again(durable=True, timeout=self._gam.store.timeout)
        return replace(self._gam, store=opened.enter_context(store))

    def _respond(self, gam: Gam, pending: RequestT) -> TracedResponse:
        if seconds_left(pending) <= 0:
            raise StoreBusyError("the request has waited too long")
        gam.store.timeout = min(self._gam.store.timeout, seconds_left(pending))
        return routes.respond(gam, pending.request, self._config)
