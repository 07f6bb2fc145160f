"""Values that SQLite stores but gamcli cannot read."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gamcli.store import Store
from gamcli.store.sqlite.checks import find_unreadable_values
from gamcli.store.sqlite.transaction import SqliteTransaction


@pytest.fixture
def connection(peopled: Store, store_path: Path) -> Iterator[sqlite3.Connection]:
    peopled.close()
    with closing(sqlite3.connect(store_path, isolation_level=None)) as opened:
        yield opened


def test_unreadable_values_are_reported_once_per_table(connection: sqlite3.Connection) -> None:
    assert [*find_unreadable_values(SqliteTransaction(connection))] == []
    connection.execute("UPDATE user SET name = CAST(x'ff' AS TEXT), email = name, created_at = -1, updated_at = -1")
    connection.execute("UPDATE app SET api_key_timeout_hours = 9223372036854775807, retiring_digest = x'ff'")
    assert [*find_unreadable_values(SqliteTransaction(connection))] == [
        "a text in user is not valid UTF-8",
        "a timestamp in user is out of range",
    ]


def test_the_latest_timestamp_is_valid(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE key SET expires_at = 253402300799999999, created_at = 0")
    assert [*find_unreadable_values(SqliteTransaction(connection))] == []
    connection.execute("UPDATE key SET expires_at = 253402300800000000")
    assert [*find_unreadable_values(SqliteTransaction(connection))] == ["a timestamp in key is out of range"]


def test_an_error_of_sqlite_is_not_unreadable_text(connection: sqlite3.Connection) -> None:
    reads: list[str] = []
    connection.set_trace_callback(lambda sql: reads.append(sql) if 'FROM "user"' in sql else None)
    connection.set_progress_handler(lambda: bool(reads), 1)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        deque(find_unreadable_values(SqliteTransaction(connection)))
