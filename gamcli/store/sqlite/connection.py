"""SQLite itself: which one it takes, and a connection to a file."""

import sqlite3
from pathlib import Path

from gamcli.errors import StoreVersionError
from gamcli.store.sqlite.errors import translate_error

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables came with 3.37 (2021)."""


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Return a connection to the file, for threads that take turns; raises a StoreError."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreVersionError(
            f"SQLite {sqlite3.sqlite_version} is too old: gamcli needs {'.'.join(map(str, OLDEST_SQLITE))} or later",
            "use a Python that brings a newer SQLite",
        )
    try:
        return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translate_error(error, path) from error
