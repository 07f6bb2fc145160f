"""
What was asked of a server and what came of it, for tests to assert on: the records that the log writes as lines.

A record is there before its answer leaves: whoever has the answer finds the record.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import overload
from urllib.parse import parse_qs

from gamcli.errors import ConflictError, FailedError
from gamcli.server.endpoints.routes import TracedResponse
from gamcli.server.request_log import LogEntry, RequestLog, format_json
from gamcli.server.transport.messages import Request

GRANTS = ("api_key", "password", "refresh_token")


@dataclass(slots=True)
class JournalRecord(LogEntry):
    """What the log tells of a request, and which of GRANTS it asked for, if any; status 0 is a connection cut."""

    grant: str = ""


Recorder = Callable[[JournalRecord], None]
"""What takes records, one by one."""


def journal_record(entry: LogEntry, request: Request | None) -> JournalRecord:
    """Return the record of a request: no more of it than the log tells, but for the kind of its grant."""
    return JournalRecord(**asdict(entry), grant=_grant_kind(request) if request is not None else "")


def _grant_kind(request: Request) -> str:
    sent = parse_qs(f"{request.query}&{request.body.decode(errors='replace')}")
    kind = sent.get("grant_type", [""])[0].lower()
    if kind == "password" and "api_key" in sent:
        return "api_key"
    return kind if kind in GRANTS else ""


class RecordingLog(RequestLog):
    """A log that hands each record to `keep` too."""

    def __init__(
        self, record: Recorder, sink: Callable[[str], bool], log_format: str, now: Callable[[], datetime]
    ) -> None:
        super().__init__(sink, log_format, now, "test")
        self._record = record

    def write(self, request: Request | None, result: TracedResponse, seconds: float) -> LogEntry:
        """Write the line about a request, and hand over its record."""
        entry = super().write(request, result, seconds)
        self._record(journal_record(entry, request))
        return entry


class Journal(Sequence[JournalRecord]):
    """The requests in the order of their answers; `clear` forgets them."""

    def __init__(self) -> None:
        self._entries: list[JournalRecord] = []

    def add(self, entry: JournalRecord) -> None:
        """Take the record of a request."""
        self._entries.append(entry)

    def clear(self) -> None:
        """Forget what was asked so far."""
        self._entries.clear()

    @overload
    def __getitem__(self, place: int) -> JournalRecord: ...
    @overload
    def __getitem__(self, place: slice) -> list[JournalRecord]: ...
    def __getitem__(self, place: int | slice) -> JournalRecord | list[JournalRecord]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JournalRecord]:
        return iter(tuple(self._entries))

    def __repr__(self) -> str:
        return "\n".join(["Journal:", *map(format_json, self._entries)])


class JournalFile:
    """A file with a JSON object a line, each written whole at once; one from an earlier run begins anew."""

    def __init__(self, path: str | Path) -> None:
        try:
            _require_journal(Path(path))
            self._file = FileIO(path, "w")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no such file"
            raise FailedError(f"cannot write the journal {path}: {why}", "--journal FILE") from error

    def add(self, entry: JournalRecord) -> None:
        """Write the record of a request."""
        with suppress(OSError):  # a full disk: whoever counts the lines finds out, and the clients go on
            self._file.write(f"{format_json(entry)}\n".encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_PREFIX = b'{"time":'


def _require_journal(path: Path) -> None:
    """Raise ConflictError for a file that is something else: a slip of the fingers must not end a manifest."""
    if path.is_file() and path.stat().st_size > 0:
        with path.open("rb") as file:
            if file.read(len(_PREFIX)) != _PREFIX:
                raise ConflictError(f"{path} is there already, and is no journal", "--journal FILE, a new one")
