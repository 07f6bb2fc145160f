"""A row as bytes, and the bytes that come back: each over a connection of its own, no row depends on another."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

from gamcli.conformance.table import Question
from gamcli.conformance.worlds import World
from gamcli.errors import UsageError

PATIENCE = 15.0
"""How many seconds an answer may take; the contract has deadlines of ten."""

CLOSING = 3.0
"""How many seconds a server has to close after its last answer."""

LARGEST_ANSWER = 1024 * 1024

_KINDS: dict[str, Callable[..., HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; a `status` of 0 is none, and `trouble` says why. `closed` is only known when it was asked for."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    closed: bool | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask: scheme, address and base path of a server."""

    scheme: str
    host: str
    port: int | None
    base: str

    def ask(self, packets: list[bytes], method: str, *, to_the_end: bool = False) -> Answer:
        """Send the packets over a new connection and return the first answer, and whether it was the end."""
        with closing(_KINDS[self.scheme](self.host, self.port, timeout=PATIENCE)) as connection:
            try:
                connection.connect()
                _send(connection, packets)
                return _received(connection, method, to_the_end=to_the_end)
            except (OSError, HTTPException) as error:
                why = getattr(error, "strerror", None) or str(error)
                return Answer(trouble=f"{type(error).__name__}: {why}" if why else type(error).__name__)


def _send(connection: HTTPConnection, packets: list[bytes]) -> None:
    for packet in packets:
        try:
            connection.send(packet)
        except (BrokenPipeError, ConnectionResetError):  # it has answered already: what it said is read below
            return


def _received(connection: HTTPConnection, method: str, *, to_the_end: bool) -> Answer:
    # Not connection.getresponse(): that one wants to have written the request itself.
    response = HTTPResponse(connection.sock, method=method)
    response.begin()
    body = response.read(LARGEST_ANSWER)
    return Answer(response.status, _headers(response), body, _closes(connection) if to_the_end else None)


def _closes(connection: HTTPConnection) -> bool:
    connection.sock.settimeout(CLOSING)
    try:
        while connection.sock.recv(LARGEST_ANSWER):
            pass
    except TimeoutError:
        return False
    except OSError:  # reset: nothing comes any more
        pass
    return True


def _headers(response: HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def server(url: str) -> Server:
    """Return the server at `url`; raises UsageError."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.scheme in _KINDS and parts.port != 0
    except ValueError:
        sound, parts = False, SplitResult("", "", "", "", "")
    if not sound or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        raise UsageError("that is no address of a server", "such as https://example.com/myapp")
    return Server(parts.scheme, parts.hostname or "", parts.port, parts.path.rstrip("/"))


def packets(question: Question, world: World, holder: str, target: Server) -> list[bytes]:
    """Return the bytes that ask `question`; raises UnknownValueError when the world lacks a value."""
    values = world.having("server", {"base": target.base, "upper_base": target.base.upper(), "host": target.host})

    def filled(text: str) -> str:
        return values.filled(text, holder)

    if question.packets:
        return [filled(packet).encode("latin-1") for packet in question.packets]
    body = _body(question, filled)
    lines = [f"{question.method} {_target(question, filled)} HTTP/1.1"]
    lines += (f"{name}: {value}" for name, value in _fields(question, filled, body).items())
    return ["\r\n".join((*lines, "", "")).encode("latin-1") + body]


Fill = Callable[[str], str]


def _target(question: Question, filled: Fill) -> str:
    query = "&".join(_pairs(question.query, filled))
    return quote(filled(question.path), safe="/%?=&*.;+!~-_") + (f"?{query}" if query else "")


def _pairs(told: Mapping[str, Any], filled: Fill) -> Iterator[str]:
    for name, value in told.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{quote_plus(name)}={quote_plus(filled(each))}"


def _body(question: Question, filled: Fill) -> bytes:
    if question.body is not None:
        return filled(question.body).encode("latin-1")
    return "&".join(_pairs(question.form, filled)).encode("ascii")


def _fields(question: Question, filled: Fill, body: bytes) -> dict[str, str]:
    found = {"Host": filled("{server.host}")}
    if question.method not in ("GET", "HEAD", "OPTIONS") or body:
        found["Content-Length"] = str(len(body))
    if question.basic:
        halves = ":".join(quote_plus(filled(half)) for half in question.basic)
        found["Authorization"] = "Basic " + b64encode(halves.encode()).decode()
    return found | {name: filled(value) for name, value in question.headers.items()}
