"""The log: one line per request, with the rule that refused it; never a secret."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import count

from gamcli.model import format_rfc3339
from gamcli.server.endpoints.context import TracedResponse
from gamcli.server.transport.messages import REQUEST_ID, Request, Response

MAX_TEXT = 128
"""A longer path or client_id is cut."""

MAX_UNKNOWN_PATH = 64
"""A longer unknown path is cut."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any other method is not logged: it may be the rest of the body of another request."""

# Secrets are removed even if they were sent in the wrong place.
_CREDENTIAL = re.compile(r"(gam(?:key|sec)_|[0-9a-f-]{36}!)[0-9A-Za-z_]+")
_PLAIN = re.compile(rf"[#-\[\]-~]{{0,{MAX_TEXT}}}")
_UNPRINTABLE = re.compile(r"[^!#-\[\]-~]")
_LONG_WORD = re.compile(r"[^/._-]{20,}")


@dataclass(slots=True)  # a frozen one takes four times as long to make
class LogEntry:
    """
    The fields of a line in order.

    `request` is the ID of the request, `ms` its duration, and `detail` is not sent to the client.
    """

    time: str
    request: str = "-"
    method: str = "-"
    path: str = "-"
    status: int = 0
    ms: float = 0.0
    address: str = ""
    client_id: str = ""
    key: str = ""
    token: str = ""
    rule: str = ""
    detail: str = ""


def sanitize(text: str) -> str:
    """Return text from a client as one printable word: escaped, cut, and without secrets."""
    if _PLAIN.fullmatch(text) and "gamkey_" not in text and "gamsec_" not in text:
        return text
    redacted = _CREDENTIAL.sub(r"\1...", text)
    cut = redacted if len(redacted) <= MAX_TEXT else redacted[:MAX_TEXT] + "..."
    return _UNPRINTABLE.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", cut)


def _method_and_path(request: Request, rule: str) -> tuple[str, str]:
    """Return the method and path to log, "-" for what may not be a request."""
    if request.method not in METHODS:
        return "-", "-"
    path = request.path.partition("#")[0]
    if rule != "path_unknown":
        return request.method, sanitize(path)
    redacted = _LONG_WORD.sub("...", sanitize(path))
    cut = redacted if len(redacted) <= MAX_UNKNOWN_PATH else redacted[:MAX_UNKNOWN_PATH] + "..."
    return request.method, cut


def _requested_id(request: Request) -> str:
    """Return the ID that the client chose for its request, "" if it sent none that is valid."""
    requested = request.fields.get("x-request-id", "")
    is_valid = requested and REQUEST_ID.fullmatch(requested) and not _CREDENTIAL.search(requested)
    return requested if is_valid else ""


def format_text(entry: LogEntry) -> str:
    """Return a line for people; optional fields are written as name=value."""
    rest = (
        ("address", entry.address), ("client_id", entry.client_id), ("key", entry.key), ("token", entry.token),
        ("rule", entry.rule), ("detail", entry.detail),
    )  # fmt: skip
    named = "".join([f" {name}={value}" for name, value in rest if value])
    return f"{entry.time} {entry.request} {entry.method} {entry.path} {entry.status} {entry.ms}ms{named}"


def format_json(entry: LogEntry) -> str:
    """Return a JSON object with every field."""
    return json.dumps(asdict(entry), separators=(",", ":"))


FORMATS: dict[str, Callable[[LogEntry], str]] = {"text": format_text, "json": format_json}
"""The values of `--log-format`."""


@lru_cache(maxsize=1024)
def mask_address(address: str) -> str:
    """Return the network of an address: /24 of IPv4, /48 of IPv6; "" for anything else."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ip_network((int(parsed), 24 if parsed.version == 4 else 48), strict=False).network_address)  # noqa: PLR2004 - IPv4


ADDRESSES: dict[str, Callable[[str], str]] = {
    "full": lambda address: address,
    "masked": mask_address,
    "none": lambda _: "",
}
"""The values of `--log-address`."""


@lru_cache(maxsize=1)
def _format_second(second: int) -> str:
    return format_rfc3339(datetime.fromtimestamp(second, UTC))


def add_request_id(response: Response, entry: LogEntry) -> Response:
    """Return the response with the ID under which its request was logged."""
    return response.with_fields((("X-Request-Id", entry.request),))


class RequestLog:
    """
    Passes one line per request to `sink`; `run_id` makes the request numbers unique across servers.

    `sink` returns False when it drops a line. The number of lost lines is logged as soon as it accepts lines again.
    """

    def __init__(
        self,
        sink: Callable[[str], bool],
        log_format: str,
        now: Callable[[], datetime],
        run_id: str,
        log_address: str = "full",
    ) -> None:
        self._sink = sink
        self._show_address = ADDRESSES[log_address]
        self._format = FORMATS[log_format]
        self._now = now
        self._run_id = run_id
        self._request_numbers = count(1)
        self._lost_lines = 0

    def write(self, request: Request, result: TracedResponse, seconds: float) -> LogEntry:
        """Write the line of a request and return its entry."""
        trace = result.trace
        method, path = _method_and_path(request, trace.rule)
        entry = LogEntry(
            time=_format_second(int(self._now().timestamp())),
            request=_requested_id(request) or f"{self._run_id}-{next(self._request_numbers)}",
            method=method,
            path=path,
            status=result.response.status,
            ms=round(seconds * 1000, 1),
            address=self._show_address(request.peer),
            client_id=sanitize(trace.client_id),
            key=trace.key_id,
            token=trace.token_id,
            rule=trace.rule,
            detail=trace.detail,
        )
        self.write_lost_lines()
        self._lost_lines += not self._sink(self._format(entry))
        return entry

    def write_lost_lines(self) -> None:
        """Write how many lines were lost since the last such line, if any."""
        if not self._lost_lines:
            return
        lost = f"{self._lost_lines} lines lost"
        entry = LogEntry(format_rfc3339(self._now()), rule="lines_lost", detail=lost)
        if self._sink(self._format(entry)):
            self._lost_lines = 0
