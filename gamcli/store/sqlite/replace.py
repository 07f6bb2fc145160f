"""
Replace the file of a store: at every moment there is the old file or the new one, complete.

The old file is backup under another name, with its WAL if that cannot be merged.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from gamcli.errors import FailedError, StoreUnusableError
from gamcli.store.sqlite import files, open_lock
from gamcli.store.sqlite.connection import SIDECAR_SUFFIXES
from gamcli.store.sqlite.errors import is_damage, translate_error, translate_errors
from gamcli.store.sqlite.lock_file import give_to_owner

TIMEOUT = 5.0
"""Seconds to wait for processes that are opening the store."""


def require_unused(path: Path) -> None:
    """Raise StoreBusyError when another process has the store open."""
    try:
        if open_lock.is_in_use(path):
            raise open_lock.busy_error(path)
    except OSError as error:
        raise StoreUnusableError(f"cannot replace the store {path}: {error.strerror}", "check its mode") from error


def replace_store(path: Path, new: Path, backup: Path) -> bool:
    """
    Replace the store with the file `new`, keeping it as `backup`; return False when it did not exist.

    Raises StoreBusyError, with nothing changed, when another process uses it.
    """
    with open_lock.lock(path, exclusive=True, timeout=TIMEOUT):
        require_unused(path)
        exists = path.exists()
        try:
            if exists:
                _merge_wal(path)
                _keep_copy(path, backup)
                give_to_owner(new, path)
            for end in SIDECAR_SUFFIXES:  # SQLite would take them for part of the new file
                with suppress(FileNotFoundError):
                    Path(f"{path}{end}").rename(f"{backup}{end}")
            new.replace(path)
            files.sync(path.parent)
        except OSError as error:
            raise FailedError(
                f"cannot replace {path}: {error.strerror}", "free some space, or check its folder"
            ) from error
    return exists


def _merge_wal(path: Path) -> None:
    """Merge the WAL into the file, so that it is complete; a damaged store is left as it is."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise translate_error(error, path) from error


def _keep_copy(path: Path, backup: Path) -> None:
    """Link the store to a second name, or copy it where the file system has no hard links."""
    try:
        os.link(path, backup)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(backup, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        give_to_owner(backup, path)
        shutil.copyfile(path, backup)
        files.sync(backup)


def compact(path: Path) -> None:
    """
    Rebuild a store without free pages and empty its WAL.

    Raises StoreBusyError when others write, or read for longer than TIMEOUT.
    """
    with (
        translate_errors(path),
        closing(sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None)) as connection,
    ):
        connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise open_lock.busy_error(path)
