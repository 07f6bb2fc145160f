"""Names that begin with what was typed, for completion: read quickly, never waiting, never changing anything."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gamcli.store.sqlite import open_readonly

_QUERIES = {
    "user": "SELECT name, email FROM user WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT ?",
    "app": "SELECT name, description FROM app WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT ?",
    "auth_type": "SELECT name, description FROM auth_type WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT ?",
    "key": """SELECT key.id, user.name || ' for ' || app.name FROM key
        JOIN user ON user.number = key.user_number JOIN app ON app.number = key.app_number
        WHERE key.id >= ? AND key.id < ? ORDER BY key.id LIMIT ?""",
}

AFTER_ALL_NAMES = "\U0010ffff"
"""Sorts behind every letter that a name can hold."""


def find_by_prefix(path: Path, noun: str, prefix: str, limit: int) -> Iterator[tuple[str, str]]:
    """Yield the names of a noun that begin with `typed`, each with what says more of it; no store has no names."""
    try:
        with open_readonly.open_readonly(path) as connection:
            yield from connection.execute(_QUERIES[noun], (prefix, prefix + AFTER_ALL_NAMES, limit)).fetchall()
    except (sqlite3.Error, UnicodeEncodeError):  # no store, or what was typed is no UTF-8
        return
