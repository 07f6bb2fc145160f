"""
Another file in the place of a store: at every instant the old one lies there or the new one, each whole.

What was there stays under another name, with its log when that could not be put into it.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from gamcli.errors import FailedError, StoreUnusableError
from gamcli.store.sqlite import backups, open_lock
from gamcli.store.sqlite.errors import is_busy, translate_error

TIMEOUT = 5.0
"""How many seconds it waits for those who are just opening the store."""

DAMAGE_ERRORS = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def require_unused(path: Path) -> None:
    """Raise StoreBusyError when another process has the store open."""
    try:
        if open_lock.is_in_use(path):
            raise open_lock.busy_error(path)
    except OSError as error:
        raise StoreUnusableError(f"the store {path} cannot be replaced: {error.strerror}", "check its mode") from error


def replace_store(path: Path, new: Path, backup: Path) -> bool:
    """
    Put `new` in the place of the store at `path`, which lies at `kept` from then on; False when nothing was there.

    Raises StoreBusyError, with nothing changed, when another process works on it.
    """
    with open_lock.lock_for_replacing(path, TIMEOUT):
        require_unused(path)
        there = path.exists()
        try:
            if there:
                _merge_wal(path)
                _keep_copy(path, backup)
            _move_sidecars_aside(path, backup)
            new.replace(path)
            backups.sync(path.parent)
        except OSError as error:
            raise FailedError(f"cannot replace {path}: {error.strerror}", "make room, or check its folder") from error
    return there


def _merge_wal(path: Path) -> None:
    """Put the log of a store into its file, so that this is all of it; of a damaged one both are kept as they are."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if is_busy(error) or not getattr(error, "sqlite_errorname", "").startswith(DAMAGE_ERRORS):
            raise translate_error(error, path) from error


def _keep_copy(path: Path, kept: Path) -> None:
    """Give a store a second name; where files have but one, copy it."""
    try:
        os.link(path, kept)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        shutil.copyfile(path, kept)
        backups.sync(kept)


def _move_sidecars_aside(path: Path, kept: Path) -> None:
    """Take away what SQLite would read as part of the new file."""
    for end in backups.SIDECAR_SUFFIXES:
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").rename(f"{kept}{end}")


def compact(path: Path) -> None:
    """
    Write a store anew without what is empty in it, and empty its log.

    Raises StoreBusyError when others write, or read for so long that the log cannot be emptied.
    """
    with (
        backups.translate_errors(path),
        closing(sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None)) as connection,
    ):
        connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise open_lock.busy_error(path)
