"""
Limits how often a client may fail within a minute (rule 17).

Failures are counted per client_id and source address, so that a guesser does not lock out clients elsewhere, and in
this process only. Clients that share both share the limit; it can be counted by one of them alone.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from threading import Condition
from typing import NamedTuple

WINDOW = timedelta(minutes=1)

DEFAULT_LIMIT = 10

MAX_LIMIT = 1000

MAX_CLIENTS = 10_000
"""At most this many clients are remembered; those that failed longest ago are dropped."""

MAX_FAILURES = 1_000_000
"""At most this many failures are remembered in total."""

Clock = Callable[[], datetime]


class Client(NamedTuple):
    """Whose failures are counted; empty for what does not count."""

    client_id: str = ""
    address: str = ""


COUNTED_BY: dict[str, Callable[[Client], Client]] = {
    "both": lambda client: client,
    "client": lambda client: Client(client_id=client.client_id),
    "address": lambda client: Client(address=client.address),
}
"""The values of `--max-failures-by`."""


class FailureLimiter:
    """Refuses a client after `limit` failures within WINDOW; 0 means no limit."""

    def __init__(self, limit: int = DEFAULT_LIMIT, max_clients: int = MAX_CLIENTS, counted_by: str = "both") -> None:
        self._limit = limit
        self._max_clients = min(max_clients, MAX_FAILURES // max(limit, 1))
        self._counted = COUNTED_BY[counted_by]
        self._failures: dict[Client, deque[datetime]] = {}  # the client that failed last comes last
        self._running: dict[Client, int] = {}
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._failures)

    def retry_after(self, client: Client, now: datetime) -> int:
        """Return how many seconds `client` has to wait, 0 if it may try now."""
        failures = self._failures.get(self._counted(client))
        if failures is None or len(failures) < self._limit:
            return 0
        left = failures[0] + WINDOW - now
        # If the clock was set back, no client waits longer than WINDOW.
        return ceil(left.total_seconds()) if timedelta(0) < left <= WINDOW else 0

    def begin(self, client: Client, now: Clock) -> int:
        """
        Begin an attempt, and return 0; call `end` after it. Return the seconds to wait if there were too many failures.

        An attempt counts while it runs, so that many at once do not exceed the limit: waits for the running ones if it
        depends on them whether one more is allowed.
        """
        key = self._counted(client)
        with self._changed:
            while not (seconds := self.retry_after(client, now())):
                failed = sum(timedelta(0) <= now() - each < WINDOW for each in self._failures.get(key, ()))
                if not self._limit or failed + self._running.get(key, 0) < self._limit:
                    self._running[key] = self._running.get(key, 0) + 1
                    break
                self._changed.wait()
        return seconds

    def end(self, client: Client, now: Clock, *, failed: bool) -> None:
        key = self._counted(client)
        with self._changed:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
            if failed:
                self._record(key, now())
            self._changed.notify_all()

    def record(self, client: Client, now: datetime) -> None:
        """Count a failure of `client` that is found after its attempt."""
        with self._changed:
            self._record(self._counted(client), now)

    def _record(self, key: Client, now: datetime) -> None:
        if not self._limit:
            return
        failures = self._failures.pop(key, None) or deque(maxlen=self._limit)
        failures.append(now)
        self._failures[key] = failures
        oldest = next(iter(self._failures))
        while len(self._failures) > self._max_clients or now - self._failures[oldest][-1] >= WINDOW:
            del self._failures[oldest]
            oldest = next(iter(self._failures))
