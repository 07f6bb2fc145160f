"""Connections to the file of a store: to read and write it, or to read it without changing anything."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamcli.errors import StoreVersionError
from gamcli.store.sqlite.errors import translate_error

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables came with 3.37 (2021)."""

SIDECAR_SUFFIXES = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps next to a database and treats as part of it."""


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Return a connection that threads may share; raises a StoreError."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreVersionError(
            f"SQLite {sqlite3.sqlite_version} is too old: gamcli needs {'.'.join(map(str, OLDEST_SQLITE))} or later",
            "use a Python with a newer SQLite",
        )
    try:
        return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translate_error(error, path) from error


def connect_readonly(path: Path, timeout: float) -> sqlite3.Connection:
    """
    Return a connection to a store that may only be read, which creates no file; raises a StoreError.

    While others use it, SQLite's locks protect what is read. Otherwise SQLite could not open it without creating a WAL,
    so the file is opened as immutable.
    """
    path = path.resolve()
    mode = "mode=ro" if _find_sidecars(path) else "mode=ro&immutable=1"
    uri = f"{path.as_uri()}?{mode}"
    try:
        return sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translate_error(error, path) from error


@contextmanager
def open_readonly(path: Path, timeout: float = 0.0) -> Iterator[sqlite3.Connection]:
    """
    Open an existing store without migrating or changing it, and leave no files behind. Raises sqlite3.Error.

    SQLite creates files next to a store that it opens, and removes them only if it may write: so the connection may
    write unless a WAL exists, which closing would merge. On read-only media the file is opened as immutable.
    """
    path = path.resolve()  # SQLite's files are next to the file, not next to a link to it
    suffixes = _find_sidecars(path)
    if is_writable(path):
        mode = "mode=ro" if "-wal" in suffixes else "mode=rw"
    else:
        mode = "mode=ro" if suffixes else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        yield connection
    finally:
        connection.close()


def _find_sidecars(path: Path) -> list[str]:
    return [suffix for suffix in SIDECAR_SUFFIXES if os.path.exists(f"{path}{suffix}")]  # noqa: PTH110 - False for a name that is too long


def is_writable(path: Path) -> bool:
    """Return whether the store, and SQLite's files next to it, can be written."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
