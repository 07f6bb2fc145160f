"""
The journal of the development server: the log entries as records, for tests to assert on.

A record is added before its response is sent, so a client that has the response finds the record.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import overload

from gamcli.actions import Gam
from gamcli.errors import ConflictError, FailedError
from gamcli.server.dev.fixes import suggest_fix
from gamcli.server.dev.senders import guess_form
from gamcli.server.endpoints.context import TracedResponse
from gamcli.server.endpoints.forms import grant_kind
from gamcli.server.request_log import LogEntry, RequestLog, format_json
from gamcli.server.transport.messages import Request
from gamcli.system.new_files import open_or_create


@dataclass(slots=True)
class JournalRecord(LogEntry):
    """
    A log entry, which of `rules.grants.GRANTS` was requested, if any, and what fixes a refused request.

    Status 0 means that the connection was cut.
    """

    grant: str = ""
    fix: str = ""


Recorder = Callable[[JournalRecord], None]
"""Receives the records one by one."""


def journal_record(entry: LogEntry, request: Request, fix: str = "") -> JournalRecord:
    grant = grant_kind(guess_form(request)) if request.method else None
    return JournalRecord(**asdict(entry), grant=grant or "", fix=fix)


class RecordingLog(RequestLog):
    """A log that passes each record to `record` as well, with what fixes a refused request."""

    def __init__(
        self, record: Recorder, gam: Gam, sink: Callable[[str], bool], log_format: str, log_address: str
    ) -> None:
        super().__init__(sink, log_format, gam.now, "test", log_address)
        self._record = record
        self._gam = gam

    def write(self, request: Request, result: TracedResponse, seconds: float) -> LogEntry:
        entry = super().write(request, result, seconds)
        fix = suggest_fix(self._gam, request, result.trace) if request.method and result.trace.rule else ""
        self._record(journal_record(entry, request, fix))
        return entry


MAX_RECORDS = 10_000
"""A journal keeps this many requests, the newest ones."""


class Journal(Sequence[JournalRecord]):
    """The newest requests in the order of their responses."""

    def __init__(self) -> None:
        self._entries: deque[JournalRecord] = deque(maxlen=MAX_RECORDS)

    def add(self, entry: JournalRecord) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()

    @overload
    def __getitem__(self, index: int) -> JournalRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[JournalRecord]: ...
    def __getitem__(self, index: int | slice) -> JournalRecord | list[JournalRecord]:
        return [*self._entries][index] if isinstance(index, slice) else self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JournalRecord]:
        return iter(tuple(self._entries))

    def __repr__(self) -> str:
        return "\n".join(["Journal:", *map(format_json, self._entries)])


class JournalFile:
    """A file with one JSON object per line, each written by one call; a journal of an earlier run is overwritten."""

    def __init__(self, path: str | Path) -> None:
        try:
            _require_journal(Path(path))
            self._file = FileIO(open_or_create(path, os.O_WRONLY | os.O_TRUNC), "w")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "invalid path"
            raise FailedError(f"cannot write the journal {path}: {reason}", "--journal FILE") from error

    def add(self, entry: JournalRecord) -> None:
        with suppress(OSError):  # disk full: go on serving, the journal lacks a line
            self._file.write(f"{format_json(entry)}\n".encode())

    def close(self) -> None:
        self._file.close()


_PREFIX = b'{"time":'


def _require_journal(path: Path) -> None:
    """Raise ConflictError for any other file, so that a typing error does not overwrite it."""
    if path.is_fifo():  # opening it would wait for a reader
        raise ConflictError(f"{path} already exists and is not a journal", "--journal NEW_FILE")
    if path.is_file() and path.stat().st_size > 0:
        with path.open("rb") as file:
            if file.read(len(_PREFIX)) != _PREFIX:
                raise ConflictError(f"{path} already exists and is not a journal", "--journal NEW_FILE")
