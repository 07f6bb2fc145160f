"""
How often clients have failed of late: who fails too often is not heard for a while, whatever it sends (rule 17).

Counted for a client_id and a source address together, so that one who guesses does not lock out those elsewhere; in
this process alone, and forgotten with it.
"""

from collections import deque
from collections.abc import Hashable
from datetime import datetime, timedelta
from math import ceil
from threading import Lock

WINDOW = timedelta(minutes=1)

LIMIT = 10
"""How many failures within WINDOW are too many."""

MAX_LIMIT = 1000

MAX_CLIENTS = 10_000
"""How many clients are remembered at most: who has more addresses has no need to come back to one within a minute."""

MAX_COUNTED = 1_000_000
"""How many failures are remembered at most, each with its instant."""


class Failures:
    """The failures of each client within the last minute; after `limit` of them it has to wait, 0 lets all go on."""

    def __init__(self, limit: int = LIMIT, room: int = MAX_CLIENTS) -> None:
        self._limit = limit
        self._room = min(room, MAX_COUNTED // max(limit, 1))
        self._found: dict[Hashable, deque[datetime]] = {}  # who failed last is last
        self._turn = Lock()

    def __len__(self) -> int:
        return len(self._found)

    def wait(self, client: Hashable, now: datetime) -> int:
        """Return how many seconds `client` has to wait, 0 for none."""
        failed = self._found.get(client)
        if failed is None or len(failed) < self._limit:
            return 0
        left = failed[0] + WINDOW - now
        # A clock that was set back makes nobody wait for longer than the minute.
        return ceil(left.total_seconds()) if timedelta(0) < left <= WINDOW else 0

    def count(self, client: Hashable, now: datetime) -> None:
        """Count a failure of `client`, and forget those that are over."""
        if not self._limit:
            return
        with self._turn:
            failed = self._found.pop(client, None) or deque(maxlen=self._limit)
            failed.append(now)
            self._found[client] = failed
            self._forget(now)

    def _forget(self, now: datetime) -> None:
        """Drop those who failed longest ago, as far as their minute is over or there is no room for them."""
        while True:
            oldest = next(iter(self._found))
            if len(self._found) <= self._room and now - self._found[oldest][-1] < WINDOW:
                return
            del self._found[oldest]
