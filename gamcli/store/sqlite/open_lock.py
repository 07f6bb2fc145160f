"""
Who may open a store now: everybody at once, or one who puts another file in its place.

The lock is on the folder: no file more lies there, and it is gone with the process. Only opening takes it; who has a
store open holds SQLite's own lock, which `in_use` sees, and which even a damaged file can carry.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from gamcli.errors import StoreBusyError

try:
    import fcntl
except ImportError:  # Windows lets nobody replace a file that is open
    fcntl = None  # type: ignore[assignment]

RETRY_SECONDS = 0.01
"""Seconds between two looks at a lock that somebody else holds."""

LOCK_BYTES = (0x40000000, 512)
"""Where SQLite locks a file, and how many bytes (www.sqlite.org/lockingv3.html): held while a log of it is open."""


@contextmanager
def lock_for_opening(path: Path, timeout: float) -> Iterator[None]:
    """Open the store at `path` within the `with`: nobody replaces it meanwhile."""
    with _locked(path, exclusive=False, timeout=timeout):
        yield


@contextmanager
def lock_for_replacing(path: Path, timeout: float) -> Iterator[None]:
    """Replace the store at `path` within the `with`: nobody opens it meanwhile. Raises StoreBusyError."""
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
    """Return the error that tells that others work on the store."""
    return StoreBusyError(f"the store {path} is in use by another process", "stop what runs on it, then try again")


def is_in_use(path: Path) -> bool:
    """Say whether another process has the store open; this one must not."""
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
