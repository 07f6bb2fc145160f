"""
Searches archives and compressed files: gzip, bzip2, xz, zip (also docx, jar and wheels) and tar, within one another.

A format is recognised by its first bytes, a zip file also by its last ones. Depth, size and compression ratio are
limited, so that no archive takes the machine's time or memory; what could not be read is reported by name.
"""

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import Leak, find_leaks
from gamcli.scan.magic import (
    HEAD_BYTES,
    UNSUPPORTED,
    has_zip_end,
    is_archive,
    is_compressed,
    is_tar,
    peek,
    read_tail,
    watch_zip_end,
)
from gamcli.scan.tar_members import TarError, read_members

CHUNK_BYTES = 1 << 18

MEMBER_SEPARATOR = "!"
"""Between the path of an archive and the name in it: `dist/a.whl!a/settings.py`."""

IN_MEMORY_BYTES = 1 << 22
"""A larger archive in an archive is written to a temporary file."""

MAX_ZIP_DIRECTORY_BYTES = 1 << 25
"""The list of members of a zip file is read into memory."""


class ArchiveLimits(NamedTuple):
    """
    What is read of one archive.

    `ratio` limits the size of the content as a multiple of the archive's; up to `free_bytes` everything is read.
    """

    depth: int = 4
    total_bytes: int = 2 << 30
    ratio: int = 200
    free_bytes: int = 64 << 20


LIMITS = ArchiveLimits()

_READ_ERRORS = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error, TarError,
    NotImplementedError, RuntimeError, ValueError, OverflowError, MemoryError,
)  # fmt: skip
"""What the libraries raise for damaged, encrypted and unsupported archives."""


class _LimitError(Exception):
    """An archive has reached a limit."""


