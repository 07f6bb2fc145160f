"""
Where answers are held back that shall come late, for tests of clients: one thread, whoever is due first leaves first.

The thread that answers everybody else never waits.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic
from typing import Generic, TypeVar

Held = TypeVar("Held")


class Delays(Generic[Held]):
    """Holds things back; `ring` is called whenever one of them is ready to be fetched."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._held: list[tuple[float, int, Held]] = []
        self._numbers = count()
        self._ready: deque[Held] = deque()
        self._change = Condition()
        self._hurries = False
        self._closing = False
        self._thread = Thread(target=self._serve, name="delays", daemon=True)
        self._thread.start()

    def enter(self, held: Held, seconds: float) -> None:
        """Hold something back for so long."""
        with self._change:
            heappush(self._held, (monotonic() + seconds, next(self._numbers), held))
            self._change.notify()

    def ready(self) -> list[Held]:
        """Return those whose time has come, each once."""
        return [self._ready.popleft() for _ in range(len(self._ready))]

    def hurry(self) -> None:
        """Hold nobody back from now on; may be called from a signal handler."""
        with self._change:
            self._hurries = True
            self._change.notify()

    def close(self) -> None:
        """End the thread, whoever is still held."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join()

    def _serve(self) -> None:
        while self._let_go():
            self._ring()

    def _let_go(self) -> bool:
        """Wait until somebody is due, and let them go; False at the end."""
        with self._change:
            while not self._closing:
                left = self._held[0][0] - monotonic() if self._held else None
                if left is not None and (left <= 0 or self._hurries):
                    self._ready.append(heappop(self._held)[2])
                    return True
                self._change.wait(left)
        return False
