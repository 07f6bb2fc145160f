"""How archives and compressed files are recognised: by their first bytes."""

from collections.abc import Iterable, Iterator
from itertools import chain

HEAD_BYTES = 512
"""How much of a file is needed to recognise an archive."""


def is_tar(head: bytes | bytearray) -> bool:
    return head[257:262] == b"ustar"


def is_zip(head: bytes | bytearray) -> bool:
    is_executable = head.startswith(b"#!") and b"PK\x03\x04" in head[:HEAD_BYTES]
    return is_executable or head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


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


def peek(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the beginning of the content, at least HEAD_BYTES unless it is shorter, and all of it."""
    rest, head = iter(chunks), b""
    try:
        for chunk in rest:
            head += chunk
            if len(head) >= HEAD_BYTES:
                break
    except Exception as error:  # noqa: BLE001 - raised again after what was read before
        rest = _raise(error)
    return head, chain((head,), rest)


def _raise(error: Exception) -> Iterator[bytes]:
    raise error
    yield b""
