"""
The contents of a store that `doctor` checks, read without migrating or changing it.

Counts come from indexes or stop after MAX_ROWS, so that a store with a million keys is read quickly.
"""

from datetime import datetime
from pathlib import Path

from gamcli.errors import StoreMissingError, StoreUnusableError
from gamcli.model.doctor import StoreContents
from gamcli.store import contents, schema
from gamcli.store.sqlite import file_header, files, open_lock
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import translate_errors
from gamcli.store.sqlite.schema_check import find_schema_problem
from gamcli.store.sqlite.transaction import SqliteTransaction

MAX_QUICK_CHECK_BYTES = 64 * 1024 * 1024
"""Up to this size every page is checked; larger stores are left to `store check`."""

TIMEOUT = 1.0
"""Seconds to wait for a process that has locked the store."""


def load_contents(path: Path, now: datetime) -> tuple[int, tuple[str, ...], StoreContents | None]:
    """
    Return the schema version of a store, the output files of its batches, and its contents.

    The contents of an older store are None. Raises a StoreError when the store cannot be used.
    """
    if not files.store_exists(path):
        raise StoreMissingError(f"the store {path} does not exist")
    if (problem_in_use := open_lock.find_problem(path, TIMEOUT)) is not None:
        raise problem_in_use
    with translate_errors(path), open_readonly(path, TIMEOUT) as connection:
        connection.execute("BEGIN")
        tx = SqliteTransaction(connection)
        version = file_header.read_version(tx, path)
        problem = file_header.find_version_problem(version, file_header.read_last_migration(tx))
        if problem is not None:
            raise StoreUnusableError(f"{path} is damaged: {problem}")
        if version != len(schema.MIGRATIONS):
            return version, (), None
        if (difference := find_schema_problem(tx)) is not None:
            raise StoreUnusableError(f"{path} is damaged: {difference}")
        if path.stat().st_size <= MAX_QUICK_CHECK_BYTES and tx.one("PRAGMA quick_check(1)") != ("ok",):
            raise StoreUnusableError(f"{path} is damaged")
        uses_wal = not file_header.lacks_wal(tx, path)
        return version, tuple(contents.load_output_paths(tx)), contents.load_contents(tx, now, uses_wal=uses_wal)
