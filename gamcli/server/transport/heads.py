"""
The heads of requests: the request line, the header fields, and how the body is framed. Pure and strict.

Where RFC 9112 allows a server to repair or to refuse a message, this one refuses: differences between two parsers are
what request smuggling exploits.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from gamcli.errors import RefusedError
from gamcli.server.transport.messages import unreadable_request

MAX_LINE = 8 * 1024
"""RFC 9112 §3 requires at least 8000 octets for the request line."""

MAX_FIELDS = 64
MAX_FIELDS_BYTES = 16 * 1024
MAX_BODY = 16 * 1024
MAX_LARGE_BODY = 1024 * 1024
"""The largest body at the paths that accept more than MAX_BODY."""

MaxBody = Callable[[str], int]
"""Returns the size of the largest body that a path accepts."""

MAX_CACHED_HEAD = 1024
"""Longer heads, in bytes, are not cached; a thousand entries take a few megabytes."""

NAME = r"!#$%&'*+.^_`|~0-9A-Za-z-"
"""The characters of a token (RFC 9110 §5.6.2), for a character class."""

# Refuses folded lines and a blank before the colon (RFC 9112 §5.1, §5.2).
_FIELD = re.compile(rf"([{NAME}]+):([\t\x20-\x7e\x80-\xff]*)")
_REQUEST_LINE = re.compile(rf"([{NAME}]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_AUTHORITY = re.compile(r"https?://[^/?]+", re.IGNORECASE)
_CAN_BEGIN = re.compile(rf"[{NAME}\r]".encode())
_BLANK_LINE = re.compile(rb"\n\r?\n")
_HOST = re.compile(r"[0-9A-Za-z._~!$&'()*+;=:%\[\]-]*")
_DIGITS = re.compile(r"[0-9]+")

_SINGLETON_FIELDS = frozenset(
    {"host", "content-length", "transfer-encoding", "content-type", "authorization", "expect"}
)
"""Fields that may not be repeated."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """
    The head of a request: fields by their names in lower case.

    `length` is that of the body in bytes, 0 if it `is_chunked`.
    """

    method: str
    path: str
    query: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    length: int
    is_chunked: bool
    keeps_alive: bool

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1)."""
        return self.has_body and "expect" in self.fields

    @property
    def has_body(self) -> bool:
        """Whether more than the head belongs to the request."""
        return self.length > 0 or self.is_chunked


def find_head_end(buffer: bytes) -> int | None:
    """Return the end of the head at the start of `buffer`, None when bytes are missing; raises RefusedError."""
    if buffer and not _CAN_BEGIN.match(buffer):
        raise unreadable_request("the first byte is not that of a request line")
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
    return build_head(method, (path, query), map(parse_field, lines[1:]), version)


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
    options = {option.strip(" \t") for option in fields.get("connection", "").lower().split(",")}
    keeps_alive = version > 0 and "close" not in options
    length, is_chunked = _body_framing(fields, version)
    return RequestHead(method, *target, MappingProxyType(fields), length, is_chunked, keeps_alive)


def _parse_request_line(line: str) -> tuple[str, str, str, int]:
    """Return method, path, query and minor version."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise unreadable_request("malformed request line")
    method, target, major, minor = match.groups()
    if major != "1":
        raise RefusedError("version_unknown", "the version is not HTTP/1.x")
    if method == "CONNECT":  # proxies read what follows it as a tunnel, not as requests (RFC 9110 §9.3.6)
        raise unreadable_request("the method is CONNECT, for proxies only")
    path, _, query = _origin_form(target).partition("?")
    return method, path, query, int(minor)


def _origin_form(target: str) -> str:
    """Return path and query of a target, which may be a URL (RFC 9112 §3.2.2)."""
    authority = _AUTHORITY.match(target)
    if authority is not None:
        rest = target[authority.end() :]
        return rest if rest.startswith("/") else f"/{rest}"
    if not target.startswith("/") and target != "*":
        raise unreadable_request("invalid request target")
    return target


def parse_field(line: str) -> tuple[str, str]:
    """Return name and value of a header field; raises RefusedError."""
    match = _FIELD.fullmatch(line)
    if match is None:
        raise unreadable_request("malformed header field")
    return match[1].lower(), match[2].strip(" \t")


def _collect_fields(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for count, (name, value) in enumerate(pairs, 1):
        if count > MAX_FIELDS:
            raise RefusedError("fields_too_many", "too many header fields")
        if name in fields:
            if name in _SINGLETON_FIELDS:
                raise unreadable_request(f"repeated field {name}")
            fields[name] += f", {value}"
        else:
            fields[name] = value
    return fields


def _body_framing(fields: Mapping[str, str], version: int) -> tuple[int, bool]:
    """Return the length of the body, and whether it is chunked (RFC 9112 §6.1, §6.3)."""
    coding = fields.get("transfer-encoding")
    if coding is None:
        return _body_length(fields.get("content-length", "0")), False
    if "content-length" in fields:
        raise unreadable_request("both Content-Length and Transfer-Encoding")
    if version == 0:
        raise unreadable_request("Transfer-Encoding in HTTP/1.0")
    if coding.lower() != "chunked":
        raise RefusedError("transfer_coding_unknown", "the transfer coding is not chunked")
    return 0, True


def _body_length(digits: str) -> int:
    if not _DIGITS.fullmatch(digits):
        raise unreadable_request("Content-Length is not a number")
    # Check the number of digits first: converting thousands of them is slow.
    significant = digits.lstrip("0") or "0"
    if len(significant) > len(str(MAX_LARGE_BODY)) or int(significant) > MAX_LARGE_BODY:
        return MAX_LARGE_BODY + 1
    return int(significant)


def default_max_body(_: str) -> int:
    return MAX_BODY


def body_too_large(limit: int = MAX_BODY) -> RefusedError:
    cause = "manifest" if limit == MAX_LARGE_BODY else "body"
    return RefusedError("body_too_large", f"the body is larger than {limit} bytes", cause=cause)
