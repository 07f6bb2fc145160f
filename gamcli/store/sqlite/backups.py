"""
Copies of a store: of one moment, whatever others write meanwhile; whole or not there; for their owner alone.

The pages are copied by SQLite's own backup. It begins again whenever another process has written, so that under load it
would never end: the transaction that is open meanwhile shows it one state, and ends that.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from gamcli.errors import ConflictError, FailedError, StoreMissingError, command
from gamcli.store import schema
from gamcli.store.sqlite import file_header, files
from gamcli.store.sqlite.errors import translate_error

PAGES_PER_STEP = 1024
"""Between so many pages (4 MiB) Ctrl-C is heard."""

TARGET_CACHE_PAGES = 100
"""Pages that the copy holds before they go to its file: none is read again."""

TIMEOUT = 5.0
"""How many seconds a copy waits for a store that is just being mended or brought up to date."""

SIDECAR_SUFFIXES = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a file, and takes for part of it."""

RowCounts = dict[str, int]
"""How many rows each table has."""


Progress = Callable[[int, int, int], object]
"""Hears after each step how SQLite fares, how many pages are left, and of how many."""


def copy(source: Path, target: Path, progress: Progress = lambda *_: None) -> RowCounts:
    """
    Fill the empty file `target`, until it is on disk, with what the store `source` holds now; return its counts.

    Raises a StoreError about the source, FailedError when `target` cannot be written.
    """
    _require_exists(source)
    with translate_errors(source), closing(opened(source)) as reading, closing(_open_target(target)) as writing:
        reading.execute("BEGIN")
        read_version(reading, source)  # the first read decides which state this is
        counts = count_rows(reading)
        _copy_pages(reading, writing, target, progress)
    try:
        sync(target)
    except OSError as error:
        raise _write_error(target, error) from error
    return counts


def _copy_pages(reading: sqlite3.Connection, writing: sqlite3.Connection, target: Path, progress: Progress) -> None:
    try:
        reading.backup(writing, pages=PAGES_PER_STEP, progress=progress, sleep=0)
        writing.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")):
            raise FailedError(f"the disk of {target.absolute().parent} is full", "make room") from error
        raise


def read_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the store that is open there; raises a StoreError when it is none."""
    return file_header.read_version(lambda sql: connection.execute(sql).fetchone(), path)


def read_version_of(path: Path) -> int:
    """Return the version of the store at `path`, which stays as it is."""
    _require_exists(path)
    with translate_errors(path), closing(opened(path)) as connection:
        return read_version(connection, path)


def _require_exists(path: Path) -> None:
    if not files.store_exists(path):
        raise StoreMissingError(f"there is no store at {path}", command("--store", str(path), "init"))


def count_rows(connection: sqlite3.Connection) -> RowCounts:
    """Return how many rows each table has: what is counted was found, page by page."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names.fetchall()}


def opened(path: Path) -> sqlite3.Connection:
    """Open a store as it lies there to read it, on a disk that cannot be written too; nothing is left beside it."""
    path = path.resolve()  # beside the file, not beside a link to it, lies what belongs to it
    still = not any(Path(f"{path}{end}").exists() for end in SIDECAR_SUFFIXES)
    mode = "mode=rw" if is_writable(path) else "mode=ro&immutable=1" if still else "mode=ro"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=TIMEOUT, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def is_writable(path: Path) -> bool:
    """Say whether a store, and what SQLite puts beside it, can be written here."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _open_target(path: Path) -> sqlite3.Connection:
    """Open the file of a copy: one that is cut short is thrown away, so nothing keeps it from being fast."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF").fetchone()
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = {TARGET_CACHE_PAGES}")
    return connection


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Tell errors of SQLite in our words, as those of the file at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate_error(error, path) from error


@contextmanager
def create_atomically(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """
    Yield an empty file of mode 0600 beside `target`, and give it that name when the `with` ends well.

    Raises ConflictError when there is something at `target` already, unless it may be put `over` that; FailedError
    when no file can be made there.
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
            sync(target.parent)
        except OSError as error:
            raise _write_error(target, error) from error


def _rename(part: Path, target: Path) -> None:
    """Give `part` a name that nobody has: not even one who was faster is overwritten, where links can be made."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise ConflictError(f"the file {target} is there already", OTHER_FILE_HINT) from error
    except OSError:  # no links in this file system
        part.rename(target)


OTHER_FILE_HINT = "choose another file, or --replace"


def require_target_free(target: Path, *, overwrite: bool) -> None:
    """Raise ConflictError when there is something at `target` that must stay."""
    if os.path.lexists(target) and not (overwrite and target.is_file()):
        raise ConflictError(
            f"the file {target} is there already", OTHER_FILE_HINT if target.is_file() else "choose another file"
        )
    for end in SIDECAR_SUFFIXES:
        if os.path.lexists(f"{target}{end}"):
            raise ConflictError(
                f"{target}{end} is there: SQLite would take it for part of the copy", "choose another file"
            )


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """Yield an empty file of mode 0600 in the folder of `target`; what is left of it is taken away at the end."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise _write_error(target, error) from error
    try:
        yield part
    finally:
        for end in ("", *SIDECAR_SUFFIXES):
            with suppress(OSError):
                Path(f"{part}{end}").unlink()


def _write_error(target: Path, error: OSError) -> FailedError:
    return FailedError(f"cannot write {target}: {error.strerror}", "choose another file")


def sync(path: Path) -> None:
    """Return once a file, or the names in a folder, are on disk; where folders cannot be synced, it does without."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def read_identity(path: Path) -> tuple[str, str]:
    """Return the GUID of the repository in a store and the hash of its last audit entry; what is not there is empty."""
    with translate_errors(path), closing(opened(path)) as connection:
        guid = connection.execute("SELECT guid FROM repository").fetchone()
        head = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return guid[0] if guid else "", (head[0] or "") if head else ""


SQLITE_VERSION = sqlite3.sqlite_version
"""The version of the SQLite library."""

SCHEMA_VERSION = len(schema.MIGRATIONS)
"""The version that this gamcli writes."""


def total_size(path: Path) -> int:
    """Return how many bytes a store takes with what lies beside it."""
    beside = (Path(f"{path.resolve()}{end}") for end in ("", *SIDECAR_SUFFIXES))
    return sum(each.stat().st_size for each in beside if each.exists())
