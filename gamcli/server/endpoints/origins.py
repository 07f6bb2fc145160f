"""
Which origins may call the endpoints from a browser: the CORS protocol of the Fetch standard.

The endpoints use no cookies, so Access-Control-Allow-Credentials is never sent.
"""

import re
from collections.abc import Iterable

from gamcli.errors import UsageError
from gamcli.server.transport.messages import Response

ANY_ORIGIN = "*"

MAX_AGE = 600
"""How long browsers may cache a preflight response, in seconds."""

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
    return (*((("Access-Control-Allow-Origin", allowed),) if allowed else ()), ("Vary", "Origin"))


def preflight_response(methods: str) -> Response:
    return Response(
        204,
        (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
            ("Access-Control-Max-Age", str(MAX_AGE)),
        ),
        b"",
    )
