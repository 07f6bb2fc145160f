"""
Copies of a store: a consistent snapshot, complete or absent, readable by the owner only.

The pages are copied with SQLite's backup API. It starts again when another process writes, so under load it would never
finish: the copy is made within a read transaction, which keeps one snapshot.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from gamcli.errors import ConflictError, FailedError, command
from gamcli.store import schema
from gamcli.store.sqlite import file_header, files, lock_file, open_lock
from gamcli.store.sqlite.connection import SIDECAR_SUFFIXES, open_readonly
from gamcli.store.sqlite.errors import error_name, translate_errors
from gamcli.store.sqlite.transaction import SqliteTransaction

PAGES_PER_STEP = 1024
"""Pages per step (4 MiB); Ctrl-C takes effect between steps."""

TARGET_CACHE_PAGES = 100
"""Cache of the target in pages: small, since no page is read again."""

TIMEOUT = 5.0
"""Seconds to wait for a process that recovers or migrates the store."""

RowCounts = dict[str, int]
"""The number of rows of each table."""


Progress = Callable[[int, int, int], object]
"""Called after each step with SQLite's status, the remaining pages and all pages."""


def copy(source: Path, target: Path, progress: Progress = lambda *_: None) -> RowCounts:
    """
    Copy the store `source` to the empty file `target`, flush it to disk, and return the row counts.

    Raises a StoreError about the source, FailedError when `target` cannot be written.
    """
    files.require_exists(source)
    if (problem := open_lock.find_problem(source, TIMEOUT)) is not None:
        raise problem
    return copy_own(source, target, progress)


def copy_own(source: Path, target: Path, progress: Progress = lambda *_: None) -> RowCounts:
    """Copy a store that this process has open: `copy` would look at its files, which releases its locks."""
    with (
        translate_errors(source),
        open_readonly(source, TIMEOUT) as reading,
        closing(_open_target(target)) as writing,
    ):
        reading.execute("BEGIN")
        file_header.read_version(SqliteTransaction(reading), source)  # the first read starts the snapshot
        counts = count_rows(reading)
        try:
            reading.backup(writing, pages=PAGES_PER_STEP, progress=progress, sleep=0)
            writing.close()
        except sqlite3.Error as error:
            if error_name(error).startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")):
                raise FailedError(f"the disk of {target.absolute().parent} is full", "free some space") from error
            raise
    try:
        files.sync(target)
    except OSError as error:
        raise _write_error(target, error) from error
    return counts


def read_version_of(path: Path) -> int:
    """Return the schema version without migrating the store."""
    files.require_exists(path)
    with translate_errors(path), open_readonly(path, TIMEOUT) as connection:
        return file_header.read_version(SqliteTransaction(connection), path)


def count_rows(connection: sqlite3.Connection) -> RowCounts:
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names.fetchall()}


def _open_target(path: Path) -> sqlite3.Connection:
    """Open the file of a copy without journal and syncs: an incomplete copy is discarded."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF").fetchone()
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = {TARGET_CACHE_PAGES}")
    return connection


@contextmanager
def create_atomically(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """
    Yield a temporary file of mode 0600 that is renamed to `target` when the `with` block succeeds.

    Raises ConflictError when `target` exists, unless `overwrite`; FailedError when the file cannot be created.
    """
    require_target_free(target, overwrite=overwrite)
    with temporary_file(target) as part:
        yield part
        try:
            if overwrite:
                part.replace(target)
            else:
                require_target_free(target, overwrite=False)
                _rename(part, target)
            files.sync(target.parent)
        except OSError as error:
            raise _write_error(target, error) from error


def _rename(part: Path, target: Path) -> None:
    """Rename without overwriting a file that appeared in the meantime, where hard links are supported."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise ConflictError(f"the file {target} already exists", OTHER_FILE_HINT) from error
    except OSError:  # no links in this file system
        part.rename(target)


OTHER_FILE_HINT = "choose another file, or --replace"


def require_target_free(target: Path, *, overwrite: bool) -> None:
    """Raise ConflictError when `target` exists and must not be overwritten."""
    if target.is_dir():
        raise ConflictError(f"{target} is a folder", command("store", "backup", str(target / "store.db")))
    is_replaceable = target.is_file() and not target.is_symlink()
    if os.path.lexists(target) and not (overwrite and is_replaceable):
        hint = OTHER_FILE_HINT if is_replaceable else "choose another file"
        raise ConflictError(f"the file {target} already exists", hint)
    for end in SIDECAR_SUFFIXES:
        if os.path.lexists(f"{target}{end}"):
            raise ConflictError(
                f"{target}{end} exists: SQLite would treat it as part of the copy", "choose another file"
            )


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """Yield an empty temporary file of mode 0600 in the folder of `target`, deleted at the end unless renamed."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise _write_error(target, error) from error
    try:
        yield part
    finally:
        for end in ("", *SIDECAR_SUFFIXES, lock_file.SUFFIX):
            with suppress(OSError):
                Path(f"{part}{end}").unlink()


def _write_error(target: Path, error: OSError) -> FailedError:
    return FailedError(f"cannot write {target}: {error.strerror}", "choose another file")


def read_identity(path: Path) -> tuple[str, str]:
    """Return the GUID of the repository and the hash of the last audit entry; empty when missing."""
    with translate_errors(path), open_readonly(path, TIMEOUT) as connection:
        guid = connection.execute("SELECT guid FROM repository").fetchone()
        head = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return guid[0] if guid else "", (head[0] or "") if head else ""


SQLITE_VERSION = sqlite3.sqlite_version
SCHEMA_VERSION = len(schema.MIGRATIONS)
"""The schema version of this gamcli."""


def total_size(path: Path) -> int:
    """Return the size of a store in bytes, including SQLite's files next to it."""
    paths = (Path(f"{path.resolve()}{end}") for end in ("", *SIDECAR_SUFFIXES))
    return sum(each.stat().st_size for each in paths if each.exists())
