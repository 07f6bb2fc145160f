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

MAX_WAIT = 5.0
"""How long a request may wait in all, in seconds: who came longer ago is told that the store is busy."""

MAX_SEATS = 4
"""How many requests are worked on at once at most: each password takes 32 MiB while it is hashed."""


@dataclass(slots=True)
class Caller:
    """A request, and when it came."""

    request: Request
    began: float

    @property
    def left(self) -> float:
        """How many seconds it may still wait."""
        return self.began + MAX_WAIT - monotonic()


@dataclass(slots=True)
class Guest(Caller):
    """A request that came over a connection of ours."""

    connection: Connection


Asking = TypeVar("Asking", bound=Caller)


class WaitingRoom(Generic[Asking]):
    """Answers requests with a store that waits; `ring` is called whenever an answer is ready to be fetched."""

    def __init__(self, gam: Gam, conduct: routes.Conduct, ring: Callable[[], None]) -> None:
        self._gam = gam
        self._conduct = conduct
        self._ring = ring
        self._waiting: SimpleQueue[Asking | None] = SimpleQueue()
        self._ready: deque[tuple[Asking, routes.Answer]] = deque()
        self._seats = min(MAX_SEATS, os.cpu_count() or 1)
        for _ in range(self._seats):
            Thread(target=self._serve, name="waiting", daemon=True).start()

    def enter(self, guest: Asking) -> None:
        """Let a request wait."""
        self._waiting.put(guest)

    def ready(self) -> list[tuple[Asking, routes.Answer]]:
        """Return those whose answer is ready, each once."""
        return [self._ready.popleft() for _ in range(len(self._ready))]

    def close(self) -> None:
        """End the threads once they have served those who wait."""
        for _ in range(self._seats):
            self._waiting.put(None)

    def _serve(self) -> None:
        with ExitStack() as opened:
            gam = None
            while (guest := self._waiting.get()) is not None:
                try:
                    gam = gam or self._own(opened)
                    answer = self._answered(gam, guest)
                except Exception as error:  # noqa: BLE001 - the store is gone: every guest gets an answer
                    answer = routes.failed(error, guest.request, self._conduct)
                self._ready.append((guest, answer))
                self._ring()

    def _own(self, opened: ExitStack) -> Gam:
        """Open the store once more, for one thread: what waits in it holds up no other."""
        patience = self._gam.store.patience
        return replace(self._gam, store=opened.enter_context(self._gam.store.beside(durable=True, patience=patience)))

    def _answered(self, gam: Gam, guest: Asking) -> routes.Answer:
        """Answer, and wait no longer than the guest has time."""
        if guest.left <= 0:
            raise StoreBusyError("the request has waited too long")
        gam.store.patience = min(self._gam.store.patience, guest.left)
        return routes.respond(gam, guest.request, self._conduct)
