"""SQLite errors, translated into store errors with hints."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gamcli.errors import (
    ConflictError,
    DamagedRowError,
    FailedError,
    GamcliError,
    StoreBusyError,
    StoreUnusableError,
    UsageError,
)

SqlError = sqlite3.Error
"""The base of all errors that a query raises, for code that does not import `sqlite3`."""

READ_ERRORS = (sqlite3.Error, DamagedRowError)
"""What reading rows raises, for `translate_error`."""

OTHER_STORE_HINT = "choose another file with --store PATH"
"""The hint when the file is not a usable store."""

DAMAGE_ERRORS = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")  # the last: others change the WAL at each attempt to read
_READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
_DATABASE_FILES = 4  # the database, its WAL, the index of that, and their folder
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")


def error_name(error: BaseException) -> str:
    """Return SQLite's name of an error, such as SQLITE_BUSY; empty for an error of Python's module."""
    return getattr(error, "sqlite_errorname", None) or ""


def is_busy(error: Exception) -> bool:
    return error_name(error).startswith(_BUSY)


def is_full(error: Exception) -> bool:
    return error_name(error) in _FULL


def is_damage(error: Exception) -> bool:
    return error_name(error).startswith(DAMAGE_ERRORS)


def translate_error(error: sqlite3.Error | DamagedRowError, path: Path) -> GamcliError:
    name = error_name(error)
    if name.startswith("SQLITE_CONSTRAINT"):
        return _constraint_error(str(error), name)
    if is_busy(error):
        return StoreBusyError(f"the store {path} is in use by another process", "try again in a moment", path)
    if name.startswith(_READ_ONLY):
        return _unwritable_error(name, path)
    if is_damage(error):
        return StoreUnusableError(
            f"{path} is damaged or not a gamcli store", f"restore a backup, or {OTHER_STORE_HINT}"
        )
    if is_full(error):
        return StoreUnusableError(f"the disk of {path} is full", "free some space and try again: nothing was changed")
    return _other_error(error, path)


def _other_error(error: sqlite3.Error | DamagedRowError, path: Path) -> StoreUnusableError:
    if isinstance(error, DamagedRowError):
        return error.with_store(str(path))
    if not error_name(error) and "decode to UTF-8" in str(error):  # Python's message quotes the text
        return DamagedRowError("a text is not valid UTF-8", store=str(path))
    return StoreUnusableError(f"the store {path} failed: {error} ({error_name(error)})", "check the disk and the file")


def _unwritable_error(name: str, path: Path) -> StoreUnusableError:
    if name.startswith("SQLITE_CANTOPEN") and not _can_open_files():
        return StoreUnusableError(f"the store {path} cannot be opened: too many open files", "raise ulimit -n")
    if path.exists() and not os.access(path, os.R_OK):
        return StoreUnusableError(f"the store {path} cannot be read", _modes_hint(path))
    return unwritable_error(path)


def unwritable_error(path: Path) -> StoreUnusableError:
    """Return the error for a store that cannot be written, with the reason if the file system is read-only."""
    folder = path.parent
    if folder.is_dir() and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return StoreUnusableError(
            f"the store {path} cannot be written: its file system is mounted read-only",
            f"make {folder} writable with mount -o remount,rw, or {OTHER_STORE_HINT}",
        )
    return StoreUnusableError(f"the store {path} cannot be written", _modes_hint(path))


def _modes_hint(path: Path) -> str:
    return f"check the mode and the owner of {path} and its folder"


def _can_open_files() -> bool:
    """Say whether the limit of the process leaves enough file descriptors for a database: SQLite hides the reason."""
    with ExitStack() as opened:
        try:
            for _ in range(_DATABASE_FILES):
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return False
    return True


def _constraint_error(message: str, name: str) -> GamcliError:
    """Return the error of a change that the schema refuses: the store is intact, and nothing was changed."""
    if name.endswith(("_UNIQUE", "_PRIMARYKEY")):
        column = message.rpartition(": ")[2].split(", ")[0]
        table, _, field = _COLUMN_LABELS.get(column, column).partition(".")
        return ConflictError(f"another {table} already has this {field}; nothing was changed", "use another value")
    return FailedError(
        f"the change violates a constraint of the store: {message}; nothing was changed", "report this as a bug"
    )


_COLUMN_LABELS = {
    "app.client_id": "application.client ID",
    "app.fold": "application.name",
    "user.fold": "user.name",
    "user.email_fold": "user.email",
    "user.guid": "user.GUID",
    "auth_type.fold": "authentication type.name",
    "key.id": "key.ID",
}
"""The noun and the field of a unique column, for messages."""


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise a GamcliError for an error of SQLite."""
    try:
        yield
    except READ_ERRORS as error:
        raise translate_error(error, path) from error
    except UnicodeEncodeError:
        raise UsageError("an argument is not valid UTF-8", "retype it") from None
