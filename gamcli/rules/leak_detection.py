"""
Find leaked credentials in bytes, by their form and then by their checksum.

The bytes come in chunks of any size and are read once. The context of a credential does not matter: quotes, a preceding
`%3D`, letters after it. Bytes that begin with the byte order mark of UTF-16 are searched as UTF-16 too.
"""

import hashlib
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from gamcli.model.credential_formats import API_KEY, API_KEY_PREFIX, CLIENT_SECRET, FORMATS, LENGTHS
from gamcli.rules.credentials import Secret, api_key_id, has_valid_checksum

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-16, which Windows programs still write."""

MAX_LENGTH = max(LENGTHS.values())

_COMMON_PREFIX = "gam"
# One expression for all kinds: `re` skips to their common prefix faster than one search per kind.
_ALTERNATIVES = "|".join(prefix.removeprefix(_COMMON_PREFIX) + rest for prefix, rest in FORMATS.values())
_CREDENTIAL = re.compile(f"{_COMMON_PREFIX}(?:{_ALTERNATIVES})".encode())
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
"""The bytes of UTF-8 that continue a character."""


class Leak(NamedTuple):
    """A credential with a valid checksum, and the line and column where it begins, both from 1."""

    kind: str
    secret: Secret
    line: int
    column: int

    @property
    def id(self) -> str | None:
        """The ID of an API key, None for a client secret."""
        return api_key_id(self.secret.reveal()) if self.kind == API_KEY else None

    @property
    def fingerprint(self) -> str:
        """A short hash that identifies the secret, and is not part of what the store holds of it."""
        return hashlib.sha256(b"gamcli leak " + self.secret.digest()).hexdigest()[:16]


def may_contain_credential(data: bytes) -> bool:
    """Return quickly whether something in `data` has the form of a credential."""
    return _CREDENTIAL.search(data) is not None


def find_leaks(chunks: Iterable[bytes]) -> Iterator[Leak]:
    """Yield the credentials in `chunks`, including those that span chunks."""
    rest, head = iter(chunks), b""
    for piece in rest:
        head += piece
        if len(head) > 1:
            break
    as_bytes, as_text = _StreamSearch(), _StreamSearch()
    # Search the bytes too: the mark may be accidental, or lines in another encoding may have been appended.
    text = getincrementaldecoder("utf-16")("replace") if head.startswith(UTF_16) else None
    for piece in chain((head,), rest):
        yield from as_bytes.feed(piece)
        if text is not None:
            yield from as_text.feed(text.decode(piece).encode())


class _StreamSearch:
    """A search over chunks, which keeps the end of one where a credential may begin."""

    def __init__(self) -> None:
        self._position = _Position()
        self._tail = b""

    def feed(self, chunk: bytes) -> Iterator[Leak]:
        window, done, position = self._tail + chunk, 0, self._position
        for kind, start, end in _find_valid(window):
            position.advance(window[done:start])
            yield Leak(kind, Secret(window[start:end].decode("ascii")), position.line, position.column)
            position.advance(window[start:end])
            done = end
        keep_from = max(done, len(window) - MAX_LENGTH + 1)
        position.advance(window[done:keep_from])
        self._tail = window[keep_from:]


def _find_valid(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the kind, start and end of each credential with a valid checksum."""
    match = _CREDENTIAL.search(data)
    while match:
        text = match[0].decode("ascii")
        is_valid = has_valid_checksum(text)
        if is_valid:
            yield API_KEY if text.startswith(API_KEY_PREFIX) else CLIENT_SECRET, match.start(), match.end()
        match = _CREDENTIAL.search(data, match.end() if is_valid else match.start() + 1)


class _Position:
    """Counts lines and, in the last line, characters."""

    __slots__ = ("column", "line")

    def __init__(self) -> None:
        self.line = 1
        self.column = 1

    def advance(self, data: bytes) -> None:
        """Move past `data`."""
        lines = data.count(b"\n")
        if lines:
            self.line += lines
            self.column = 1
        self.column += len(data[data.rfind(b"\n") + 1 :].translate(None, _CONTINUATION_BYTES))
