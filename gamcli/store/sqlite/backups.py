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
from gamcli.store.sqlite.errors import told

STEP_PAGES = 1024
"""Between so many pages (4 MiB) Ctrl-C is heard."""

SMALL_CACHE = 100
"""Pages that the copy holds before they go to its file: none is read again."""

PATIENCE = 5.0
"""How many seconds a copy waits for a store that is just being mended or brought up to date."""

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a file, and takes for part of it."""

Counts = dict[str, int]
"""How many rows each table has."""


Progress = Callable[[int, int, int], object]
"""Hears after each step how SQLite fares, how many pages are left, and of how many."""


def copy(source: Path, target: Path, progress: Progress = lambda *_: None) -> Counts:
    """
    Fill the empty file `target`, until it is on disk, with what the store `source` holds now; return its counts.

    Raises a StoreError about the source, FailedError when `target` cannot be written.
    """
    _require_there(source)
    with told_of(source), closing(opened(source)) as reading, closing(_emptied(target)) as writing:
        reading.execute("BEGIN")
        version(reading, source)  # the first read decides which state this is
        counts = counted(reading)
        _pour(reading, writing, target, progress)
    try:
        sync(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    return counts


def _pour(reading: sqlite3.Connection, writing: sqlite3.Connection, target: Path, progress: Progress) -> None:
    try:
        reading.backup(writing, pages=STEP_PAGES, progress=progress, sleep=0)
        writing.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")):
            raise FailedError(f"the disk of {target.absolute().parent} is full", "make room") from error
        raise


def version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the store that is open there; raises a StoreError when it is none."""
    return file_header.version(lambda sql: connection.execute(sql).fetchone(), path)


def version_of(path: Path) -> int:
    """Return the version of the store at `path`, which stays as it is."""
    _require_there(path)
    with told_of(path), closing(opened(path)) as connection:
        return version(connection, path)


def _require_there(path: Path) -> None:
    if not files.holds_something(path):
        raise StoreMissingError(f"there is no store at {path}", command("--store", str(path), "init"))


def counted(connection: sqlite3.Connection) -> Counts:
    """Return how many rows each table has: what is counted was found, page by page."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names.fetchall()}


def opened(path: Path) -> sqlite3.Connection:
    """Open a store as it lies there to read it, on a disk that cannot be written too; nothing is left beside it."""
    path = path.resolve()  # beside the file, not beside a link to it, lies what belongs to it
    still = not any(Path(f"{path}{end}").exists() for end in BESIDE)
    mode = "mode=rw" if can_change(path) else "mode=ro&immutable=1" if still else "mode=ro"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=PATIENCE, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def can_change(path: Path) -> bool:
    """Say whether a store, and what SQLite puts beside it, can be written here."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _emptied(path: Path) -> sqlite3.Connection:
    """Open the file of a copy: one that is cut short is thrown away, so nothing keeps it from being fast."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF").fetchone()
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = {SMALL_CACHE}")
    return connection


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Tell errors of SQLite in our words, as those of the file at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise told(error, path) from error


@contextmanager
def becoming(target: Path, *, over: bool = False) -> Iterator[Path]:
    """
    Yield an empty file of mode 0600 beside `target`, and give it that name when the `with` ends well.

    Raises ConflictError when there is something at `target` already, unless it may be put `over` that; FailedError
    when no file can be made there.
    """
    require_room_for(target, over=over)
    with part_of(target) as part:
        yield part
        try:
            if over:
                part.replace(target)
            else:
                require_room_for(target, over=False)
                _rename(part, target)
            sync(target.parent)
        except OSError as error:
            raise _unwritable(target, error) from error


def _rename(part: Path, target: Path) -> None:
    """Give `part` a name that nobody has: not even one who was faster is overwritten, where links can be made."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise ConflictError(f"the file {target} is there already", HINT) from error
    except OSError:  # no links in this file system
        part.rename(target)


HINT = "choose another file, or --replace"


def require_room_for(target: Path, *, over: bool) -> None:
    """Raise ConflictError when there is something at `target` that must stay."""
    if os.path.lexists(target) and not (over and target.is_file()):
        raise ConflictError(f"the file {target} is there already", HINT if target.is_file() else "choose another file")
    for end in BESIDE:
        if os.path.lexists(f"{target}{end}"):
            raise ConflictError(
                f"{target}{end} is there: SQLite would take it for part of the copy", "choose another file"
            )


@contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """Yield an empty file of mode 0600 in the folder of `target`; what is left of it is taken away at the end."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield part
    finally:
        for end in ("", *BESIDE):
            with suppress(OSError):
                Path(f"{part}{end}").unlink()


def _unwritable(target: Path, error: OSError) -> FailedError:
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


def marked(path: Path) -> tuple[str, str]:
    """Return the GUID of the repository in a store and the hash of its last audit entry; what is not there is empty."""
    with told_of(path), closing(opened(path)) as connection:
        guid = connection.execute("SELECT guid FROM repository").fetchone()
        head = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return guid[0] if guid else "", (head[0] or "") if head else ""


SQLITE = sqlite3.sqlite_version
"""The version of the SQLite library."""

KNOWN = len(schema.STEPS)
"""The version that this gamcli writes."""


def size(path: Path) -> int:
    """Return how many bytes a store takes with what lies beside it."""
    beside = (Path(f"{path.resolve()}{end}") for end in ("", *BESIDE))
    return sum(each.stat().st_size for each in beside if each.exists())
