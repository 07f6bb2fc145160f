"""
The CSV file with the keys that `gamcli key generate --from` issues: a new file, or one that an earlier run started.

Its rows have the order of the input and fill one line each, so that the file of an interrupted run can be completed;
an incomplete last line is truncated.
"""

import csv
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from stat import S_IMODE, S_ISREG
from typing import IO

from gamcli.actions import Gam, bulk_issue
from gamcli.actions.bulk_issue import DeliveredKey
from gamcli.errors import ConflictError, FailedError, UsageError
from gamcli.model import format_rfc3339
from gamcli.render.csv_cells import escape_formula, format_row
from gamcli.render.text import clean
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.store.batches import Batch
from gamcli.system.new_files import sync_folder, write_all

COLUMNS = ("id", "user", "app", "client_id", "api_key", "scopes", "expires_at")
HEADER = f"{','.join(COLUMNS)}\n".encode()
NEW_FILE_HINT = "use --out with a new file, or with that of an earlier run of the same input"

OTHERS_MODE_MASK = 0o077
"""The permissions of group and others in a file mode."""


class ResultsFile:
    """The file at `path`; `descriptor` is None while it does not exist."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self.existing_rows = 0
        self.descriptor = descriptor
        self._append_at = 0

    def read_existing(self, gam: Gam, batch: Batch | None) -> int:
        """Return how many rows an earlier run of `batch` wrote; raises ConflictError for any other existing file."""
        if self.descriptor is None:
            if batch is not None and batch.delivered == 0 and os.path.exists(batch.output):  # noqa: PTH110 - as os.open
                raise ConflictError(f"an earlier run of this input started {batch.output}", f"--out {batch.output}")
            return 0
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            head = file.read(len(HEADER))
            if batch is None or not HEADER.startswith(head):
                raise ConflictError(f"the file {self.path} already exists", NEW_FILE_HINT)
            require_private(self.path, os.fstat(file.fileno()))
            if head != HEADER:
                return 0
            lines = _CompleteLines(file)
            self.existing_rows = bulk_issue.count_delivered(gam, batch, _read_keys(lines))
        if self.existing_rows != lines.count:
            raise ConflictError(
                f"line {self.existing_rows + 2} of {self.path} does not match this input", NEW_FILE_HINT
            )
        self._append_at = len(HEADER) + lines.size
        return self.existing_rows

    def begin(self) -> None:
        """Create the file if needed, truncate an incomplete last line, and write the header."""
        if self.descriptor is None:
            self.descriptor = create_file(self.path)
        sync_folder(Path(self.path).parent)
        os.truncate(self.descriptor, self._append_at)
        os.lseek(self.descriptor, self._append_at, os.SEEK_SET)
        if self._append_at == 0:
            self._write(HEADER, 1)

    def append_keys(self, keys: Sequence[DeliveredKey]) -> None:
        """Write keys and sync them to disk."""
        self._write("".join(f"{_csv_row(key)}\n" for key in keys).encode(), keys[0].row + 1)

    def _write(self, data: bytes, line: int) -> None:
        assert self.descriptor is not None
        start = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        try:
            write_all(self.descriptor, data)
        except OSError as error:
            line += data[: os.lseek(self.descriptor, 0, os.SEEK_CUR) - start].count(b"\n")
            raise FailedError(
                f"cannot write line {line} of {self.path}: {error.strerror}",
                "free some space, then run the same command again to issue the missing keys",
            ) from error


def _csv_row(key: DeliveredKey) -> str:
    app, secret = key.terms, key.secret.reveal()
    return format_row(
        (key.id, _cell(key.user), _cell(app.name), app.client_id, secret, app.scopes, _time(key.expires_at))
    )


def _cell(name: str) -> str:
    return escape_formula(clean(name))


@lru_cache(maxsize=1024)
def _time(instant: datetime | None) -> str:
    return "" if instant is None else format_rfc3339(instant)


class _CompleteLines:
    """The complete lines of a file; `count` and `size` are those of the lines that were read."""

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
    """Yield ID and secret of each row, empty ones for an invalid row."""
    for line in csv.reader(lines):
        yield (line[0], Secret(line[4])) if len(line) >= len(COLUMNS) else ("", NO_SECRET)


@contextmanager
def open_results(path: str, source: IO[bytes]) -> Iterator[ResultsFile]:
    """Open and lock the file `path`; raises UsageError when it is the input itself."""
    results = ResultsFile(path, open_existing(path))
    try:
        if results.descriptor is not None:
            if os.path.sameopenfile(results.descriptor, source.fileno()):
                raise UsageError("--from and --out are the same file", "use --out with another file")
            lock_output(path, results.descriptor)
        yield results
    finally:
        if results.descriptor is not None:
            os.close(results.descriptor)


def open_existing(path: str) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", NEW_FILE_HINT) from error
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path} is not a regular file", NEW_FILE_HINT)
    return descriptor


def require_private(path: str, status: os.stat_result) -> None:
    """Raise ConflictError when other users could read the keys in the file."""
    if status.st_uid != os.geteuid():
        raise ConflictError(f"the file {path} is owned by another user", NEW_FILE_HINT)
    if S_IMODE(status.st_mode) & OTHERS_MODE_MASK:
        raise ConflictError(f"other users can read or write the file {path}", shlex.join(("chmod", "600", path)))


def create_file(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError as error:
        raise ConflictError(f"the file {path} already exists", NEW_FILE_HINT) from error
    except OSError as error:
        raise FailedError(f"cannot create {path}: {error.strerror}", NEW_FILE_HINT) from error
    lock_output(path, descriptor)
    return descriptor


def lock_output(path: str, descriptor: int) -> None:
    """Prevent other runs from writing to a file or folder while this one has it open."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConflictError(f"another run is writing to {path}", "wait for it to finish") from error
