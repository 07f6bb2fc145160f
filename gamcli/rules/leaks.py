"""
Leaks: credentials in bytes that should hold none, found by their form and then by their checksum.

The bytes come in pieces of any size and are looked at once. Whatever stands around a credential does not matter:
quotes, `%3D` before it, letters behind it. UTF-16 with its byte order mark is read as the text that it is.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from gamcli.rules.credentials import KEY_ID_LENGTH, Secret, checksum

API_KEY, CLIENT_SECRET = "API key", "client secret"

FORMS = {
    API_KEY: ("gamkey_", "[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"),
    CLIENT_SECRET: ("gamsec_", "[0-9A-Za-z]{46}"),
}
"""How each kind begins, and the expression for what follows."""

LONGEST = 54
"""So many letters has the longest kind."""

UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
"""The encodings that a byte order mark tells, and that Windows still writes."""

# One expression for both: with the letters that they begin with alike, `re` skips to them faster than two searches do.
_FORM = re.compile(b"gam(?:key_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}|sec_[0-9A-Za-z]{46})")
_INNER_BYTES = bytes(range(0x80, 0xC0))
"""The bytes of UTF-8 that do not begin a letter."""


class Leak(NamedTuple):
    """A credential with a right checksum, and the line and column of its first letter, both from 1."""

    kind: str
    secret: Secret
    line: int
    column: int

    @property
    def id(self) -> str | None:
        """The id of an API key; a client secret has none."""
        begin = len(FORMS[API_KEY][0])
        return self.secret.reveal()[begin : begin + KEY_ID_LENGTH] if self.kind == API_KEY else None

    @property
    def fingerprint(self) -> str:
        """What tells one secret from another, and is not part of what the store keeps of it."""
        return hashlib.sha256(b"gamcli leak " + self.secret.digest()).hexdigest()[:16]


def may_hold(data: bytes) -> bool:
    """Say whether something in `data` has the form of a credential: quick, and mostly no."""
    return _FORM.search(data) is not None


def search(pieces: Iterable[bytes]) -> Iterator[Leak]:
    """Yield the credentials in bytes that come in pieces, wherever the borders of these lie."""
    place, kept = _Place(), b""
    for piece in _as_text(pieces):
        window, passed = kept + piece, 0
        for kind, begin, end in _sound(window):
            place.pass_over(window[passed:begin])
            yield Leak(kind, Secret(window[begin:end].decode("ascii")), place.line, place.column)
            place.pass_over(window[begin:end])
            passed = end
        rest = max(passed, len(window) - LONGEST + 1)
        place.pass_over(window[passed:rest])
        kept = window[rest:]


def _sound(window: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the kind, the beginning and the end of each credential whose checksum is right."""
    found = _FORM.search(window)
    while found:
        text = found[0].decode("ascii")
        is_sound = checksum(text[:-6]) == text[-6:]
        if is_sound:
            yield API_KEY if text.startswith(FORMS[API_KEY][0]) else CLIENT_SECRET, found.start(), found.end()
        found = _FORM.search(window, found.end() if is_sound else found.start() + 1)


def _as_text(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces as they are, or as UTF-8 when they begin with the mark of UTF-16."""
    rest, head = iter(pieces), b""
    for piece in rest:
        head += piece
        if len(head) > 1:
            break
    encoding = UTF_16.get(head[:2])
    if encoding is None:
        yield from chain((head,), rest)
        return
    odd = b""
    for piece in chain((head[2:],), rest):
        data = odd + piece
        whole = len(data) // 2 * 2
        yield data[:whole].decode(encoding, "replace").encode()
        odd = data[whole:]


class _Place:
    """Counts lines and, within the last one, letters."""

    __slots__ = ("column", "line")

    def __init__(self) -> None:
        self.line = 1
        self.column = 1

    def pass_over(self, data: bytes) -> None:
        """Move on to what follows `data`."""
        lines = data.count(b"\n")
        if lines:
            self.line += lines
            self.column = 1
        self.column += len(data[data.rfind(b"\n") + 1 :].translate(None, _INNER_BYTES))
