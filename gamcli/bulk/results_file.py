"""
The CSV file that the keys of a batch are written to: made anew, or begun by an earlier run and completed.

Its rows are in the order of the input and each is one line, so that what a run has left behind is a beginning of the
whole: a last line without its end is cut off.
"""

import csv
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from io import StringIO
from stat import S_IMODE, S_ISREG
from typing import IO

from gamcli.actions import Gam, bulk_issue
from gamcli.actions.bulk_issue import DeliveredKey
from gamcli.errors import ConflictError, FailedError, UsageError
from gamcli.model import format_rfc3339
from gamcli.render.csv_cells import escape_formula
from gamcli.render.text import clean
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.store.batches import Batch

COLUMNS = ("id", "user", "app", "client_id", "api_key", "scopes", "expires_at")
HEADER = f"{','.join(COLUMNS)}\n".encode()
NEW_FILE_HINT = "--out takes a new file, or one that an earlier run of the same input has begun"

OTHERS_MODE_MASK = 0o077
"""What a mode lets others do."""


class ResultsFile:
    """The file at `path`; a `descriptor` of None says that it is not there yet."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self.existing_rows = 0
        self.descriptor = descriptor
        self._append_at = 0

    def read_existing(self, gam: Gam, batch: Batch | None) -> int:
        """Return how many rows an earlier run of `batch` has written; raises ConflictError when it wrote none of it."""
        if self.descriptor is None:
            if batch is not None and batch.delivered == 0 and os.path.exists(batch.output):  # noqa: PTH110 - as os.open
                raise ConflictError(f"an earlier run of this input has begun {batch.output}", f"--out {batch.output}")
            return 0
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            head = file.read(len(HEADER))
            if batch is None or not HEADER.startswith(head):
                raise ConflictError(f"the file {self.path} is there already", NEW_FILE_HINT)
            _require_private(self.path, os.fstat(file.fileno()))
            if head != HEADER:
                return 0
            lines = _CompleteLines(file)
            self.existing_rows = bulk_issue.count_delivered(gam, batch, _read_keys(lines))
        if self.existing_rows != lines.count:
            raise ConflictError(
                f"line {self.existing_rows + 2} of {self.path} is not what this input led to", NEW_FILE_HINT
            )
        self._append_at = len(HEADER) + lines.size
        return self.existing_rows

    def begin(self) -> None:
        """Make the file when it is not there, cut off a line that was not ended, and write the header."""
        if self.descriptor is None:
            self.descriptor = _create_file(self.path)
        os.truncate(self.descriptor, self._append_at)
        os.lseek(self.descriptor, self._append_at, os.SEEK_SET)
        if self._append_at == 0:
            self._write(HEADER, 1)

    def append_keys(self, made: Sequence[DeliveredKey]) -> None:
        """Write keys, and return once they are on disk."""
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows(map(_csv_row, made))
        self._write(text.getvalue().encode(), made[0].row + 1)

    def _write(self, data: bytes, line: int) -> None:
        assert self.descriptor is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
            os.fsync(self.descriptor)
        except OSError as error:
            line += data[: len(data) - len(rest)].count(b"\n")
            raise FailedError(
                f"cannot write line {line} of {self.path}: {error.strerror}",
                "make room and run the same command again: it makes what is missing",
            ) from error


def _csv_row(key: DeliveredKey) -> tuple[str, ...]:
    terms = key.terms
    return (
        key.id,
        _cell(key.user),
        _cell(terms.name),
        terms.client_id,
        key.secret.reveal(),
        terms.scopes,
        _time(key.expires_at),
    )


@lru_cache(maxsize=1024)
def _cell(name: str) -> str:
    return escape_formula(clean(name))


@lru_cache(maxsize=1024)
def _time(instant: datetime | None) -> str:
    return "" if instant is None else format_rfc3339(instant)


class _CompleteLines:
    """The lines of a file that have their end; `count` and `size` are of those that were read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.count = 0
        self.size = 0
        self._file = file

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            if line.endswith(b"\n"):
                self.count += 1
                self.size += len(line)
                yield line.decode(errors="replace")


def _read_keys(lines: _CompleteLines) -> Iterator[tuple[str, Secret]]:
    """Yield id and secret of each row, nothing for what is no row of ours."""
    for line in csv.reader(lines):
        yield (line[0], Secret(line[4])) if len(line) >= len(COLUMNS) else ("", NO_SECRET)


@contextmanager
def open_results(path: str, source: IO[bytes]) -> Iterator[ResultsFile]:
    """Open the file at `path` for one run alone; raises UsageError when it is the input itself."""
    results = ResultsFile(path, _open_existing(path))
    try:
        if results.descriptor is not None:
            if os.path.sameopenfile(results.descriptor, source.fileno()):
                raise UsageError("--from and --out name the same file", "--out FILE, another one")
            _lock(path, results.descriptor)
        yield results
    finally:
        if results.descriptor is not None:
            os.close(results.descriptor)


def _open_existing(path: str) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", NEW_FILE_HINT) from error
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path} is no file", NEW_FILE_HINT)
    return descriptor


def _require_private(path: str, found: os.stat_result) -> None:
    """Raise ConflictError when others could read the keys that are added to a file."""
    if found.st_uid != os.geteuid():
        raise ConflictError(f"the file {path} belongs to another user", NEW_FILE_HINT)
    if S_IMODE(found.st_mode) & OTHERS_MODE_MASK:
        raise ConflictError(f"others can read or write the file {path}", shlex.join(("chmod", "600", path)))


def _create_file(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError as error:
        raise ConflictError(f"the file {path} is there already", NEW_FILE_HINT) from error
    except OSError as error:
        raise FailedError(f"cannot make the file {path}: {error.strerror}", NEW_FILE_HINT) from error
    _lock(path, descriptor)
    return descriptor


def _lock(path: str, descriptor: int) -> None:
    """Let no other run write to the file as long as this one has it open."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConflictError(f"another run writes to {path}", "let that one end") from error
