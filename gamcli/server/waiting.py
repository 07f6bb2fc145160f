"""
Where requests wait that found the store held by another process: one thread of their own, first come, first served.

The thread that answers everybody else never waits. Requests whose answer is slow for another reason belong here too.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Thread
from time import monotonic

from gamcli.actions import Gam
from gamcli.server import oauth
from gamcli.server.connection import Connection
from gamcli.server.messages import Request

MAX_WAIT = 5.0
"""How long a request may wait in all, in seconds: who came longer ago is told that the store is busy."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A request, whose it is, when it came, and its answer, the last one so far."""

    connection: Connection
    request: Request
    began: float
    answer: oauth.Answer


class WaitingRoom:
    """Tries requests again with a store that waits; `ring` is called whenever an answer is ready to be fetched."""

    def __init__(self, gam: Gam, conduct: oauth.Conduct, ring: Callable[[], None]) -> None:
        self._gam = gam
        self._conduct = conduct
        self._ring = ring
        self._waiting: SimpleQueue[Guest | None] = SimpleQueue()
        self._ready: deque[Guest] = deque()
        Thread(target=self._serve, daemon=True).start()

    def enter(self, guest: Guest) -> None:
        """Let a request wait."""
        self._waiting.put(guest)

    def ready(self) -> list[Guest]:
        """Return those whose answer is ready, each once."""
        return [self._ready.popleft() for _ in range(len(self._ready))]

    def close(self) -> None:
        """End the thread once it has served those who wait."""
        self._waiting.put(None)

    def _serve(self) -> None:
        while (guest := self._waiting.get()) is not None:
            left = guest.began + MAX_WAIT - monotonic()
            self._ready.append(self._served(guest, left) if left > 0 else guest)
            self._ring()

    def _served(self, guest: Guest, seconds: float) -> Guest:
        """Try again, and wait no longer than that."""
        store = self._gam.store
        before, store.patience = store.patience, min(store.patience, seconds)
        answer = oauth.respond(self._gam, guest.request, self._conduct)
        store.patience = before
        return replace(guest, answer=answer)
