"""One line a request: who asked for what, what came of it, and which rule refused; never a secret."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count

from gamcli.model import format_rfc3339
from gamcli.server.endpoints.routes import TracedResponse
from gamcli.server.transport.messages import Request

MAX_TEXT = 128
"""How much of a path or client_id a line shows."""

MAX_UNKNOWN_PATH = 64
"""How much of a path is shown that nothing is served at."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that are shown; before any other stands the left-over body of another request."""

# The letters of a secret do not reach the log, not even of one that was sent in the wrong place.
_CREDENTIAL = re.compile(r"(gam(?:key|sec)_|[0-9a-f-]{36}!)[0-9A-Za-z_]+")
_PLAIN = re.compile(rf"[#-\[\]-~]{{0,{MAX_TEXT}}}")
_UNPRINTABLE = re.compile(r"[^!#-\[\]-~]")
_LONG_WORD = re.compile(r"[^/._-]{20,}")


@dataclass(slots=True)  # a frozen one takes four times as long to make
class LogEntry:
    """The fields of a line in their order; `ms` is how long the answer took, `detail` what only a reader may know."""

    time: str
    request: str
    method: str
    path: str
    status: int
    ms: float
    client_id: str
    key: str
    rule: str
    detail: str


def sanitize(text: str) -> str:
    """Return what a client sent as one printable word: escaped, cut, and without a credential in the wrong place."""
    if _PLAIN.fullmatch(text) and "gamkey_" not in text and "gamsec_" not in text:
        return text
    hidden = _CREDENTIAL.sub(r"\1...", text)
    cut = hidden if len(hidden) <= MAX_TEXT else hidden[:MAX_TEXT] + "..."
    return _UNPRINTABLE.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", cut)


def _method_and_path(request: Request | None, rule: str) -> tuple[str, str]:
    """Return the method and path that a line shows: nothing of what may be no request, no fragment."""
    if request is None or request.method not in METHODS:
        return "-", "-"
    path = request.path.partition("#")[0]
    if rule != "path_unknown":
        return request.method, sanitize(path)
    harmless = _LONG_WORD.sub("...", sanitize(path))
    cut = harmless if len(harmless) <= MAX_UNKNOWN_PATH else harmless[:MAX_UNKNOWN_PATH] + "..."
    return request.method, cut


def format_text(entry: LogEntry) -> str:
    """Write a line for people: what every line has in its place, the rest by name."""
    rest = (("client_id", entry.client_id), ("key", entry.key), ("rule", entry.rule), ("detail", entry.detail))
    named = "".join([f" {name}={value}" for name, value in rest if value])
    return f"{entry.time} {entry.request} {entry.method} {entry.path} {entry.status} {entry.ms}ms{named}"


def format_json(entry: LogEntry) -> str:
    """Write a line for programs: a JSON object that has every field."""
    return json.dumps(asdict(entry), separators=(",", ":"))


FORMATS: dict[str, Callable[[LogEntry], str]] = {"text": format_text, "json": format_json}
"""How `--log-format` writes a line."""


@lru_cache(maxsize=1)
def _format_second(second: int) -> str:
    return format_rfc3339(datetime.fromtimestamp(second, UTC))


class RequestLog:
    """
    Numbers requests and hands a line about each to `sink`; `run_id` tells one server's numbers from another's.

    `sink` says whether it had room; how many lines were lost is told as soon as it has again.
    """

    def __init__(self, sink: Callable[[str], bool], log_format: str, now: Callable[[], datetime], run_id: str) -> None:
        self._sink = sink
        self._format = FORMATS[log_format]
        self._now = now
        self._run_id = run_id
        self._request_numbers = count(1)
        self._lost_lines = 0

    def write(self, request: Request | None, result: TracedResponse, seconds: float) -> LogEntry:
        """Write the line about a request, and return it; None could not be read and may be the body of another."""
        trace = result.trace
        method, path = _method_and_path(request, trace.rule)
        entry = LogEntry(
            time=_format_second(int(self._now().timestamp())),
            request=f"{self._run_id}-{next(self._request_numbers)}",
            method=method,
            path=path,
            status=result.response.status,
            ms=round(seconds * 1000, 1),
            client_id=sanitize(trace.client_id),
            key=trace.key_id,
            rule=trace.rule,
            detail=trace.detail,
        )
        self.write_lost_lines()
        self._lost_lines += not self._sink(self._format(entry))
        return entry

    def write_lost_lines(self) -> None:
        """Tell how many lines found no room since this was last told, if there is room for that."""
        if not self._lost_lines:
            return
        told = LogEntry(
            format_rfc3339(self._now()), "-", "-", "-", 0, 0.0, "", "", "lines_lost", f"{self._lost_lines} lines lost"
        )
        if self._sink(self._format(told)):
            self._lost_lines = 0
