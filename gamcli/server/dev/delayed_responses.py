"""Holds requests back for a time, on a separate thread."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class DelayedResponses(Generic[ItemT]):
    """Delays items, and calls `notify` whenever one is due."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._queue: list[tuple[float, int, ItemT]] = []
        self._sequence = count()
        self._due: deque[ItemT] = deque()
        self._condition = Condition()
        self._releases_all = False
        self._closing = False
        self._thread = Thread(target=self._run, name="delayed-responses", daemon=True)
        self._thread.start()

    def add(self, item: ItemT, seconds: float) -> None:
        with self._condition:
            heappush(self._queue, (monotonic() + seconds, next(self._sequence), item))
            self._condition.notify()

    def pop_due(self) -> list[ItemT]:
        """Return the items that are due, each once."""
        return [self._due.popleft() for _ in range(len(self._due))]

    def release_all(self) -> None:
        """Delay nothing from now on; may be called from a signal handler."""
        with self._condition:
            self._releases_all = True
            self._condition.notify()

    def close(self) -> None:
        """Stop the thread and drop what is still delayed."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait_for_due():
            self._notify()

    def _wait_for_due(self) -> bool:
        """Wait until an item is due; return False when closing."""
        with self._condition:
            while not self._closing:
                seconds = self._queue[0][0] - monotonic() if self._queue else None
                if seconds is not None and (seconds <= 0 or self._releases_all):
                    self._due.append(heappop(self._queue)[2])
                    return True
                self._condition.wait(seconds)
        return False
