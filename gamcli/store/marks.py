"""What tells a store of gamcli from other files: the marks in its header, and its version."""

import sqlite3
from pathlib import Path

from gamcli.errors import StoreUnusableError, StoreVersionError
from gamcli.store import schema


def version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a store, 0 for an empty file; raises a StoreError when it is not one that we can read."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    owner = _owner(connection)
    # Asked again behind the tables: another process may have made the store between the two questions.
    foreign = owner != schema.APPLICATION_ID and (owner or _has_tables(connection))
    if foreign and _owner(connection) != schema.APPLICATION_ID:
        raise StoreUnusableError(f"{path} is not a store of gamcli", "choose another file with --store PATH")
    if found > len(schema.STEPS):
        raise StoreVersionError(
            f"the store {path} has version {found}; this gamcli knows {len(schema.STEPS)}",
            "upgrade gamcli, or choose another file with --store PATH",
        )
    return int(found)


def _owner(connection: sqlite3.Connection) -> int:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    return int(owner)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
