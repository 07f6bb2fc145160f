"""How archives and compressed files are recognised: by their first bytes, or a zip file by its last ones."""

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO

HEAD_BYTES = 512
"""How much of a file is needed to recognise an archive."""

TAIL_BYTES = 22 + 0xFFFF
"""How much is needed to recognise a zip file that follows other data: the end of its directory, and a comment."""

_ZIP_END, _ZIP_DIRECTORY = b"PK\x05\x06", b"PK\x01\x02"


def is_tar(head: bytes | bytearray) -> bool:
    return head[257:262] == b"ustar"


def is_zip(head: bytes | bytearray) -> bool:
    is_executable = head.startswith(b"#!") and b"PK\x03\x04" in head[:HEAD_BYTES]
    return is_executable or head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def has_zip_end(tail: bytes) -> bool:
    """Return whether data that ends with `tail` ends with a zip file, such as a self-extracting one."""
    if b"\x06" not in tail:  # this byte is found much faster than the four
        return False
    at = tail.rfind(_ZIP_END, -TAIL_BYTES)
    if at < 0 or len(tail) < at + 22:
        return False
    directory = at - int.from_bytes(tail[at + 12 : at + 16], "little")
    is_at_end = at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail)
    return is_at_end or (directory >= 0 and tail.startswith(_ZIP_DIRECTORY, directory))


def read_tail(file: IO[bytes]) -> bytes:
    """Return the last TAIL_BYTES of a file, and keep its position; nothing if it has no end to seek, as in /proc."""
    position = file.tell()
    try:
        size = file.seek(0, io.SEEK_END)
    except OSError:
        return b""
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    file.seek(position)
    return tail


def watch_zip_end(chunks: Iterable[bytes], report: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the chunks; `report` receives why a zip file at their end is not read."""
    tail = b""
    for chunk in chunks:
        tail = (tail + chunk)[-TAIL_BYTES:]
        yield chunk
    if has_zip_end(tail):
        report("a zip file that follows other data is read only from a file on disk")


def is_compressed(head: bytes | bytearray) -> bool:
    is_bzip2 = head.startswith(b"BZh") and head[4:10] == b"1AY&SY"
    return is_bzip2 or head.startswith((b"\x1f\x8b\x08", b"\xfd7zXZ\0"))


UNSUPPORTED = {
    b"\x28\xb5\x2f\xfd": "Zstandard", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"\x04\x22\x4d\x18": "LZ4",
    b"\x5d\0\0\x80\0": "LZMA", b"LZIP": "lzip", b"\x89LZO\0\r\n": "lzop", b"\x1f\x9d": "compress",
    b"MSCF\0\0\0\0": "CAB", b"\xed\xab\xee\xdb": "RPM", b"!<arch>\ndebian-binary": "Debian package",
}  # fmt: skip


_FIRST_BYTES = frozenset((*b"#PB\x1f\xfd", *(magic[0] for magic in UNSUPPORTED)))


def is_archive(head: bytes | bytearray) -> bool:
    """Return whether a file that begins with `head` is an archive or compressed."""
    if not head or (head[0] not in _FIRST_BYTES and not is_tar(head)):
        return False
    return is_zip(head) or is_compressed(head) or is_tar(head) or head.startswith(tuple(UNSUPPORTED))


def peek(chunks: Iterable[bytes], size: int = HEAD_BYTES) -> tuple[bytes, Iterator[bytes]]:
    """Return the beginning of the content, at least `size` bytes unless it is shorter, and all of it."""
    rest, head = iter(chunks), b""
    try:
        for chunk in rest:
            head += chunk
            if len(head) >= size:
                break
    except Exception as error:  # noqa: BLE001 - raised again after what was read before
        rest = _raise(error)
    return head, chain((head,), rest)


def _raise(error: Exception) -> Iterator[bytes]:
    raise error
    yield b""
