"""A glance at a store as it is: nothing is brought up to date, nothing is written, nothing is left beside it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_readonly(path: Path, timeout: float = 0.0) -> Iterator[sqlite3.Connection]:
    """
    Open the store at `path` to read it; it must be there. Raises sqlite3.Error.

    SQLite puts files beside a store that it opens, and takes them away again only as one who may write.
    """
    path = path.resolve()  # beside the file, not beside a link to it
    alone = os.access(path, os.W_OK) and not Path(f"{path}-wal").exists()
    mode = "rw" if alone else "ro"
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        yield connection
    finally:
        connection.close()
