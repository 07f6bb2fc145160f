"""
Numbers for connections that issue tokens, so that their IDs are unique without a shared lock.

A connection holds its number by a lock of its session, which PostgreSQL releases when the connection ends. An ID is
about the microsecond of issue, and its remainder is the number of the connection.
"""

from typing import Any
from zlib import crc32

from gamcli.errors import StoreBusyError
from gamcli.store.postgres.connection import DatabaseConnection

SLOTS = 64
"""At most this many connections issue tokens at a time, each at most 15,625 a second on average."""

_TAKE = f"""SELECT slot FROM generate_series(0, {SLOTS - 1}) AS slot
    WHERE pg_try_advisory_lock($1::int, slot) LIMIT 1"""


class IdSlot:
    """The number that a connection holds, and the last ID that it issued."""

    def __init__(self, connection: DatabaseConnection, schema: str) -> None:
        row: Any = connection.execute(_TAKE, [crc32(schema.encode()) - 2**31]).fetchone()
        if row is None:
            hint = "stop another server first"
            raise StoreBusyError(f"{SLOTS} connections, the maximum, already issue tokens", hint)
        self.number: int = row[0]
        self._last = 0

    def next_id(self, at_least: int) -> int:
        """Return the next unused ID that has the number of this connection as its remainder."""
        first = max(at_least, self._last + 1)
        self._last = first + (self.number - first) % SLOTS
        return self._last
