"""
Where requests wait whose answer takes long: a password is hashed, or another process holds the store.

A few threads of their own, first come, first served. The thread that answers everybody else never waits.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

from gamcli.actions import Gam
from gamcli.errors import StoreBusyError
from gamcli.server.endpoints import routes
from gamcli.server.transport.connection import Connection
from gamcli.server.transport.messages import Request

MAX_WAIT_SECONDS = 5.0
"""How long a request may wait in all, in seconds: who came longer ago is told that the store is busy."""

MAX_THREADS = 4
"""How many requests are worked on at once at most: each password takes 32 MiB while it is hashed."""


@dataclass(slots=True)
class PendingRequest:
    """A request, and when it came."""

    request: Request
    started: float

    @property
    def seconds_left(self) -> float:
        """How many seconds it may still wait."""
        return self.started + MAX_WAIT_SECONDS - monotonic()


@dataclass(slots=True)
class ConnectionRequest(PendingRequest):
    """A request that came over a connection of ours."""

    connection: Connection


RequestT = TypeVar("RequestT", bound=PendingRequest)


class WorkerPool(Generic[RequestT]):
    """Answers requests with a store that waits; `ring` is called whenever an answer is ready to be fetched."""

    def __init__(self, gam: Gam, config: routes.ServerConfig, notify: Callable[[], None]) -> None:
        self._gam = gam
        self._config = config
        self._notify = notify
        self._queue: SimpleQueue[RequestT | None] = SimpleQueue()
        self._responses: deque[tuple[RequestT, routes.TracedResponse]] = deque()
        self._thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        for _ in range(self._thread_count):
            Thread(target=self._run, name="waiting", daemon=True).start()

    def submit(self, pending: RequestT) -> None:
        """Let a request wait."""
        self._queue.put(pending)

    def pop_responses(self) -> list[tuple[RequestT, routes.TracedResponse]]:
        """Return those whose answer is ready, each once."""
        return [self._responses.popleft() for _ in range(len(self._responses))]

    def close(self) -> None:
        """End the threads once they have served those who wait."""
        for _ in range(self._thread_count):
            self._queue.put(None)

    def _run(self) -> None:
        with ExitStack() as opened:
            gam = None
            while (guest := self._queue.get()) is not None:
                try:
                    gam = gam or self._open_store(opened)
                    answer = self._respond(gam, guest)
                except Exception as error:  # noqa: BLE001 - the store is gone: every guest gets an answer
                    answer = routes.error_response(error, guest.request, self._config)
                self._responses.append((guest, answer))
                self._notify()

    def _open_store(self, opened: ExitStack) -> Gam:
        """Open the store once more, for one thread: what waits in it holds up no other."""
        patience = self._gam.store.timeout
        return replace(
            self._gam, store=opened.enter_context(self._gam.store.open_again(durable=True, timeout=patience))
        )

    def _respond(self, gam: Gam, pending: RequestT) -> routes.TracedResponse:
        """Answer, and wait no longer than the guest has time."""
        if pending.seconds_left <= 0:
            raise StoreBusyError("the request has waited too long")
        gam.store.timeout = min(self._gam.store.timeout, pending.seconds_left)
        return routes.respond(gam, pending.request, self._config)
