"""
Scans files, folders and stdin in chunks, with constant memory.

Most files contain no credentials: a fast first pass rejects them, and only the others are read again with line
numbers. Inside a folder, symlinks and `.git` are skipped, and unreadable files are reported and counted.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from io import FileIO

from gamcli.errors import UsageError
from gamcli.model.credential_formats import redact
from gamcli.model.findings import ScanSource
from gamcli.rules.leak_detection import MAX_LENGTH, UTF_16, Leak, find_leaks, may_contain_credential

CHUNK_BYTES = 1 << 18
"""Fits into the processor cache until it has been searched."""

STDIN = "stdin"

_OVERLAP = MAX_LENGTH - 1
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


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
    """Scans files and counts them; an unreadable file is a warning, or an error if it was named."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.files = 0
        self.bytes_read = 0
        self.unreadable = 0
        self._warn = warn
        self._current_argument = ""

    def scan(self, paths: Sequence[str]) -> Iterator[tuple[ScanSource, Leak]]:
        """Yield the credentials in files, folders and stdin (`-`)."""
        for path in paths:
            self._current_argument = STDIN if path == "-" else os.path.normpath(path)
            if path == "-":
                yield from self._scan_file(0, STDIN)
            elif os.path.isdir(path):  # noqa: PTH112 - as the names come
                for file in self._walk("" if os.path.normpath(path) == "." else path):
                    if self._may_contain_credential(file):
                        yield from self._scan_file(file, file)
            elif not os.path.isfile(path) or self._may_contain_credential(path):  # noqa: PTH113 - as above
                yield from self._scan_file(path, path.removeprefix("./"))

    def _walk(self, folder: str) -> Iterator[str]:
        """Yield the regular files below a folder, sorted by name."""
        queue = [folder]
        while queue:
            parent = queue.pop()
            try:
                with os.scandir(parent or ".") as iterator:
                    entries = sorted(iterator, key=lambda entry: entry.name)
            except OSError as error:
                self._report_unreadable(parent, error)
                continue
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield os.path.join(parent, entry.name)  # noqa: PTH118 - ten times as fast as a Path
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name != ".git"]
            queue += [os.path.join(parent, name) for name in reversed(folders)]  # noqa: PTH118 - as above

    def _may_contain_credential(self, path: str) -> bool:
        """Return whether a regular file may contain a credential: the fast first pass."""
        tail, size = b"", 0
        try:
            descriptor = os.open(path, _READ_FLAGS)
            try:
                while chunk := os.read(descriptor, CHUNK_BYTES):
                    data = tail + chunk if tail else chunk
                    if may_contain_credential(data) or (not size and chunk.startswith(UTF_16)):
                        return True
                    size += len(chunk)
                    tail = data[-_OVERLAP:]
            finally:
                os.close(descriptor)
        except OSError as error:
            self._report_unreadable(path, error)
            return False
        self.files += 1
        self.bytes_read += size
        return False

    def _scan_file(self, path: str | int, name: str) -> Iterator[tuple[ScanSource, Leak]]:
        """Yield the credentials in a file."""
        source = ScanSource(display_path(name))
        try:
            with FileIO(path, closefd=path != 0) as file:
                for leak in find_leaks(self._read_chunks(file)):
                    yield source, leak
        except OSError as error:
            self._report_unreadable(name, error)
            return
        self.files += 1

    def _read_chunks(self, file: FileIO) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            self.bytes_read += len(chunk)
            yield chunk

    def _report_unreadable(self, path: str, error: OSError) -> None:
        if os.path.normpath(path) == self._current_argument:
            raise _unreadable_error(path or ".", error) from error
        self.unreadable += 1
        self._warn(f"cannot read {display_path(path or '.')}: {error.strerror}")
