"""
The clock of a process that uses a database: its own, as long as it agrees with that of the database.

Expiry is decided by comparing times, so all nodes must have about the same. The database's clock is read whenever a
transaction begins to write, in the same round trip. If this computer's clock differs from it by more than TOLERANCE,
the difference is added to what this computer's clock says: then the database's clock decides.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(seconds=2)
"""Smaller differences are not corrected, so two nodes can disagree about an expiration by up to this."""


class DatabaseClock:
    """Shared by the connections of a process; `read` is this computer's clock, in UTC."""

    def __init__(self, read: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._read = read
        self.difference = timedelta()
        """How far the database's clock is ahead, when it was read last."""

    def update(self, database: datetime) -> None:
        self.difference = database - self._read()

    def predict(self) -> datetime:
        """Return what the database's clock says now, unless one of the clocks was set meanwhile."""
        return self._read() + self.difference

    @property
    def correction(self) -> timedelta:
        return self.difference if abs(self.difference) > TOLERANCE else timedelta()
