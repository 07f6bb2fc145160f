"""Names for shell completion: fast, read-only, and never waiting for a lock."""

from collections.abc import Iterator
from pathlib import Path

from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import SqlError

TYPE_CHECKING = False  # start-up: importing typing takes longer than reading the names
if TYPE_CHECKING:
    from gamcli.store.engine import Location

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


def find_by_prefix(path: "Location", noun: str, prefix: str, limit: int) -> Iterator[tuple[str, str]]:
    """
    Yield at most `limit` names that start with `prefix`, each with a description; nothing without a readable file.

    When there are more, the last one of all is among them: a shell inserts the common prefix of what it gets, which
    must be that of all names.
    """
    if not isinstance(path, Path):
        return  # a shell does not wait for a database
    try:
        with open_readonly(path) as connection:
            values = (prefix, prefix + AFTER_ALL_NAMES)
            names = connection.execute(_QUERIES[noun], (*values, limit)).fetchall()
            if len(names) == limit:
                column = "key.id" if noun == "key" else "fold"
                last_first = _QUERIES[noun].replace(f"ORDER BY {column}", f"ORDER BY {column} DESC")
                names[-1:] = connection.execute(last_first, (*values, 1)).fetchall()
            yield from names
    except (SqlError, UnicodeEncodeError):  # no usable store, or `prefix` is not UTF-8
        return
