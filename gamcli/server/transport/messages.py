"""
HTTP messages: requests, responses, and a strict parser.

Pure: bytes come in, a request or a refusal comes out. Where RFC 9112 allows a server to repair or to refuse a message,
this one refuses: differences between two parsers are what request smuggling exploits.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from gamcli.errors import RefusedError

MAX_LINE = 8 * 1024
"""RFC 9112 §3 requires at least 8000 octets for the request line."""

MAX_FIELDS = 64
MAX_FIELDS_BYTES = 16 * 1024
MAX_BODY = 16 * 1024

MAX_EMPTY_LINE_BYTES = 8
"""At most this many bytes of empty lines are skipped before a request."""

MAX_CACHED_HEAD = 1024
"""Longer heads, in bytes, are not cached; a thousand entries take a few megabytes."""

_NAME = r"!#$%&'*+.^_`|~0-9A-Za-z-"
# Refuses folded lines and a blank before the colon (RFC 9112 §5.1, §5.2).
_FIELD = re.compile(rf"([{_NAME}]+):([\t\x20-\x7e\x80-\xff]*)")
_REQUEST_LINE = re.compile(rf"([{_NAME}]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_AUTHORITY = re.compile(r"https?://[^/?]+", re.IGNORECASE)
_CAN_BEGIN = re.compile(rf"[{_NAME}\r]".encode())
_BLANK_LINE = re.compile(rb"\n\r?\n")
_HOST = re.compile(r"[0-9A-Za-z._~!$&'()*+;=:%\[\]-]*")
_DIGITS = re.compile(r"[0-9]+")

_SINGLETON_FIELDS = frozenset({"host", "content-length", "content-type", "authorization", "expect"})
"""Fields that may not be repeated."""

REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
"""The statuses that the server sends (RFC 9110 §15, RFC 6585)."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a request: fields by their names in lower case, and the `length` of the body in bytes."""

    method: str
    path: str
    query: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    length: int
    keeps_alive: bool

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1)."""
        return self.length > 0 and "expect" in self.fields


class Request(NamedTuple):
    """A whole request; its repr leaves out what may hold a secret."""

    method: str
    path: str
    query: str = ""
    fields: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    peer: str = ""
    keeps_alive: bool = True

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.path!r}, peer={self.peer!r}, keeps_alive={self.keeps_alive!r})"


class Response(NamedTuple):
    """A response; the connection adds Date, Content-Length and Connection."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status!r}, {self.fields!r})"

    def with_fields(self, fields: tuple[tuple[str, str], ...]) -> "Response":
        return Response(self.status, (*self.fields, *fields), self.body)


_JSON_FIELDS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache"))


def json_response(status: int, value: object, extra: Iterable[tuple[str, str]] = ()) -> Response:
    """Return a JSON response that may not be cached (RFC 6749 §5.1)."""
    return json_text_response(status, _json(value), (*_JSON_FIELDS, *extra))


def json_text_response(status: int, text: str, fields: tuple[tuple[str, str], ...] = _JSON_FIELDS) -> Response:
    """Return a response with JSON text."""
    return Response(status, fields, text.encode())


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RequestParser:
    """Parses the bytes of one connection into requests."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._buffer = b""
        self._head: RequestHead | None = None
        self._sent_continue = False
        self._skippable_bytes = MAX_EMPTY_LINE_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether no part of a request was received; empty lines do not count."""
        return self._buffer in (b"", b"\r") and self._head is None

    def needs_continue(self) -> bool:
        """Say, once per request, whether to send `100 Continue` now."""
        needs = self._head is not None and self._head.expects_continue and not self._buffer and not self._sent_continue
        self._sent_continue = self._sent_continue or needs
        return needs

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._skip_empty_lines()

    def next_request(self) -> Request | None:
        """Return the next request, None when bytes are missing; raises RefusedError."""
        head = self._head or self._next_head()
        if head is None or len(self._buffer) < head.length:
            self._head = head
            return None
        self._head, self._sent_continue = None, False
        body, self._buffer = self._buffer[: head.length], self._buffer[head.length :]
        self._skippable_bytes = MAX_EMPTY_LINE_BYTES
        self._skip_empty_lines()
        return Request(head.method, head.path, head.query, head.fields, body, self._peer, head.keeps_alive)

    def _skip_empty_lines(self) -> None:
        """Skip a few empty lines before a request: old clients send one after a body (RFC 9112 §2.2)."""
        while self._head is None and self._skippable_bytes > 0 and self._buffer.startswith(b"\r\n"):
            self._buffer = self._buffer[2:]
            self._skippable_bytes -= 2

    def _next_head(self) -> RequestHead | None:
        if self._buffer.startswith(b"\r\n"):
            raise unreadable_request("too many empty lines")
        end = find_head_end(self._buffer)
        if end is None:
            return None
        raw, self._buffer = self._buffer[:end], self._buffer[end:]
        return parse_head(raw)


