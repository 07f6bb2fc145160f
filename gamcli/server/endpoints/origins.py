"""
Which origins may call the endpoints from a browser: the CORS protocol of the Fetch standard.

Pages of a named origin may send credentials; those of any origin (`*`) may not. The endpoints set no cookies.
"""

import re
from collections.abc import Iterable

from gamcli.errors import UsageError
from gamcli.server.transport.messages import Response

ANY_ORIGIN = "*"

MAX_AGE = 600
"""How long browsers may cache a preflight response, in seconds."""

EXPOSED = "Retry-After, WWW-Authenticate, X-Request-Id"
"""The header fields of responses that pages may read, besides those that the Fetch standard lists."""

_ALLOWED = ("Authorization", "Content-Type")
"""The header fields of requests that are always allowed."""

MAX_REQUESTED = 32
MAX_REQUESTED_BYTES = 1024
"""More requested header fields, or longer ones in total, are not allowed."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\x00-\x20/?#@\x7f-\U0010ffff]+(?=[/?#]|\Z)")
_DEFAULT_PORT = re.compile(r"(?<=^http)://(.*):80\Z|(?<=^https)://(.*):443\Z")

Fields = tuple[tuple[str, str], ...]


def parse_origin(text: str) -> str:
    """Return the origin as browsers send it; raises UsageError with a suggestion."""
    match = _ORIGIN.match(text.lower())
    if text != ANY_ORIGIN and (match is None or match.end() != len(text)):
        raise UsageError(
            f"invalid origin '{text}'", f"--cors-origin {match[0] if match else 'https://app.example.org'}"
        )
    return _DEFAULT_PORT.sub(lambda default: f"://{default[1] or default[2]}", text.lower())


def allow_origin_fields(origins: Iterable[str], origin: str) -> Fields:
    """Return the header fields that show whether a page of `origin` may read the response."""
    allowed = ANY_ORIGIN if ANY_ORIGIN in origins else origin if origin.lower() in origins else ""
    if not allowed:
        return (("Vary", "Origin"),)
    credentials = () if allowed == ANY_ORIGIN else (("Access-Control-Allow-Credentials", "true"),)
    exposed = ("Access-Control-Expose-Headers", EXPOSED)
    return (("Access-Control-Allow-Origin", allowed), *credentials, exposed, ("Vary", "Origin"))


def _allowed_headers(requested: str) -> str:
    """Return the names that requests may have: those that are always allowed, and the requested ones."""
    names = [name for text in requested.split(",") if (name := text.strip(" \t"))]
    is_allowed = len(names) <= MAX_REQUESTED and len(requested) <= MAX_REQUESTED_BYTES
    is_allowed = is_allowed and all(map(_NAME.fullmatch, names))
    known = {name.lower() for name in _ALLOWED}
    return ", ".join([*_ALLOWED, *(name for name in names if name.lower() not in known)] if is_allowed else _ALLOWED)


def preflight_response(methods: str, requested_headers: str) -> Response:
    return Response(
        204,
        (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _allowed_headers(requested_headers)),
            ("Access-Control-Max-Age", str(MAX_AGE)),
        ),
        b"",
    )
