"""
The index of the WAL (SHM), read from its file: the last checkpoint, and which WAL it belongs to.

The format is documented and stable: www.sqlite.org/walformat.html#the_wal_index_file_format
"""

import os
import struct
from contextlib import suppress

SIZE = 136
"""Two copies of the header, and the record of checkpoints."""

_HEADER = 48
_SALT = slice(32, 40)
_DONE = slice(96, 100)
_ATTEMPTED = slice(128, 132)

WAL_HEADER = 32
FRAME_HEADER = 24
_WAL_SALT = slice(16, 24)
LARGEST_PAGE = 65536
"""Stored as 1."""

_SIZES = struct.Struct("=HI")
"""The size of a page, and how many frames the WAL has."""


def parse_commit(index: bytes) -> bytes:
    """Return what identifies the last commit: the first copy of the header, which is the last that a commit writes."""
    return index[:_HEADER]


def parse_checkpoint(index: bytes) -> bytes:
    """Return the last checkpoint: the salt of its WAL, how many frames it copied, and how many it began to copy."""
    return index[_SALT] + index[_DONE] + index[_ATTEMPTED]


def is_running(checkpoint: bytes) -> bool:
    return checkpoint[8:12] != checkpoint[12:]


def parse_wal_size(index: bytes) -> int:
    """Return how large the WAL is at least."""
    if len(index) < SIZE:
        return 0
    page_size, frames = _SIZES.unpack_from(index, 14)
    size: int = FRAME_HEADER + (LARGEST_PAGE if page_size == 1 else page_size)
    return WAL_HEADER + frames * size if frames else 0


def belongs_to_wal(shm: str, wal: str) -> bool:
    """
    Return whether the index describes this WAL; False while one of the two is missing or being written.

    No connection of this process may be open: closing the file would release its locks.
    """
    index, (header, size) = _read(shm, SIZE)[0], _read(wal, WAL_HEADER)
    if len(index) < SIZE or size is None or index[:_HEADER] != index[_HEADER : 2 * _HEADER]:
        return False
    least = parse_wal_size(index)
    return not least or (size >= least and header[_WAL_SALT] == index[_SALT])


def _read(path: str, length: int) -> tuple[bytes, int | None]:
    """Return the first bytes of a file and its size; nothing and None when it cannot be read."""
    with suppress(OSError), open(path, "rb", buffering=0) as file:  # noqa: PTH123 - at every start
        return file.read(length), os.fstat(file.fileno()).st_size
    return b"", None