def find_head_end(buffer: bytes) -> int | None:
    """Return the end of the head at the start of `buffer`, None when bytes are missing; raises RefusedError."""
    if buffer and not _CAN_BEGIN.match(buffer):
        raise unreadable_request("the first byte is not HTTP")
    line = buffer.find(b"\n", 0, MAX_LINE + 2)
    if line < 0:
        if len(buffer) >= MAX_LINE + 2:
            raise RefusedError("request_line_too_long", "the request line is too long")
        return None
    limit = line + MAX_FIELDS_BYTES + 3
    blank = _BLANK_LINE.search(buffer, line, limit)
    if blank is not None:
        return blank.end()
    _parse_request_line(buffer[: line + 1].decode("latin-1").removesuffix("\r\n"))
    if len(buffer) >= limit:
        raise RefusedError("fields_too_large", "the header fields are too large")
    return None


def parse_head(raw: bytes) -> RequestHead:
    """Parse a head, including the empty line; raises no other error than RefusedError."""
    return _cached_head(raw) if len(raw) <= MAX_CACHED_HEAD else _parse_head(raw)


def _parse_head(raw: bytes) -> RequestHead:
    lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, path, query, version = _parse_request_line(lines[0])
    return build_head(method, (path, query), map(_parse_field, lines[1:]), version)


_cached_head = lru_cache(maxsize=1024)(_parse_head)  # the heads of a client are mostly the same


def build_head(method: str, target: tuple[str, str], pairs: Iterable[tuple[str, str]], version: int) -> RequestHead:
    """
    Return the head with these parts, also for the ASGI application; raises RefusedError.

    `target` is the path and the query, `pairs` the fields with names in lower case, `version` the minor version.
    """
    fields = _collect_fields(pairs)
    if (version > 0 and "host" not in fields) or not _HOST.fullmatch(fields.get("host", "")):  # RFC 9112 §3.2
        raise unreadable_request("missing or invalid Host")
    if version == 0:  # RFC 9110 §10.1.1: HTTP/1.0 has no 100, and a proxy would take it for the response
        fields.pop("expect", None)
    if fields.get("expect", "100-continue").lower() != "100-continue":
        raise RefusedError("expectation_unknown", "the expectation is not 100-continue")
    keeps_alive = version > 0 and "close" not in fields.get("connection", "").lower()
    return RequestHead(method, *target, MappingProxyType(fields), _body_length(fields), keeps_alive)


def _parse_request_line(line: str) -> tuple[str, str, str, int]:
    """Return method, path, query and minor version."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise unreadable_request("the request line is not HTTP")
    method, target, major, minor = match.groups()
    if major != "1":
        raise RefusedError("version_unknown", "the version is not HTTP/1.x")
    path, _, query = _origin_form(target).partition("?")
    return method, path, query, int(minor)


def _origin_form(target: str) -> str:
    """Return path and query of a target, which may be a URL (RFC 9112 §3.2.2)."""
    authority = _AUTHORITY.match(target)
    if authority is not None:
        rest = target[authority.end() :]
        return rest if rest.startswith("/") else f"/{rest}"
    if not target.startswith("/") and target != "*":
        raise unreadable_request("the target is neither a path nor a URL")
    return target


def _parse_field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise unreadable_request("a header field is not HTTP")
    return match[1].lower(), match[2].strip(" \t")


def _collect_fields(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for count, (name, value) in enumerate(pairs, 1):
        if count > MAX_FIELDS:
            raise RefusedError("fields_too_large", "too many header fields")
        if name in fields:
            if name in _SINGLETON_FIELDS:
                raise unreadable_request(f"repeated field {name}")
            fields[name] += f", {value}"
        else:
            fields[name] = value
    return fields


def _body_length(fields: Mapping[str, str]) -> int:
    if "transfer-encoding" in fields:
        raise RefusedError("length_missing", "Transfer-Encoding instead of Content-Length")
    digits = fields.get("content-length", "0")
    if not _DIGITS.fullmatch(digits):
        raise unreadable_request("Content-Length is not a number")
    # Check the number of digits first: converting thousands of them is slow.
    significant = digits.lstrip("0") or "0"
    if len(significant) > len(str(MAX_BODY)) or int(significant) > MAX_BODY:
        raise RefusedError("body_too_large", "the body is too large")
    return int(significant)


def unreadable_request(reason: str) -> RefusedError:
    """Return the refusal of an invalid request; `reason` must not quote its bytes, which may hold a secret."""
    return RefusedError("request_unreadable", reason)
