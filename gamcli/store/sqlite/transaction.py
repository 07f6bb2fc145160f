"""A transaction on a SQLite file: runs queries until its `with` block ends."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from weakref import WeakSet

from gamcli.store.engine import DataVersion, Query, Row, Transaction

CACHE_KIB = 64 * 1024
WAL_PAGES = 8000
"""A larger page cache and a longer WAL save most of the repeated reads and writes of index pages."""


class SqliteTransaction(Transaction):
    """Runs queries; valid until the end of the `with` block that created it."""

    decoding_errors = (sqlite3.Error,)

    __slots__ = ("_connection", "_last_commit", "_open_cursors")

    def __init__(
        self,
        connection: sqlite3.Connection,
        open_cursors: WeakSet[sqlite3.Cursor] | None = None,
        last_commit: bytes = b"",
    ) -> None:
        self._connection = connection
        self._last_commit = last_commit
        self._open_cursors = open_cursors

    def data_version(self) -> DataVersion:
        if self._last_commit:
            return self._last_commit
        version: Any = self.one("PRAGMA data_version")
        return version[0], self._connection.total_changes

    def one(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows as SQLite finds them."""
        cursor = self._connection.execute(sql, values)
        if self._open_cursors is not None:
            self._open_cursors.add(cursor)
        return iter(cursor)

    def run(self, sql: str, *values: object) -> int:
        return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        return self._connection.executemany(sql, rows).rowcount

    stream = each

    def save(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        self._connection.executemany(sql, rows)

    def fetch_together(self, queries: Sequence[Query[Any]]) -> list[Any]:
        """Return the result of each query; a write transaction has the file to itself, so no row is locked."""
        return [query.build(self.each(query.sql, query.values)) for query in queries]

    def next_id(self, at_least: int) -> int:
        return at_least

    def columns(self, table: str) -> dict[str, bool]:
        return {str(row[1]): False for row in self.each(f"PRAGMA table_info({table})")}

    def use_more_memory(self) -> None:
        self.run(f"PRAGMA cache_size = -{CACHE_KIB}")
        self.one(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
