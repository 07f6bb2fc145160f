"""
Notices that a file of an open store is removed, replaced, overwritten or truncated: later changes would be lost.

A store has three files: the database, its WAL, and the index of the WAL (SHM). While a connection is open their inodes
stay the same, and only checkpoints write to the database, which they record in the SHM
(www.sqlite.org/walformat.html). A program that overwrites the database in place leaves no such record. The processes
that have the store open share what they saw last, in the lock file.
"""

import os
from contextlib import suppress
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import NamedTuple

from gamcli.store.sqlite import lock_file, wal_index

Identity = tuple[int, int]
"""Device and inode."""


_ATTEMPTS = 3


class Content(NamedTuple):
    """The database: when it was last written and its size, and the checkpoint recorded at that time."""

    written_at: int
    size: int
    checkpoint: bytes


class FileWatch:
    """
    The files of a connection that has read; close it after the connection.

    `is_used` means that a process had the store open before: then what they saw last must explain what is there now.
    """

    def __init__(self, path: Path, *, is_used: bool) -> None:
        real = os.path.realpath(path)
        self._names = (os.fspath(path), f"{real}-wal", f"{real}-shm")
        main, *sidecars = map(_read_status, self._names)
        self._identities = (_identity(main), *map(_identity, sidecars))
        self._shared = _open_shared(self._identities[0], path, self._names[2] if self._identities[2] else None)
        self._is_overwritten = self._is_truncated = False
        self._last_look: tuple[int, ...] | None = None
        self._index = self._shared.read_index()
        self._content = self._read_content()
        if is_used:
            self._is_overwritten = not self._is_explained()
        else:
            self._shared.record(self._content)

    def close(self) -> None:
        _close_shared(self._identities[0])

    def last_commit(self) -> bytes:
        """Return what identifies the last commit before `find_problem`, by any connection; empty without a WAL."""
        return wal_index.parse_commit(self._index)

    def find_problem(self) -> str | None:
        """Return what happened to the files, or None; runs several times for every request."""
        index = self._index = self._shared.read_index()
        try:
            main, wal, shm = map(os.stat, self._names)  # after the index: what it records is written by then
        except OSError:
            return self._look_closely(index)
        look = (main.st_ino, wal.st_ino, shm.st_ino, main.st_dev, main.st_mtime_ns, main.st_size)
        is_whole = wal.st_size >= wal_index.parse_wal_size(index)
        if is_whole and look == self._last_look and wal_index.parse_checkpoint(index) == self._content.checkpoint:
            return None
        problem = self._look_closely(index)
        self._last_look = look if problem is None else None
        return problem

    def _look_closely(self, index: bytes) -> str | None:
        main, wal, shm = map(_read_status, self._names)  # after the index: what it records is written by then
        identities = _identity(main), _identity(wal), _identity(shm)
        if identities[0] != self._identities[0]:
            return "was removed or replaced"
        if identities != self._identities:
            name = self._names[1] if identities[1] != self._identities[1] else self._names[2]
            return f"is unusable: its file {name} was removed or replaced"
        self._is_truncated = self._is_truncated or all(self._lacks_frames() for _ in range(_ATTEMPTS))
        if self._is_truncated:
            return f"is unusable: its file {self._names[1]} was truncated by another program"
        content = _content(main, index)
        if content != self._content:
            self._is_overwritten = self._is_overwritten or not self._is_explained()
        return "was overwritten by another program" if self._is_overwritten else None

    def _lacks_frames(self) -> bool:
        """Return whether the WAL is shorter than its index says; a checkpoint may truncate both in between."""
        least = wal_index.parse_wal_size(self._shared.read_index())
        wal = _read_status(self._names[1])
        return wal is not None and wal.st_size < least

    def _is_explained(self) -> bool:
        """Return whether a checkpoint explains how the database differs from what was seen last by any process."""
        seen = self._shared.last_seen()  # first: other processes may look, and record what they see, in between
        content = self._content = self._read_content()
        if seen is not None and seen[:2] != content[:2]:
            if self._shared.is_unprotected:  # opened without a WAL, since it may only be read
                return False
            if content.checkpoint == seen.checkpoint and not wal_index.is_running(seen.checkpoint):
                return False
        self._shared.record(content)
        return True

    def _read_content(self) -> Content:
        """Return the content of the database while the record of checkpoints stayed the same."""
        content: Content | None = None
        while True:
            index = self._shared.read_index()
            if content is not None and content.checkpoint == wal_index.parse_checkpoint(index):
                return content
            content = _content(_read_status(self._names[0]), index)


def _read_status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - runs for every request: half the time of Path.stat
    except OSError:
        return None


def _identity(status: os.stat_result | None) -> Identity | None:
    return None if status is None else (status.st_dev, status.st_ino)


def _content(status: os.stat_result | None, index: bytes) -> Content:
    checkpoint = wal_index.parse_checkpoint(index)
    return Content(0, 0, checkpoint) if status is None else Content(status.st_mtime_ns, status.st_size, checkpoint)


_RECORD = Struct("=QQ16s")


class _Shared:
    """
    What the connections of this process share: descriptors of the SHM and of the lock file, and the last content.

    Closing any descriptor of the SHM releases the locks that SQLite holds on it for this process (fcntl(2)). So it
    stays open until the last connection is closed.
    """

    def __init__(self, path: Path, shm: str | None) -> None:
        self.users = 0
        self.is_unprotected = shm is None
        self._shm = None if shm is None else os.open(shm, os.O_RDONLY)
        self._lock_file = lock_file.open_lock_file(path)
        self._seen: Content | None = None

    def close(self) -> None:
        for descriptor in (self._shm, self._lock_file):
            if descriptor is not None:
                os.close(descriptor)

    def read_index(self) -> bytes:
        return b"" if self._shm is None else os.pread(self._shm, wal_index.SIZE, 0)

    def last_seen(self) -> Content | None:
        if self._lock_file is None:
            return self._seen
        data = b""
        with suppress(OSError):
            data = os.pread(self._lock_file, _RECORD.size, 0)
        return Content(*_RECORD.unpack(data)) if len(data) == _RECORD.size else None

    def record(self, content: Content) -> None:
        self._seen = content
        if self._lock_file is not None:
            with suppress(OSError):  # a full disk: then only this process knows
                os.pwrite(self._lock_file, _RECORD.pack(*content), 0)


_shared: dict[Identity | None, _Shared] = {}
_shared_lock = Lock()


def _open_shared(store: Identity | None, path: Path, shm: str | None) -> _Shared:
    with _shared_lock:
        found = _shared.get(store)
        if found is None:
            found = _shared[store] = _Shared(path, shm)
        found.users += 1
        return found


def _close_shared(store: Identity | None) -> None:
    with _shared_lock:
        _shared[store].users -= 1
        if not _shared[store].users:
            _shared.pop(store).close()


def is_open_here(path: str) -> bool:
    """Return whether a connection of this process has the store open."""
    return _identity(_read_status(path)) in _shared
