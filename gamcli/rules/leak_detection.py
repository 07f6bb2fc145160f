"""
Leaks: credentials in bytes that should hold none, found by their form and then by their checksum.

The bytes come in pieces of any size and are looked at once. Whatever stands around a credential does not matter:
quotes, `%3D` before it, letters behind it. What begins with the byte order mark of UTF-16 is read as that text too.
"""

import hashlib
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from gamcli.rules.credentials import KEY_ID_LENGTH, Secret, checksum

API_KEY, CLIENT_SECRET = "API key", "client secret"

FORMATS = {
    API_KEY: ("gamkey_", "[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"),
    CLIENT_SECRET: ("gamsec_", "[0-9A-Za-z]{46}"),
}
"""How each kind begins, and the expression for what follows."""

MAX_LENGTH = 54
"""So many letters has the longest kind."""

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of what Windows still writes."""

# One expression for both: with the letters that they begin with alike, `re` skips to them faster than two searches do.
_CREDENTIAL = re.compile(b"gam(?:key_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}|sec_[0-9A-Za-z]{46})")
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
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
        begin = len(FORMATS[API_KEY][0])
        return self.secret.reveal()[begin : begin + KEY_ID_LENGTH] if self.kind == API_KEY else None

    @property
    def fingerprint(self) -> str:
        """What tells one secret from another, and is not part of what the store keeps of it."""
        return hashlib.sha256(b"gamcli leak " + self.secret.digest()).hexdigest()[:16]


def may_contain_credential(data: bytes) -> bool:
    """Say whether something in `data` has the form of a credential: quick, and mostly no."""
    return _CREDENTIAL.search(data) is not None


def find_leaks(chunks: Iterable[bytes]) -> Iterator[Leak]:
    """Yield the credentials in bytes that come in pieces, wherever the borders of these lie."""
    rest, head = iter(chunks), b""
    for piece in rest:
        head += piece
        if len(head) > 1:
            break
    as_bytes, as_text = _StreamSearch(), _StreamSearch()
    # What begins like UTF-16 need not go on so: the mark may be chance, and lines of another kind be appended.
    text = getincrementaldecoder("utf-16")("replace") if head.startswith(UTF_16) else None
    for piece in chain((head,), rest):
        yield from as_bytes.feed(piece)
        if text is not None:
            yield from as_text.feed(text.decode(piece).encode())


class _StreamSearch:
    """Looks through bytes that come in pieces; keeps the end of one, where a credential may begin."""

    def __init__(self) -> None:
        self._position = _Position()
        self._tail = b""

    def feed(self, chunk: bytes) -> Iterator[Leak]:
        window, passed, place = self._tail + chunk, 0, self._position
        for kind, begin, end in _find_valid(window):
            place.advance(window[passed:begin])
            yield Leak(kind, Secret(window[begin:end].decode("ascii")), place.line, place.column)
            place.advance(window[begin:end])
            passed = end
        rest = max(passed, len(window) - MAX_LENGTH + 1)
        place.advance(window[passed:rest])
        self._tail = window[rest:]


def _find_valid(window: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the kind, the beginning and the end of each credential whose checksum is right."""
    found = _CREDENTIAL.search(window)
    while found:
        text = found[0].decode("ascii")
        is_sound = checksum(text[:-6]) == text[-6:]
        if is_sound:
            yield API_KEY if text.startswith(FORMATS[API_KEY][0]) else CLIENT_SECRET, found.start(), found.end()
        found = _CREDENTIAL.search(window, found.end() if is_sound else found.start() + 1)


class _Position:
    """Counts lines and, within the last one, letters."""

    __slots__ = ("column", "line")

    def __init__(self) -> None:
        self.line = 1
        self.column = 1

    def advance(self, data: bytes) -> None:
        """Move on to what follows `data`."""
        lines = data.count(b"\n")
        if lines:
            self.line += lines
            self.column = 1
        self.column += len(data[data.rfind(b"\n") + 1 :].translate(None, _CONTINUATION_BYTES))