class _Budget:
    """Counts the bytes that one archive expands to, at all depths."""

    def __init__(self, size: int, limits: ArchiveLimits) -> None:
        self._left = min(limits.total_bytes, max(limits.free_bytes, size * limits.ratio))
        self._limits = limits

    def read(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks; raises _LimitError when they exceed the budget."""
        for chunk in chunks:
            self._left -= len(chunk)
            if self._left < 0:
                raise _LimitError("it expands to too much data")
            yield chunk


class ArchiveScanner:
    """Scans archives; `report` receives the name and the reason of each that could not be read completely."""

    def __init__(self, report: Callable[[str, str], None], limits: ArchiveLimits = LIMITS) -> None:
        self._report = report
        self._limits = limits

    def scan(self, file: IO[bytes], name: str) -> Iterator[tuple[str, Leak]]:
        """Yield the credentials in a file that can seek, each with the name of the file or of its member."""
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        seen: set[Secret] = set()
        try:
            for found in self._scan_archive(file, name, 1, _Budget(size, self._limits)):
                seen.add(found[1].secret)
                yield found
        except _LimitError as error:
            self._report(name, str(error))
        file.seek(0)
        # Search the bytes too: the first ones may be accidental, or something may have been appended.
        for leak in find_leaks(read_chunks(file)):
            if leak.secret not in seen:
                yield name, leak

    def _scan_archive(self, file: IO[bytes], name: str, depth: int, budget: _Budget) -> Iterator[tuple[str, Leak]]:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if depth > self._limits.depth:
            self._report(name, f"archives are nested more than {self._limits.depth} deep")
            return
        try:
            for member, chunks in self._read_members(file, name, head):
                yield from self._scan_member(budget.read(chunks), member, depth, budget)
        except _READ_ERRORS as error:
            self._report(name, _describe(error))

    def _scan_member(
        self, chunks: Iterable[bytes], name: str, depth: int, budget: _Budget
    ) -> Iterator[tuple[str, Leak]]:
        name_leaks = find_leaks([name.rpartition(MEMBER_SEPARATOR)[2].encode("utf-8", "surrogateescape")])
        yield from ((name, leak._replace(line=1, column=1)) for leak in name_leaks)
        head, chunks = peek(chunks, CHUNK_BYTES)
        if is_archive(head) or has_zip_end(head):
            with spool(chunks) as file:
                yield from self._scan_archive(file, name, depth + 1, budget)
                if not is_archive(head):
                    file.seek(0)
                    yield from ((name, leak) for leak in find_leaks(read_chunks(file)))
            return
        chunks = watch_zip_end(chunks, lambda reason: self._report(name, reason))
        yield from ((name, leak) for leak in find_leaks(chunks))

    def _read_members(self, file: IO[bytes], name: str, head: bytes) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the names and contents of the members; a compressed file has one."""
        if is_tar(head):
            for member, chunks in read_members(file):
                yield f"{name}{MEMBER_SEPARATOR}{member}", chunks
        elif is_compressed(head):
            yield name, self._read_member(_decompress(file, head), name)
        elif kind := next((kind for magic, kind in UNSUPPORTED.items() if head.startswith(magic)), None):
            raise ValueError(f"{kind} files are not supported")
        else:
            yield from self._read_zip(file, name)

    def _read_zip(self, file: IO[bytes], name: str) -> Iterator[tuple[str, Iterable[bytes]]]:
        _require_short_directory(file)
        with zipfile.ZipFile(file) as archive:
            yield name, (archive.comment,)
            for info in archive.infolist():
                member = f"{name}{MEMBER_SEPARATOR}{info.filename}"
                try:
                    content = archive.open(info)
                except _READ_ERRORS as error:
                    self._report(member, _describe(error))
                    continue
                with content:
                    yield member, self._read_member(read_chunks(content), member)

    def _read_member(self, chunks: Iterable[bytes], member: str) -> Iterator[bytes]:
        """Yield the chunks of a member; damage ends it, and what comes before and after it can still be read."""
        try:
            yield from chunks
        except _READ_ERRORS as error:
            self._report(member, _describe(error))


def _decompress(file: IO[bytes], head: bytes) -> Iterator[bytes]:
    if head.startswith(b"\x1f\x8b"):
        yield from _decompress_gzip(file)
    elif head.startswith(b"BZh"):
        with bz2.BZ2File(file) as content:
            yield from read_chunks(content)
    else:
        yield from _decompress_xz(file)


def _decompress_gzip(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a gzip file, also that before damage, which `gzip` would leave out."""
    rest = file.read(CHUNK_BYTES)
    while rest.strip(b"\0"):
        decompressor, data = zlib.decompressobj(zlib.MAX_WBITS | 16), rest
        while not decompressor.eof:
            if not data:
                raise EOFError("it is truncated")
            yield decompressor.decompress(data, CHUNK_BYTES)
            data = decompressor.unconsumed_tail or file.read(CHUNK_BYTES)
        rest = decompressor.unused_data or data


def _decompress_xz(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of an xz file; `lzma.open` would not limit the memory that the file asks for."""
    rest = file.read(CHUNK_BYTES)
    while rest.strip(b"\0"):  # streams may follow one another, padded with NUL bytes
        decompressor, data = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 27), rest
        while not decompressor.eof:
            yield decompressor.decompress(data, CHUNK_BYTES)
            data = file.read(CHUNK_BYTES) if decompressor.needs_input and not decompressor.eof else b""
            if not data and decompressor.needs_input and not decompressor.eof:
                raise EOFError("it is truncated")
        rest = decompressor.unused_data.lstrip(b"\0") or file.read(CHUNK_BYTES)


def _require_short_directory(file: IO[bytes]) -> None:
    """Raise ValueError for a zip file whose list of members is too long to be read into memory."""
    tail = read_tail(file)
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) >= at + 16:
        (directory,) = struct.unpack_from("<I", tail, at + 12)
        if directory > MAX_ZIP_DIRECTORY_BYTES:
            raise ValueError("it has too many members")
    file.seek(0)


def _describe(error: Exception) -> str:
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return "it is encrypted"
    if isinstance(error, NotImplementedError):
        return "its compression method is not supported"
    if isinstance(error, TarError | ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    return "it is damaged or truncated"


def read_chunks(file: "IO[bytes] | io.BufferedIOBase") -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def spool(chunks: Iterable[bytes]) -> IO[bytes]:
    """Return a temporary file with the content, at its beginning."""
    file = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    try:
        for chunk in chunks:
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
