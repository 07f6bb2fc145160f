"""
Files and folders as `scan` reads them: every regular file below a folder, in pieces, its memory the same for all.

Most files hold nothing. So each is looked through quickly first; only one that may hold something is read again, and
its lines counted. Symlinks within a folder are not followed, nor is `.git` entered;
what cannot be read there is told, counted and passed over.
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
"""So many bytes are read at once: they stay in the cache of a processor until they have been searched."""

STDIN = "stdin"
"""What the standard input is called."""

_OVERLAP = MAX_LENGTH - 1
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


def display_path(path: str) -> str:
    """Return a path as text: bytes that are no UTF-8 are spelled out, and a credential in it is masked."""
    return redact(os.fsencode(path).decode("utf-8", "backslashreplace"))


def require_readable(paths: Sequence[str]) -> None:
    """Raise UsageError when one of `paths` is not there, or a file or folder that cannot be opened."""
    for path in paths:
        try:
            mode = 0 if path == "-" else os.stat(path).st_mode  # noqa: PTH116 - as the names come
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # a pipe or a terminal can be read but once
                os.close(os.open(path, os.O_RDONLY))
        except (OSError, ValueError) as error:
            raise _unreadable_error(path, error) from error


def _unreadable_error(path: str, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"cannot read {display_path(path)}: {reason}", "files, folders, or '-' for stdin")


class FileScanner:
    """Reads files and counts them; what cannot be read is told by `warn`, and an error when it was named."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.files = 0
        self.bytes_read = 0
        self.unreadable = 0
        self._warn = warn
        self._current_argument = ""

    def scan(self, paths: Sequence[str]) -> Iterator[tuple[ScanSource, Leak]]:
        """Yield what lies in files, in folders and all below, and in stdin, `-`."""
        for path in paths:
            self._current_argument = STDIN if path == "-" else os.path.normpath(path)
            if path == "-":
                yield from self._scan_file(0, STDIN)
            elif os.path.isdir(path):  # noqa: PTH112 - as the names come
                for each in self._walk("" if os.path.normpath(path) == "." else path):
                    if self._may_contain_credential(each):
                        yield from self._scan_file(each, each)
            elif not os.path.isfile(path) or self._may_contain_credential(path):  # noqa: PTH113 - as above
                yield from self._scan_file(path, path.removeprefix("./"))

    def _walk(self, folder: str) -> Iterator[str]:
        """Yield the regular files of a folder and of all folders below, in the order of their names."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            try:
                with os.scandir(here or ".") as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._report_unreadable(here, error)
                continue
            for entry in found:
                if entry.is_file(follow_symlinks=False):
                    yield os.path.join(here, entry.name)  # noqa: PTH118 - a tenth of the time of a Path
            folders = [each.name for each in found if each.is_dir(follow_symlinks=False) and each.name != ".git"]
            waiting += [os.path.join(here, name) for name in reversed(folders)]  # noqa: PTH118 - as above

    def _may_contain_credential(self, path: str) -> bool:
        """Look through a regular file quickly, and say whether it is worth another reading."""
        kept, whole = b"", 0
        try:
            descriptor = os.open(path, _READ_FLAGS)
            try:
                while piece := os.read(descriptor, CHUNK_BYTES):
                    data = kept + piece if kept else piece
                    if may_contain_credential(data) or (not whole and piece.startswith(UTF_16)):
                        return True
                    whole += len(piece)
                    kept = data[-_OVERLAP:]
            finally:
                os.close(descriptor)
        except OSError as error:
            self._report_unreadable(path, error)
            return False
        self.files += 1
        self.bytes_read += whole
        return False

    def _scan_file(self, path: str | int, name: str) -> Iterator[tuple[ScanSource, Leak]]:
        """Yield what lies in a file that may hold something, or can be read only once."""
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
        while piece := file.read(CHUNK_BYTES):
            self.bytes_read += len(piece)
            yield piece

    def _report_unreadable(self, path: str, error: OSError) -> None:
        if os.path.normpath(path) == self._current_argument:
            raise _unreadable_error(path or ".", error) from error
        self.unreadable += 1
        self._warn(f"cannot read {display_path(path or '.')}: {error.strerror}")
