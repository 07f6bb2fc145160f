"""
Scans files, folders and stdin in chunks, with constant memory.

Most files contain no credentials: a fast first pass rejects them, and only the others are read again with line
numbers. Inside a folder, symlinks and `.git` are skipped. Files and members of archives that could not be read are
reported and counted. File names are searched too.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from operator import attrgetter

from gamcli.errors import UsageError
from gamcli.model.credential_formats import redact
from gamcli.model.findings import ScanSource
from gamcli.rules.leak_detection import OVERLAP, Leak, find_leaks, may_contain_credential
from gamcli.scan.magic import HEAD_BYTES, has_zip_end, is_archive, peek, read_tail, watch_zip_end

CHUNK_BYTES = 1 << 18
"""Fits into the processor cache until it has been searched."""

STDIN = "stdin"

SMALL_BYTES = 1 << 15
"""Most files are smaller."""

_SEPARATOR = b"\n\n"
"""Between small files in the buffer, so that no credential begins in one and continues in the next."""

MAX_DEVICE_BYTES = 1 << 26
"""A device such as /dev/zero never ends."""

_NAME_HINT = "gam"
"""A name that contains a credential contains this, since names are not encoded."""


def display_path(path: str) -> str:
    """Return a path as text: bytes that are not UTF-8 are escaped, and credentials are redacted."""
    return redact(os.fsencode(path).decode("utf-8", "backslashreplace"))


def require_readable(paths: Sequence[str]) -> None:
    """Raise UsageError for a path that does not exist or cannot be opened."""
    for path in paths:
        try:
            mode = 0 if path == "-" else os.stat(path).st_mode  # noqa: PTH116 - as the names come
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # a pipe or a terminal can be read only once
                os.close(os.open(path, os.O_RDONLY))
        except (OSError, ValueError) as error:
            raise _unreadable_error(path, error) from error


def _unreadable_error(path: str, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"cannot read {display_path(path)}: {reason}", "name files or folders, or '-' for stdin")


class FileScanner:
    """
    Scans files and counts them; an unreadable file is a warning, or an error if it was named.

    `unreadable` counts files, `unread_members` archives and their members that could not be read completely.
    """

    def __init__(self, warn: Callable[[str], None], *, reads_archives: bool = True) -> None:
        self.files = 0
        self.bytes_read = 0
        self.unreadable = 0
        self.unread_members = 0
        self._warn = warn
        self._reads_archives = reads_archives
        self._current_argument = ""
        self._buffer = bytearray(OVERLAP + CHUNK_BYTES)
        self._view = memoryview(self._buffer)
        self._found_in_names: list[tuple[ScanSource, Leak]] = []

    def scan(self, paths: Sequence[str]) -> Iterator[tuple[ScanSource, Leak]]:
        """Yield the credentials in files, folders and stdin (`-`)."""
        for path in paths:
            self._current_argument = STDIN if path == "-" else os.path.normpath(path)
            if path == "-":
                yield from self._scan_file(0, STDIN)
                continue
            self._search_name(path, path)
            if os.path.isdir(path):  # noqa: PTH112 - as the names come
                for file in self._select(self._walk("" if os.path.normpath(path) == "." else path)):
                    yield from self._take_found_in_names()
                    yield from self._scan_file(file, file)
            elif not os.path.isfile(path) or self._may_contain_credential(path):  # noqa: PTH113 - as above
                yield from self._scan_file(path, path.removeprefix("./"))
            yield from self._take_found_in_names()

    def _walk(self, folder: str) -> Iterator[str]:
        """Yield the regular files below a folder, sorted by name; search the names of everything in it."""
        queue = [folder]
        while queue:
            parent = queue.pop()
            try:
                with os.scandir(parent or ".") as iterator:
                    entries = sorted(iterator, key=attrgetter("name"))
            except OSError as error:
                self._report_unreadable(parent, error)
                continue
            prefix = os.path.join(parent, "")  # noqa: PTH118 - ten times as fast as a Path
            folders = []
            for entry in entries:
                self._search_name(prefix + entry.name, entry.name)
                if entry.is_file(follow_symlinks=False):
                    yield prefix + entry.name
                elif entry.is_symlink():
                    self._search_target(prefix + entry.name)
                elif entry.is_dir() and entry.name != ".git":
                    folders.append(prefix + entry.name)
            queue += reversed(folders)

    def _search_name(self, path: str, name: str) -> None:
        """Record the credentials in a name, of `path` or of the target of that link."""
        if _NAME_HINT in name:
            source = ScanSource(display_path(path))
            self._found_in_names += [
                (source, leak._replace(line=1, column=1)) for leak in find_leaks([os.fsencode(name)])
            ]

    def _search_target(self, link: str) -> None:
        try:
            self._search_name(link, os.readlink(link))  # noqa: PTH115 - as the names come
        except OSError as error:
            self._report_unreadable(link, error)

    def _take_found_in_names(self) -> list[tuple[ScanSource, Leak]]:
        found, self._found_in_names = self._found_in_names, []
        return found

    def _select(self, paths: Iterator[str]) -> Iterator[str]:
        """
        Yield the files that may contain a credential, in order.

        Most files are small: they are joined and searched together, which is faster.
        """
        batch: list[tuple[str, bytes]] = []
        size = 0
        for path in paths:
            content = _read_small(path)
            if content is not None:
                batch.append((path, content))
                size += len(content)
            if content is None or size > CHUNK_BYTES:
                yield from self._search_batch(batch)
                batch, size = [], 0
            if content is None and self._may_contain_credential(path):
                yield path
        yield from self._search_batch(batch)

    def _search_batch(self, batch: list[tuple[str, bytes]]) -> Iterator[str]:
        """Yield those of some files that have to be read again."""
        is_clean = not may_contain_credential(_SEPARATOR.join([content for _, content in batch]))
        for path, content in batch:
            if self._reads_archives and (is_archive(content) or has_zip_end(content)):
                yield path
            elif is_clean or not may_contain_credential(content):
                self.files += 1
                self.bytes_read += len(content)
            else:
                yield path

    def _may_contain_credential(self, path: str) -> bool:
        """Return whether a regular file may contain a credential: the fast first pass."""
        buffer, kept, size = self._buffer, 0, 0
        try:
            with FileIO(os.open(path, os.O_RDONLY)) as file:
                while count := file.readinto(self._view[kept:]):
                    end = kept + count
                    data = buffer[:end]
                    if may_contain_credential(data) or (
                        not size and self._reads_archives and is_archive(data[:HEAD_BYTES])
                    ):
                        return True
                    size += count
                    kept = min(end, OVERLAP)
                    buffer[:kept] = data[end - kept : end]
                if self._reads_archives and has_zip_end(read_tail(file)):
                    return True
        except OSError as error:
            self._report_unreadable(path, error)
            return False
        self.files += 1
        self.bytes_read += size
        return False

    def _scan_file(self, path: str | int, name: str) -> Iterator[tuple[ScanSource, Leak]]:
        try:
            with FileIO(path, closefd=path != 0) as file:
                for found, leak in self._scan_content(file, name):
                    yield ScanSource(display_path(found)), leak
        except OSError as error:
            self._report_unreadable(name, error)
            return
        self.files += 1

    def _scan_content(self, file: FileIO, name: str) -> Iterator[tuple[str, Leak]]:
        """Yield the credentials in an open file, each with its name or that of the member of an archive."""
        status = os.fstat(file.fileno())
        can_seek = stat.S_ISREG(status.st_mode) and file.seekable()
        ends_with_zip = can_seek and has_zip_end(read_tail(file))
        head, chunks = peek(self._read_chunks(file, name))
        if not self._reads_archives or not (is_archive(head) or ends_with_zip):
            if self._reads_archives and not can_seek:
                chunks = watch_zip_end(chunks, lambda reason: self._report_unread_member(name, reason))
            yield from ((name, leak) for leak in find_leaks(chunks))
            return
        from gamcli.scan.archives import ArchiveScanner, spool  # noqa: PLC0415 - start-up: most trees have none

        archives = ArchiveScanner(self._report_unread_member)
        if can_seek:
            self.bytes_read += status.st_size - len(head)
            yield from archives.scan(file, name)
            return
        with spool(chunks) as archive:
            yield from archives.scan(archive, name)

    def _read_chunks(self, file: FileIO, name: str) -> Iterator[bytes]:
        limit = MAX_DEVICE_BYTES if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) else None
        size = 0
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            if limit is not None and size > limit:
                self.unreadable += 1
                self._warn(f"{display_path(name)} is a device: only the first {limit >> 20} MiB were read")
                break
            self.bytes_read += len(chunk)
            yield chunk

    def _report_unread_member(self, name: str, reason: str) -> None:
        self.unread_members += 1
        self._warn(f"cannot read {display_path(name)} completely: {reason}")

    def _report_unreadable(self, path: str, error: OSError) -> None:
        if os.path.normpath(path) == self._current_argument:
            raise _unreadable_error(path or ".", error) from error
        self.unreadable += 1
        self._warn(f"cannot read {display_path(path or '.')}: {error.strerror}")


def _read_small(path: str) -> bytes | None:
    """Return the content of a small file; None for another one, or one that cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            content = os.read(descriptor, SMALL_BYTES)
            return None if len(content) == SMALL_BYTES or os.read(descriptor, 1) else content
        finally:
            os.close(descriptor)
    except OSError:
        return None
