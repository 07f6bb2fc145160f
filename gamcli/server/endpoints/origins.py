"""
Pages of which origins may call the endpoints from a browser, and how browsers are told (Fetch standard, CORS protocol).

Pure. No cookie means anything here, so no origin is ever told that credentials are allowed: a page has to hold them.
"""

import re
from collections.abc import Iterable

from gamcli.errors import UsageError
from gamcli.server.transport.messages import Response

ANY_ORIGIN = "*"

MAX_AGE = 600
"""How many seconds a browser may remember what it was told."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\x00-\x20/?#@\x7f-\U0010ffff]+(?=[/?#]|\Z)")
_DEFAULT_PORT = re.compile(r"(?<=^http)://(.*):80\Z|(?<=^https)://(.*):443\Z")

Fields = tuple[tuple[str, str], ...]


def parse_origin(text: str) -> str:
    """Return the origin that `text` is, as browsers write it; raises UsageError with what may have been meant."""
    found = _ORIGIN.match(text.lower())
    if text != ANY_ORIGIN and (found is None or found.end() != len(text)):
        raise UsageError(
            f"no origin of a page: '{text}'", f"--cors-origin {found[0] if found else 'https://app.example.org'}"
        )
    return _DEFAULT_PORT.sub(lambda usual: f"://{usual[1] or usual[2]}", text.lower())


def allow_origin_fields(origins: Iterable[str], origin: str) -> Fields:
    """Return what tells the page of origin `sent` whether it may read the response; caches keep them apart."""
    told = ANY_ORIGIN if ANY_ORIGIN in origins else origin if origin.lower() in origins else ""
    return (*((("Access-Control-Allow-Origin", told),) if told else ()), ("Vary", "Origin"))


def preflight_response(methods: Iterable[str]) -> Response:
    """Return the answer to a browser that asks what a page may send to a path."""
    return Response(
        204,
        (
            ("Access-Control-Allow-Methods", ", ".join(methods)),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
            ("Access-Control-Max-Age", str(MAX_AGE)),
        ),
        b"",
    )
