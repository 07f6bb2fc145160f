"""Values that SQLite keeps and nobody can read."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gamcli.store import Store
from gamcli.store.sqlite import unreadable_values


@pytest.fixture
def connection(peopled: Store, store_path: Path) -> Iterator[sqlite3.Connection]:
    peopled.close()
    with closing(sqlite3.connect(store_path, isolation_level=None)) as opened:
        yield opened


def test_each_table_reports_once_what_nobody_can_read(connection: sqlite3.Connection) -> None:
    assert [*unreadable_values.find_unreadable(connection)] == []
    connection.execute("UPDATE user SET name = CAST(x'ff' AS TEXT), email = name, created_at = -1, updated_at = -1")
    connection.execute("UPDATE app SET api_key_timeout_hours = 9223372036854775807, retiring_digest = x'ff'")
    assert [*unreadable_values.find_unreadable(connection)] == [
        "a text in user is not UTF-8",
        "an instant in user is in no calendar",
    ]


def test_the_last_instant_of_all_is_one(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE key SET expires_at = 253402300799999999, created_at = 0")
    assert [*unreadable_values.find_unreadable(connection)] == []
    connection.execute("UPDATE key SET expires_at = 253402300800000000")
    assert [*unreadable_values.find_unreadable(connection)] == ["an instant in key is in no calendar"]


def test_what_keeps_sqlite_from_reading_is_not_a_text(connection: sqlite3.Connection) -> None:
    reads: list[str] = []
    connection.set_trace_callback(lambda sql: reads.append(sql) if 'FROM "user"' in sql else None)
    connection.set_progress_handler(lambda: bool(reads), 1)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        deque(unreadable_values.find_unreadable(connection))
