"""HTTP messages: requests, responses, and the refusal of bytes that are neither."""

import json
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from gamcli.errors import RefusedError

REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
"""The statuses that the server sends (RFC 9110 §15, RFC 6585)."""


REQUEST_ID = re.compile(r"[0-9A-Za-z._:/+=@-]{1,128}")
"""The values of X-Request-Id that clients may choose; others are replaced."""


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


def partial_request(peer: str, fields: Mapping[str, str] = MappingProxyType({})) -> Request:
    """Return what is known of a request that was not received as a whole; it has no method, path or body."""
    return Request("", "", fields=fields, peer=peer)


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
    return Response(status, fields, text.encode())


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def unreadable_request(reason: str) -> RefusedError:
    """Return the refusal of an invalid request; `reason` must not quote its bytes, which may hold a secret."""
    return RefusedError("request_unreadable", reason, cause=reason)
