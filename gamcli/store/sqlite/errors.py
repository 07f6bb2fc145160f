"""What SQLite reports, told in our words with what to do about it."""

import sqlite3
from pathlib import Path

from gamcli.errors import StoreBusyError, StoreError, StoreUnusableError

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
OTHER_STORE_HINT = "choose another file with --store PATH"
"""What helps when the file that was asked for is none of ours."""

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether another process holds the file."""
    return getattr(error, "sqlite_errorname", "").startswith(_BUSY)


def is_full(error: sqlite3.Error) -> bool:
    """Say whether there is no room left on the disk."""
    return getattr(error, "sqlite_errorname", "") in _FULL


def translate_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return `error` in our words, with what to do about it."""
    name = getattr(error, "sqlite_errorname", "")
    if is_busy(error):
        return StoreBusyError(f"the store {path} is in use by another process", "try again in a moment")
    if name.startswith(_READ_ONLY):
        return StoreUnusableError(
            f"the store {path} cannot be written", f"check the mode and the owner of {path} and of its folder"
        )
    if name.startswith(_DAMAGED):
        return StoreUnusableError(
            f"{path} is damaged or not a store of gamcli", f"restore a backup, or {OTHER_STORE_HINT}"
        )
    if is_full(error):
        return StoreUnusableError(f"the disk of {path} is full", "make room and try again: nothing was changed")
    return StoreUnusableError(f"the store {path} failed: {error} ({name})", "check the disk and the file")
