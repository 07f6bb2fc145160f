"""The header of a store: whether the file is a gamcli store, of which version, and whether it uses a WAL."""

import os
import sqlite3
from pathlib import Path

from gamcli.errors import StoreUnusableError, StoreVersionError
from gamcli.store import schema
from gamcli.store.engine import StoreFacts, Transaction
from gamcli.store.sqlite.connection import is_writable
from gamcli.store.sqlite.errors import OTHER_STORE_HINT, SqlError


def read_version(tx: Transaction, path: Path) -> int:
    """Return the schema version, 0 for an empty file; raises a StoreError when the file cannot be used."""
    version = tx.number("PRAGMA user_version")
    application_id = tx.number("PRAGMA application_id")
    # Read the id again after the tables: another process may have created the store in between.
    is_foreign = application_id != schema.APPLICATION_ID and (
        application_id or tx.one("SELECT 1 FROM sqlite_schema") is not None
    )
    if is_foreign and tx.number("PRAGMA application_id") != schema.APPLICATION_ID:
        raise StoreUnusableError(f"{path} is not a gamcli store", OTHER_STORE_HINT)
    if version > len(schema.MIGRATIONS):
        raise StoreVersionError(
            f"the store {path} has version {version}; this gamcli supports version {len(schema.MIGRATIONS)}",
            f"upgrade gamcli, or {OTHER_STORE_HINT}",
        )
    if version < 0:
        message = f"{path} is damaged: its header has version {version}"
        raise StoreUnusableError(message, f"restore a backup, or {OTHER_STORE_HINT}")
    return version


def load_facts(tx: Transaction, path: Path) -> StoreFacts:
    status, wal = path.stat(), Path(f"{path.resolve()}-wal")
    return StoreFacts(
        version=tx.number("PRAGMA user_version"),
        engine=f"SQLite {sqlite3.sqlite_version}",
        size=status.st_size,
        mode=f"{status.st_mode & 0o7777:04o}",
        wal_size=wal.stat().st_size if wal.exists() else 0,
        pages=tx.number("PRAGMA page_count"),
        free_pages=tx.number("PRAGMA freelist_count"),
        page_size=tx.number("PRAGMA page_size"),
    )


_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID = slice(68, 72)


def is_other_file(path: Path) -> bool:
    """Return whether a file is not of SQLite, and not an empty file either. For files that are not open."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError:
        return False
    return head not in (b"", _MAGIC)


def has_store_header(path: Path) -> bool:
    """Return whether a file has the header of a gamcli store; does not follow a link. For files that are not open."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        header = os.read(descriptor, 100)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    is_ours = header[_APPLICATION_ID] == schema.APPLICATION_ID.to_bytes(4, "big")
    return header.startswith(_MAGIC) and is_ours


def read_last_migration(tx: Transaction) -> int:
    """Return the version of the last recorded migration, 0 when none can be read."""
    try:
        return tx.number("SELECT max(version) FROM migration")
    except SqlError:  # reported by the check of the pages
        return 0


def find_version_problem(version: int, last_migration: int) -> str | None:
    """Return why the version in the header, which decides how the file is read, is wrong; None when it is right."""
    if version >= max(last_migration, 1):
        return None
    return f"its header has version {version}, but its last migration is {last_migration}"


def lacks_wal(tx: Transaction, path: Path) -> bool:
    """Return whether a store lacks the WAL that it should have; one that cannot be written needs none."""
    return is_writable(path.resolve()) and tx.one("PRAGMA journal_mode") != ("wal",)
