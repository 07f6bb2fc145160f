"""
Limits how often a client may fail within a minute (rule 17).

Failures are counted per client_id and source address, so that a guesser does not lock out clients elsewhere, and in
this process only.
"""

from collections import deque
from collections.abc import Hashable
from datetime import datetime, timedelta
from math import ceil
from threading import Lock

WINDOW = timedelta(minutes=1)

DEFAULT_LIMIT = 10

MAX_LIMIT = 1000

MAX_CLIENTS = 10_000
"""At most this many clients are remembered; those that failed longest ago are dropped."""

MAX_FAILURES = 1_000_000
"""At most this many failures are remembered in total."""


class FailureLimiter:
    """Refuses a client after `limit` failures within WINDOW; 0 means no limit."""

    def __init__(self, limit: int = DEFAULT_LIMIT, max_clients: int = MAX_CLIENTS) -> None:
        self._limit = limit
        self._max_clients = min(max_clients, MAX_FAILURES // max(limit, 1))
        self._failures: dict[Hashable, deque[datetime]] = {}  # the client that failed last comes last
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._failures)

    def retry_after(self, client: Hashable, now: datetime) -> int:
        """Return how many seconds `client` has to wait, 0 if it may try now."""
        failures = self._failures.get(client)
        if failures is None or len(failures) < self._limit:
            return 0
        left = failures[0] + WINDOW - now
        # If the clock was set back, nobody waits longer than WINDOW.
        return ceil(left.total_seconds()) if timedelta(0) < left <= WINDOW else 0

    def record(self, client: Hashable, now: datetime) -> None:
        """Count a failure of `client`."""
        if not self._limit:
            return
        with self._lock:
            failures = self._failures.pop(client, None) or deque(maxlen=self._limit)
            failures.append(now)
            self._failures[client] = failures
            self._drop_old(now)

    def _drop_old(self, now: datetime) -> None:
        while True:
            oldest = next(iter(self._failures))
            if len(self._failures) <= self._max_clients and now - self._failures[oldest][-1] < WINDOW:
                return
            del self._failures[oldest]
