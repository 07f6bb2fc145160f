"""A row as bytes, and the bytes that come back: each over a connection of its own, no row depends on another."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

from gamcli.conformance.table import RequestSpec
from gamcli.conformance.worlds import World
from gamcli.errors import UsageError

TIMEOUT_SECONDS = 15.0
"""How many seconds an answer may take; the contract has deadlines of ten."""

CLOSE_SECONDS = 3.0
"""How many seconds a server has to close after its last answer."""

MAX_RESPONSE_BYTES = 1024 * 1024

_CONNECTION_TYPES: dict[str, Callable[..., HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """What came back; a `status` of 0 is none, and `trouble` says why. `closed` is only known when it was asked for."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    closed: bool | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TargetServer:
    """Where to ask: scheme, address and base path of a server."""

    scheme: str
    host: str
    port: int | None
    base_path: str

    def send(self, packets: list[bytes], method: str, *, wait_for_close: bool = False) -> ReceivedResponse:
        """Send the packets over a new connection and return the first answer, and whether it was the end."""
        with closing(_CONNECTION_TYPES[self.scheme](self.host, self.port, timeout=TIMEOUT_SECONDS)) as connection:
            try:
                connection.connect()
                _send_packets(connection, packets)
                return _read_response(connection, method, wait_for_close=wait_for_close)
            except (OSError, HTTPException) as error:
                why = getattr(error, "strerror", None) or str(error)
                return ReceivedResponse(problem=f"{type(error).__name__}: {why}" if why else type(error).__name__)


def _send_packets(connection: HTTPConnection, packets: list[bytes]) -> None:
    for packet in packets:
        try:
            connection.send(packet)
        except (BrokenPipeError, ConnectionResetError):  # it has answered already: what it said is read below
            return


def _read_response(connection: HTTPConnection, method: str, *, wait_for_close: bool) -> ReceivedResponse:
    # Not connection.getresponse(): that one wants to have written the request itself.
    response = HTTPResponse(connection.sock, method=method)
    response.begin()
    body = response.read(MAX_RESPONSE_BYTES)
    return ReceivedResponse(
        response.status, _merge_headers(response), body, _closes_connection(connection) if wait_for_close else None
    )


def _closes_connection(connection: HTTPConnection) -> bool:
    connection.sock.settimeout(CLOSE_SECONDS)
    try:
        while connection.sock.recv(MAX_RESPONSE_BYTES):
            pass
    except TimeoutError:
        return False
    except OSError:  # reset: nothing comes any more
        pass
    return True


def _merge_headers(response: HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def parse_url(url: str) -> TargetServer:
    """Return the server at `url`; raises UsageError."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.scheme in _CONNECTION_TYPES and parts.port != 0
    except ValueError:
        sound, parts = False, SplitResult("", "", "", "", "")
    if not sound or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        raise UsageError("that is no address of a server", "such as https://example.com/myapp")
    return TargetServer(parts.scheme, parts.hostname or "", parts.port, parts.path.rstrip("/"))


def encode_request(request: RequestSpec, world: World, holder: str, server: TargetServer) -> list[bytes]:
    """Return the bytes that ask `question`; raises UnknownValueError when the world lacks a value."""
    values = world.with_values(
        "server", {"base": server.base_path, "upper_base": server.base_path.upper(), "host": server.host}
    )

    def filled(text: str) -> str:
        return values.fill(text, holder)

    if request.packets:
        return [filled(packet).encode("latin-1") for packet in request.packets]
    body = _encode_body(request, filled)
    lines = [f"{request.method} {_request_target(request, filled)} HTTP/1.1"]
    lines += (f"{name}: {value}" for name, value in _request_headers(request, filled, body).items())
    return ["\r\n".join((*lines, "", "")).encode("latin-1") + body]


FillPlaceholders = Callable[[str], str]


def _request_target(request: RequestSpec, fill: FillPlaceholders) -> str:
    query = "&".join(_encode_pairs(request.query, fill))
    return quote(fill(request.path), safe="/%?=&*.;+!~-_") + (f"?{query}" if query else "")


def _encode_pairs(parameters: Mapping[str, Any], fill: FillPlaceholders) -> Iterator[str]:
    for name, value in parameters.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{quote_plus(name)}={quote_plus(fill(each))}"


def _encode_body(request: RequestSpec, fill: FillPlaceholders) -> bytes:
    if request.body is not None:
        return fill(request.body).encode("latin-1")
    return "&".join(_encode_pairs(request.form, fill)).encode("ascii")


def _request_headers(request: RequestSpec, fill: FillPlaceholders, body: bytes) -> dict[str, str]:
    found = {"Host": fill("{server.host}")}
    if request.method not in ("GET", "HEAD", "OPTIONS") or body:
        found["Content-Length"] = str(len(body))
    if request.basic:
        halves = ":".join(quote_plus(fill(half)) for half in request.basic)
        found["Authorization"] = "Basic " + b64encode(halves.encode()).decode()
    return found | {name: fill(value) for name, value in request.headers.items()}
