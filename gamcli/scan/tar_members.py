"""
Reads the members of a tar file, with constant memory.

The standard library keeps a list of all members, and reads extended headers of any size into memory.
"""

from collections.abc import Iterable, Iterator
from typing import IO

from gamcli.scan.magic import is_tar

CHUNK_BYTES = 1 << 18
BLOCK = 512
MAX_HEADER_BYTES = 1 << 20
"""The largest extended header, which holds a long name; a larger one is damage."""

_REGULAR = (b"0", b"\0", b"7")
_LONG_NAME, _PAX_HEADER = b"L", b"x"


class TarError(Exception):
    """The file is not a valid tar file."""


def read_members(file: IO[bytes]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield the name and the content of each regular file; read the content before the next one."""
    long_name = b""
    while header := file.read(BLOCK):
        if len(header) < BLOCK:
            raise TarError("it is truncated")
        if not header.strip(b"\0"):
            continue  # the end, after which another tar file may have been appended
        size, kind = _parse_header(header)
        if kind in (_LONG_NAME, _PAX_HEADER):
            extended = _read_header(file, size)
            long_name = extended.rstrip(b"\0") if kind == _LONG_NAME else _find_pax_path(extended) or long_name
            continue
        if kind in (b"g", b"K"):
            _read_header(file, size)
            continue
        name, long_name = long_name or _join_name(header), b""
        content = _TarContent(file, size)
        if size or kind in _REGULAR:
            yield name.decode("utf-8", "surrogateescape"), content
        content.skip()


def _parse_header(header: bytes) -> tuple[int, bytes]:
    """Return the size and the type of a member."""
    if not is_tar(header):
        raise TarError("it is damaged or truncated")
    field = header[124:136]
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big"), header[156:157]
    try:
        return int(field.strip(b" \0") or b"0", 8), header[156:157]
    except ValueError as error:
        raise TarError("it is damaged or truncated") from error


def _join_name(header: bytes) -> bytes:
    name, prefix = header[:100].rstrip(b"\0"), header[345:500].partition(b"\0")[0]
    return b"/".join((prefix, name)) if prefix and header[257:263] == b"ustar\0" else name


def _find_pax_path(content: bytes) -> bytes:
    """Return the path in an extended header, whose records are `LENGTH NAME=VALUE` and a line break."""
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(content):
            raise TarError("it is damaged or truncated")
        name, _, value = content[len(length) + 1 : int(length)].removesuffix(b"\n").partition(b"=")
        if name == b"path":
            return value
        content = content[int(length) :]
    return b""


def _read_header(file: IO[bytes], size: int) -> bytes:
    if size > MAX_HEADER_BYTES:
        raise TarError("it has a header that is too long")
    content = _TarContent(file, size)
    data = b"".join(content)
    content.skip()
    return data


class _TarContent:
    """The content of one member, followed by padding to whole blocks."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self._padding = -size % BLOCK

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            chunk = self._file.read(min(self._left, CHUNK_BYTES))
            if not chunk:
                raise TarError("it is truncated")
            self._left -= len(chunk)
            yield chunk

    def skip(self) -> None:
        for _ in self:
            pass
        self._file.read(self._padding)
        self._padding = 0
