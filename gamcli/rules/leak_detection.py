"""
Find leaked credentials in bytes, by their form and then by their checksum.

The bytes come in chunks of any size and are read once. The context of a credential does not matter: quotes, a preceding
`%3D`, letters after it. Encoded credentials are found too: see `encoded_credentials`. The encoding may change within a
file, so each credential is decoded where it begins.
"""

import hashlib
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from gamcli.model.credential_formats import API_KEY, API_KEY_PREFIX, CLIENT_SECRET, LENGTHS
from gamcli.model.findings import UNKNOWN, ScanFinding, ScanSource
from gamcli.rules.credential_marks import find_starts, may_contain_credential
from gamcli.rules.credentials import Secret, api_key_id, has_valid_checksum
from gamcli.rules.encoded_credentials import MAX_ENCODED_LENGTH, Candidate, CandidateDecoder

__all__ = ["MAX_LENGTH", "OVERLAP", "UTF_16", "Leak", "find_leaks", "may_contain_credential"]

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-16, which Windows programs still write."""

MAX_LENGTH = max(LENGTHS.values())

OVERLAP = 512
"""How many bytes of a chunk have to precede the next one, so that the beginning of every credential is seen whole."""

_MIN_DISTINCT = 5
"""A key that is cut short has as many different random characters; others are examples such as `xxxxxxxx`."""

_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
"""The bytes of UTF-8 that continue a character."""


class Leak(NamedTuple):
    """
    A credential with a valid checksum, or a key that is cut short.

    `line` and `column` are where it begins, both from 1. `length` is how many characters a cut key has, otherwise None.
    """

    kind: str
    secret: Secret
    line: int
    column: int
    length: int | None = None

    @property
    def id(self) -> str | None:
        """The ID of an API key, None for a client secret."""
        return api_key_id(self.secret.reveal()) if self.kind == API_KEY else None

    @property
    def fingerprint(self) -> str:
        """A short hash that identifies the secret, and is not part of what the store holds of it."""
        return hashlib.sha256(b"gamcli leak " + self.secret.digest()).hexdigest()[:16]


def build_finding(source: ScanSource, leak: Leak, status: str) -> ScanFinding:
    """Return the finding of a credential that is in no store: `foreign`, or `unknown` if none was checked."""
    return ScanFinding(
        source.file,
        leak.line,
        leak.column,
        source.commit,
        leak.kind,
        leak.id,
        status,
        None if status == UNKNOWN else False,
        user=None,
        app=None,
        last_used_at=None,
        fingerprint=leak.fingerprint,
        cut_short=leak.length is not None,
        length=leak.length,
    )


def find_leaks(chunks: Iterable[bytes]) -> Iterator[Leak]:
    """Yield the credentials in `chunks`, including those that span chunks, and those before an error in reading."""
    rest, head = iter(chunks), b""
    for piece in rest:
        head += piece
        if len(head) > 1:
            break
    search = _StreamSearch(is_utf_16=head.startswith(UTF_16))
    try:
        for piece in chain((head,), rest):
            yield from search.feed(piece)
    except Exception:
        yield from search.finish()
        raise
    yield from search.finish()


class _StreamSearch:
    """A search over chunks, which keeps the end of one where a credential may begin."""

    def __init__(self, *, is_utf_16: bool) -> None:
        self._position = _Position()
        self._text_position = _TextPosition() if is_utf_16 else None
        self._tail = b""
        self._searched = 0  # the part of the tail in which a credential was found already

    def feed(self, chunk: bytes) -> Iterator[Leak]:
        return self._search(self._tail + chunk, is_last=False)

    def finish(self) -> Iterator[Leak]:
        return self._search(self._tail, is_last=True)

    def _search(self, window: bytes, *, is_last: bool) -> Iterator[Leak]:
        done, moved = self._searched, 0
        keep_from = max(done, len(window) - OVERLAP)
        decoder = CandidateDecoder(window)
        for start, alignment in find_starts(window):
            if start < done:
                continue
            candidate = decoder.decode(start, alignment)
            is_whole = candidate is not None and _is_whole(candidate.text)
            if not is_whole and not is_last and start > len(window) - MAX_ENCODED_LENGTH:
                keep_from = min(keep_from, start)
                break  # the next chunk may complete it
            if candidate is not None and (is_whole or _is_cut_short(window, candidate)):
                yield self._build_leak(candidate, window[moved:start], is_whole=is_whole)
                moved, done = start, candidate.end
        keep_from = max(keep_from, moved)
        self._advance(window[moved:keep_from])
        self._tail, self._searched = window[keep_from:], max(0, done - keep_from)

    def _advance(self, data: bytes) -> None:
        self._position.advance(data)
        if self._text_position is not None:
            self._text_position.advance(data)

    def _build_leak(self, candidate: Candidate, before: bytes, *, is_whole: bool) -> Leak:
        self._advance(before)
        text = candidate.text
        position = self._text_position if candidate.is_wide and self._text_position else self._position
        column = position.column - (position.nuls if candidate.is_wide else 0)
        kind = API_KEY if text.startswith(API_KEY_PREFIX) else CLIENT_SECRET
        return Leak(kind, Secret(text), position.line, column, None if is_whole else len(text))


def _is_whole(text: str) -> bool:
    return len(text) in LENGTHS.values() and has_valid_checksum(text)


def _is_cut_short(window: bytes, candidate: Candidate) -> bool:
    """Return whether this is the beginning of an API key, and not an example or a key with a typo."""
    text = candidate.text
    random = text[len(API_KEY_PREFIX) + len(api_key_id(text)) + 1 :]
    is_cut = text.startswith(API_KEY_PREFIX) and len(text) < LENGTHS[API_KEY]
    return is_cut and len(set(random)) >= _MIN_DISTINCT and window[candidate.end : candidate.end + 1] != b"_"


class _Position:
    """Counts lines and, in the last line, characters and those among them that are NUL, as in UTF-16."""

    __slots__ = ("column", "line", "nuls")

    def __init__(self) -> None:
        self.line = self.column = 1
        self.nuls = 0

    def advance(self, data: bytes) -> None:
        lines = data.count(b"\n")
        if lines:
            self.line += lines
            self.column, self.nuls = 1, 0
        last = data[data.rfind(b"\n") + 1 :]
        self.column += len(last.translate(None, _CONTINUATION_BYTES))
        self.nuls += last.count(0)


class _TextPosition(_Position):
    """Counts the lines and characters of UTF-16 text, which begins with its byte order mark."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        super().__init__()
        self._decoder = getincrementaldecoder("utf-16")("replace")

    def advance(self, data: bytes) -> None:
        super().advance(self._decoder.decode(data).encode("utf-8", "surrogatepass"))
