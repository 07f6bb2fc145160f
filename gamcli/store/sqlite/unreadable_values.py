"""Values that SQLite keeps and nobody can read: texts that are no UTF-8, instants that no calendar has."""

import sqlite3
from collections import deque
from collections.abc import Iterator

from gamcli.store.timestamps import LATEST, to_micros

TIMESTAMP_SUFFIXES = ("at", "since", "until")
"""How the names of columns end that hold instants."""

OUT_OF_RANGE = f"NOT BETWEEN 0 AND {to_micros(LATEST)}"


def find_unreadable(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with the values of each table of a store."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    for (table,) in tables.fetchall():
        columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", [table]).fetchall()
        texts = [name for name, kind in columns if kind == "TEXT"]
        if texts and not _is_text(connection, f'SELECT {", ".join(map(_quoted, texts))} FROM "{table}"'):
            yield f"a text in {table} is not UTF-8"
        instants = [
            name for name, kind in columns if kind == "INTEGER" and name.rpartition("_")[2] in TIMESTAMP_SUFFIXES
        ]
        beyond = " OR ".join(f"{_quoted(name)} {OUT_OF_RANGE}" for name in instants)
        if beyond and connection.execute(f'SELECT 1 FROM "{table}" WHERE {beyond} LIMIT 1').fetchone():
            yield f"an instant in {table} is in no calendar"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _is_text(connection: sqlite3.Connection, sql: str) -> bool:
    """Say whether all that a statement finds can be read as text."""
    try:
        deque(connection.execute(sql), maxlen=0)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", None):  # of SQLite itself, and not of Python who reads for it
            raise
        return False
    return True
