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

ItemT = TypeVar("ItemT")


class DelayedResponses(Generic[ItemT]):
    """Holds things back; `ring` is called whenever one of them is ready to be fetched."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._queue: list[tuple[float, int, ItemT]] = []
        self._sequence = count()
        self._due: deque[ItemT] = deque()
        self._condition = Condition()
        self._releases_all = False
        self._closing = False
        self._thread = Thread(target=self._run, name="delays", daemon=True)
        self._thread.start()

    def add(self, item: ItemT, seconds: float) -> None:
        """Hold something back for so long."""
        with self._condition:
            heappush(self._queue, (monotonic() + seconds, next(self._sequence), item))
            self._condition.notify()

    def pop_due(self) -> list[ItemT]:
        """Return those whose time has come, each once."""
        return [self._due.popleft() for _ in range(len(self._due))]

    def release_all(self) -> None:
        """Hold nobody back from now on; may be called from a signal handler."""
        with self._condition:
            self._releases_all = True
            self._condition.notify()

    def close(self) -> None:
        """End the thread, whoever is still held."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait_for_due():
            self._notify()

    def _wait_for_due(self) -> bool:
        """Wait until somebody is due, and let them go; False at the end."""
        with self._condition:
            while not self._closing:
                left = self._queue[0][0] - monotonic() if self._queue else None
                if left is not None and (left <= 0 or self._releases_all):
                    self._due.append(heappop(self._queue)[2])
                    return True
                self._condition.wait(left)
        return False
