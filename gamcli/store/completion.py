"""Names for shell completion: fast, read-only, and never waiting for a lock."""

from collections.abc import Iterator
from pathlib import Path

from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import SqlError

_QUERIES = {
    "user": "SELECT name, email FROM user WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT ?",
    "app": "SELECT name, description FROM app WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT ?",
    "auth_type": "SELECT name, description FROM auth_type WHERE fold >= ? AND fold < ? ORDER BY fold LIMIT ?",
    "key": """SELECT key.id, user.name || ' for ' || app.name FROM key
        JOIN user ON user.number = key.user_number JOIN app ON app.number = key.app_number
        WHERE key.id >= ? AND key.id < ? ORDER BY key.id LIMIT ?""",
}

AFTER_ALL_NAMES = "\U0010ffff"
"""Sorts after every character of a name."""


def find_by_prefix(path: Path, noun: str, prefix: str, limit: int) -> Iterator[tuple[str, str]]:
    """Yield the names that start with `prefix`, each with a description; nothing when the store cannot be read."""
    try:
        with open_readonly(path) as connection:
            yield from connection.execute(_QUERIES[noun], (prefix, prefix + AFTER_ALL_NAMES, limit)).fetchall()
    except (SqlError, UnicodeEncodeError):  # no usable store, or `prefix` is not UTF-8
        return
