"""
Reads the members of a tar file, with constant memory.

The standard library keeps a list of all members, and reads extended headers of any size into memory.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO

from gamcli.scan.magic import is_tar

CHUNK_BYTES = 1 << 18
BLOCK = 512
MAX_HEADER_BYTES = 1 << 20
"""The largest extended header, which holds a long name; a larger one is damage."""

_LINKS = (b"1", b"2")
_LONG_NAME, _LONG_TARGET, _PAX_HEADER = b"L", b"K", b"x"


class TarError(Exception):
    """The file is not a valid tar file."""


def read_members(file: IO[bytes]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield the name and the content of each member, of a link its target; read the content before the next one."""
    long_name = long_target = b""
    while header := file.read(BLOCK):
        if len(header) < BLOCK:
            raise TarError("it is truncated")
        if not header.strip(b"\0"):
            continue  # the end, after which another tar file may have been appended
        size, kind = _parse_header(header)
        if kind in (_LONG_NAME, _PAX_HEADER):
            extended = _read_header(file, size)
            found = {b"path": extended.rstrip(b"\0")} if kind == _LONG_NAME else _parse_pax_records(extended)
            long_name, long_target = found.get(b"path", long_name), found.get(b"linkpath", long_target)
            continue
        if kind in (b"g", _LONG_TARGET):
            extended = _read_header(file, size)
            long_target = extended.rstrip(b"\0") if kind == _LONG_TARGET else long_target
            continue
        name, target = long_name or _join_name(header), long_target or header[157:257].rstrip(b"\0")
        long_name = long_target = b""
        content = _TarContent(file, size)
        yield name.decode("utf-8", "surrogateescape"), chain((target,), content) if kind in _LINKS else content
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


def _parse_pax_records(content: bytes) -> dict[bytes, bytes]:
    """Return the values in an extended header, whose records are `LENGTH NAME=VALUE` and a line break."""
    found = {}
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(content):
            raise TarError("it is damaged or truncated")
        name, _, value = content[len(length) + 1 : int(length)].removesuffix(b"\n").partition(b"=")
        found[name] = value
        content = content[int(length) :]
    return found


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
