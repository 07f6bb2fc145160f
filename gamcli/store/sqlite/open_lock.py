"""
A lock for opening and replacing a store: shared to open it, exclusive to replace the file.

The lock is on a file next to the store with mode 0600, so that no other user can hold it. The file stays, and the lock
is released when the process ends. It is held only while opening; an open store holds SQLite's own lock, which
`is_in_use` checks, even on a damaged file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from gamcli.errors import StoreBusyError, StoreUnusableError, command
from gamcli.store.sqlite import file_header, file_watch, lock_file, wal_index

try:
    import fcntl
except ImportError:  # Windows does not allow to replace an open file
    fcntl = None  # type: ignore[assignment]

RETRY_SECONDS = 0.01
"""Seconds between attempts to get the lock."""

LOCK_BYTES = (0x40000000, 512)
"""Offset and length of SQLite's lock bytes (www.sqlite.org/lockingv3.html), locked while a WAL is in use."""

RECOVERY_HINT = f"stop every process that uses it, then: {command('store', 'check')}"
"""The hint when a file of an open store was removed, replaced, overwritten or truncated."""


@contextmanager
def lock_for_opening(path: Path, timeout: float) -> Iterator[bool]:
    """Prevent other processes from replacing the store in the meantime; yield whether a process has it open."""
    if not file_watch.is_open_here(os.path.realpath(path)) and file_header.is_other_file(path):
        yield False  # no lock file next to a file that is not a store
        return
    with lock(path, exclusive=False, timeout=timeout):
        yield _check_wal(path, timeout)


@contextmanager
def lock(path: Path, *, exclusive: bool, timeout: float) -> Iterator[None]:
    """Prevent other processes from replacing the store in the meantime, or from opening it; raises StoreBusyError."""
    descriptor = lock_file.open_lock_file(path) if fcntl is not None else None
    try:
        if descriptor is not None:
            _wait(path, descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, monotonic() + timeout)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait(path: Path, descriptor: int, kind: int, end: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() >= end:
                raise busy_error(path) from error
            sleep(RETRY_SECONDS)
        except OSError:  # a file system without locks
            return
        else:
            return


def _check_wal(path: Path, timeout: float) -> bool:
    """
    Return whether the store is open; raises StoreUnusableError when a process uses a WAL that was removed.

    SQLite would create a new WAL in its place, and what is written there would be lost. While another process opens or
    closes the store, its files are missing for a moment.
    """
    real = os.path.realpath(path)
    if file_watch.is_open_here(real):  # a look at its files would release its locks
        return True
    end = monotonic() + timeout
    while _is_used(path):
        if wal_index.belongs_to_wal(f"{real}-shm", f"{real}-wal"):
            return True
        if monotonic() >= end:
            raise StoreUnusableError(
                f"the store {path} is in use by another process, and its WAL was removed or replaced",
                "stop that process, such as gamcli serve, then try again",
            )
        sleep(RETRY_SECONDS)
    return False


def find_problem(path: Path, timeout: float) -> StoreUnusableError | None:
    """Return what happened to the files of a store that another process has open, or None."""
    try:
        if not _check_wal(path, timeout):
            return None
    except StoreUnusableError as error:
        return error
    watch = file_watch.FileWatch(path, is_used=True)
    try:
        problem = watch.find_problem()
    finally:
        watch.close()
    return None if problem is None else StoreUnusableError(f"the store {path} {problem}", RECOVERY_HINT)


def _is_used(path: Path) -> bool:
    try:
        return is_in_use(path)
    except OSError:  # it may only be read
        return False


def busy_error(path: Path) -> StoreBusyError:
    return StoreBusyError(f"the store {path} is in use by another process", "stop that process, then try again", path)


def is_in_use(path: Path) -> bool:
    """Return whether another process has the store open; this process must not."""
    if fcntl is None or not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        start, length = LOCK_BYTES
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(descriptor)
    return False
