"""Sends a request over a new connection and receives the response."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, quote_plus

from gamcli.clients.endpoint import CONNECTION_TYPES, describe_failure, parse_url
from gamcli.conformance.table import RequestSpec
from gamcli.conformance.worlds import World
from gamcli.errors import UsageError

TIMEOUT_SECONDS = 15.0
"""More than the ten seconds of the contract's deadlines."""

CLOSE_SECONDS = 3.0
"""How long a server may take to close the connection after its last response."""

MAX_RESPONSE_BYTES = 1024 * 1024

FillPlaceholders = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """A response; `status` is 0 when there was none, for the reason in `problem`. `closed` is None when not checked."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    closed: bool | None = None
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TargetServer:
    """The server to check."""

    scheme: str
    host: str
    port: int | None
    base_path: str
    close_seconds: float = CLOSE_SECONDS

    @classmethod
    def from_url(cls, url: str) -> "TargetServer":
        """Return the server at `url`; raises UsageError."""
        parts = parse_url(url)
        if parts is None:
            raise UsageError(f"invalid URL '{url}'", "use the URL of a server, such as https://example.com/myapp")
        return cls(parts.scheme, parts.hostname or "", parts.port, parts.path.rstrip("/"))

    def send(self, packets: list[bytes], method: str, *, wait_for_close: bool = False) -> ReceivedResponse:
        """Send the packets over a new connection and return the first response."""
        with closing(CONNECTION_TYPES[self.scheme](self.host, self.port, timeout=TIMEOUT_SECONDS)) as connection:
            try:
                connection.connect()
                _send_packets(connection, packets)
                # connection.getresponse() works only for requests that the connection has written itself.
                response = HTTPResponse(connection.sock, method=method)
                response.begin()
                body = response.read(MAX_RESPONSE_BYTES)
                closed = _closes_connection(connection, self.close_seconds) if wait_for_close else None
                return ReceivedResponse(response.status, _merge_headers(response), body, closed)
            except (OSError, HTTPException) as error:
                reason, hint = describe_failure(error, f"{self.scheme}://{self.host}")
                name = type(error).__name__
                return ReceivedResponse(problem=reason if reason.startswith(name) else f"{name}: {reason}", hint=hint)


def _send_packets(connection: HTTPConnection, packets: list[bytes]) -> None:
    for packet in packets:
        try:
            connection.send(packet)
        except (BrokenPipeError, ConnectionResetError):  # the server has responded early
            return


def _closes_connection(connection: HTTPConnection, seconds: float) -> bool:
    connection.sock.settimeout(seconds)
    try:
        while connection.sock.recv(MAX_RESPONSE_BYTES):
            pass
    except TimeoutError:
        return False
    except OSError:  # a reset closes the connection, too
        pass
    return True


def _merge_headers(response: HTTPResponse) -> dict[str, str]:
    """Return the header fields by lowercase name, repeated ones joined by commas."""
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def encode_request(request: RequestSpec, world: World, profile: str, server: TargetServer) -> list[bytes]:
    """Return the bytes of a request; raises UnknownValueError for a missing credential."""
    base_path = server.base_path
    values = world.with_values("server", {"base": base_path, "upper_base": base_path.upper(), "host": server.host})

    def fill(text: str) -> str:
        return values.fill(text, profile)

    if request.packets:
        return [fill(packet).encode("latin-1") for packet in request.packets]
    if request.body is not None:
        body = fill(request.body).encode("latin-1")
    else:
        body = _encode_pairs(request.form, fill).encode("ascii")
    query = _encode_pairs(request.query, fill)
    target = quote(fill(request.path), safe="/%?=&*.;+!~-_") + (f"?{query}" if query else "")
    lines = [f"{request.method} {target} HTTP/1.1"]
    lines += (f"{name}: {value}" for name, value in _request_headers(request, fill, body).items())
    return ["\r\n".join((*lines, "", "")).encode("latin-1") + body]


def _encode_pairs(parameters: Mapping[str, Any], fill: FillPlaceholders) -> str:
    def pairs() -> Iterator[str]:
        for name, value in parameters.items():
            for text in value if isinstance(value, list) else [value]:
                yield f"{quote_plus(name)}={quote_plus(fill(text))}"

    return "&".join(pairs())


def _request_headers(request: RequestSpec, fill: FillPlaceholders, body: bytes) -> dict[str, str]:
    headers = {"Host": fill("{server.host}")}
    if request.method not in ("GET", "HEAD", "OPTIONS") or body:
        headers["Content-Length"] = str(len(body))
    if request.basic:
        credentials = ":".join(quote_plus(fill(text)) for text in request.basic)
        headers["Authorization"] = "Basic " + b64encode(credentials.encode()).decode()
    return headers | {name: fill(value) for name, value in request.headers.items()}
