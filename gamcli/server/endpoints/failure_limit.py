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

DEFAULT_LIMIT = 10
"""How many failures within WINDOW are too many."""

MAX_LIMIT = 1000

MAX_CLIENTS = 10_000
"""How many clients are remembered at most: who has more addresses has no need to come back to one within a minute."""

MAX_FAILURES = 1_000_000
"""How many failures are remembered at most, each with its instant."""


class FailureLimiter:
    """The failures of each client within the last minute; after `limit` of them it has to wait, 0 lets all go on."""

    def __init__(self, limit: int = DEFAULT_LIMIT, max_clients: int = MAX_CLIENTS) -> None:
        self._limit = limit
        self._max_clients = min(max_clients, MAX_FAILURES // max(limit, 1))
        self._failures: dict[Hashable, deque[datetime]] = {}  # who failed last is last
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._failures)

    def retry_after(self, client: Hashable, now: datetime) -> int:
        """Return how many seconds `client` has to wait, 0 for none."""
        failed = self._failures.get(client)
        if failed is None or len(failed) < self._limit:
            return 0
        left = failed[0] + WINDOW - now
        # A clock that was set back makes nobody wait for longer than the minute.
        return ceil(left.total_seconds()) if timedelta(0) < left <= WINDOW else 0

    def record(self, client: Hashable, now: datetime) -> None:
        """Count a failure of `client`, and forget those that are over."""
        if not self._limit:
            return
        with self._lock:
            failed = self._failures.pop(client, None) or deque(maxlen=self._limit)
            failed.append(now)
            self._failures[client] = failed
            self._forget(now)

    def _forget(self, now: datetime) -> None:
        """Drop those who failed longest ago, as far as their minute is over or there is no room for them."""
        while True:
            oldest = next(iter(self._failures))
            if len(self._failures) <= self._max_clients and now - self._failures[oldest][-1] < WINDOW:
                return
            del self._failures[oldest]
