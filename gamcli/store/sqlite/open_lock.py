"""
A lock for opening and replacing a store: shared to open it, exclusive to replace the file.

The lock is on the folder, so it needs no file and is released when the process ends. It is held only while opening; an
open store holds SQLite's own lock, which `is_in_use` checks, even on a damaged file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from gamcli.errors import StoreBusyError

try:
    import fcntl
except ImportError:  # Windows does not allow to replace an open file
    fcntl = None  # type: ignore[assignment]

RETRY_SECONDS = 0.01
"""Seconds between attempts to get the lock."""

LOCK_BYTES = (0x40000000, 512)
"""Offset and length of SQLite's lock bytes (www.sqlite.org/lockingv3.html), locked while a WAL is in use."""


@contextmanager
def lock_for_opening(path: Path, timeout: float) -> Iterator[None]:
    """Prevent other processes from replacing the store in the meantime."""
    with _locked(path, exclusive=False, timeout=timeout):
        yield


@contextmanager
def lock_for_replacing(path: Path, timeout: float) -> Iterator[None]:
    """Prevent other processes from opening the store in the meantime; raises StoreBusyError."""
    with _locked(path, exclusive=True, timeout=timeout):
        yield


@contextmanager
def _locked(path: Path, *, exclusive: bool, timeout: float) -> Iterator[None]:
    descriptor = -1
    with suppress(OSError):
        descriptor = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)  # noqa: PTH120 - at every start
    try:
        if fcntl is not None and descriptor >= 0:
            _wait(path, descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, monotonic() + timeout)
        yield
    finally:
        if descriptor >= 0:
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
