r"""
Decode credentials in bytes, from the places where they begin.

    UTF-16, UTF-32         in both byte orders and at any offset, since the characters are separated by NUL bytes
    base64                 in all three alignments, of ASCII and of UTF-16, also broken into lines and in UTF-16 text
    escapes                percent-encoding, \\u005f, \\x5f, \\u{5f}, \\137 (octal), \\5f (CSS), HTML entities,
                           quoted-printable, a backslash before `_`
    folded lines           a backslash at the end of a line, and the indentation of the next one

Escapes, base64 and folded lines are decoded in UTF-16 and UTF-32 as well.

The work per byte is limited for any input: text is decoded only after one expression has seen that it has the form of a
credential, and NUL bytes, line breaks and base64 are removed or decoded once for all credentials that may begin there.
"""

import base64
import re
from functools import cache
from typing import NamedTuple

from gamcli.model.credential_formats import (
    API_KEY,
    API_KEY_PREFIX,
    CHECKSUM_LENGTH,
    CLIENT_SECRET,
    CLIENT_SECRET_PREFIX,
    CLIENT_SECRET_RANDOM_LENGTH,
    FORMATS,
    KEY_ID_LENGTH,
    KEY_RANDOM_LENGTH,
)

MIN_CUT_SHORT = 8
"""A key that is cut short has at least this many of its random characters; fewer are a masked key or an example."""

MAX_ENCODED_LENGTH = 4096
"""A longer encoding of one credential is not found."""

compile_once = cache(re.compile)
"""Compiles on first use: most files need none of these expressions, and start-up should not wait for them."""

PREFIXES = (API_KEY_PREFIX.encode(), CLIENT_SECRET_PREFIX.encode())
BLANK = rb"(?:\r\n|[\x20\t\r\n\f])"
"""What may end an escape of CSS."""

_IGNORED = rb"\\\r?\n[ \t]{0,100}|=\r?\n|\\{1,4}(?=_)"
"""Folds and the backslash of Markdown: what may precede a character and is not part of it."""


def _escapes(hexadecimal: bytes, decimal: bytes, octal: bytes) -> bytes:
    """Return an expression of the escapes of the characters that have these numbers."""
    expressions = (
        rb"(?:%%(?:25){0,3}|=|\\{1,4}(?:u00|U000000|x))%b" % hexadecimal,
        rb"\\{1,4}[ux]\{0{0,4}%b\}" % hexadecimal,
        rb"&#[xX]0{0,4}%b;" % hexadecimal,
        rb"&#0{0,4}%b;" % decimal,
        rb"\\{1,4}0000%b%b?" % (hexadecimal, BLANK),
        rb"\\{1,4}0?%b" % octal,
        rb"\\{1,4}%b%b" % (hexadecimal, BLANK),
    )
    return b"|".join(expressions)


_BASES = (16, 16, 16, 10, 16, 8, 16)
"""Of the number in each kind of escape."""

_ENCODED = _escapes(rb"([0-9A-Fa-f]{2})", rb"([0-9]{2}|1[0-9]{2})", rb"([01][0-7]{2})") + b"|" + _IGNORED


def _encoded(plain: bytes, escapes: bytes) -> bytes:
    """Return an expression of a character; it is atomic, since there is one way to read an escape."""
    return rb"(?>%b|(?:%b){0,2}(?:%b|%b))" % (plain, _IGNORED, plain, escapes)


def encode_text(text: str) -> bytes:
    """Return an expression of `text`, in which each letter may be escaped."""
    codes = [
        (letter.encode(), rb"(?i:%02x)" % ord(letter), b"%d" % ord(letter), b"%03o" % ord(letter)) for letter in text
    ]
    return b"".join(_encoded(letter, _escapes(*numbers)) for letter, *numbers in codes)


def _build_candidate() -> bytes:
    """Return an expression of the encoded form of a credential or of a key that is cut short."""
    numbers = (
        rb"(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])",
        rb"(?:4[89]|5[0-7]|6[5-9]|[78][0-9]|9[07-9]|1[01][0-9]|12[0-2])",
        rb"(?:06[0-7]|07[01]|1[04][1-7]|1[1256][0-7]|1[37][0-2])",
    )
    letter = _encoded(rb"[0-9A-Za-z]", _escapes(*numbers))
    key, secret, begin = encode_text("key_"), encode_text("sec_"), encode_text("gam")
    lengths = (KEY_ID_LENGTH, encode_text("_"), letter, MIN_CUT_SHORT, KEY_RANDOM_LENGTH + CHECKSUM_LENGTH)
    return rb"%b(?:%b%b{%d}%b%b{%d,%d}+" % (begin, key, letter, *lengths) + rb"|%b%b{%d})" % (
        secret, letter, CLIENT_SECRET_RANDOM_LENGTH + CHECKSUM_LENGTH,
    )  # fmt: skip


_CANDIDATE = _build_candidate()

_UNENCODED = "|".join(prefix + rest for prefix, rest in (FORMATS[API_KEY], FORMATS[CLIENT_SECRET])).encode()

_LINE_BREAK = rb"(?:(?:\\r)?\\n|\\?\r?\n)[ \t]{0,100}"
SKIPPED = (0, 2, 3)
"""By alignment, the characters of the first group that also depend on the bytes before."""

_BASE64_RUN = rb"[0-9A-Za-z+/_-]+"
_BASE64_WINDOW = 480
"""How many bytes that are encoded in base64 may encode a credential, such as one in UTF-16 with escapes."""
_BASE64_RUN_LENGTH = 1 << 13
"""How much of a long run is decoded at once."""
_STANDARD = bytes.maketrans(b"-_", b"+/")


class Candidate(NamedTuple):
    """The text of what may be a credential, or of a key that is cut short, and where its encoding starts and ends."""

    text: str
    start: int
    end: int
    is_wide: bool


class _Base64Decoder:
    """Decodes the runs of base64 in `data`: each once per offset modulo four, however many needles it contains."""

    def __init__(self, data: bytes) -> None:
        self._text = compile_once(_LINE_BREAK).sub(b"", data)
        self._breaks = compile_once(_LINE_BREAK).finditer(data)
        self._next_break = next(self._breaks, None)
        self._removed = 0
        self._begin = self._end = 0
        self._run = b""
        self._decoded: dict[int, bytes] = {}

    def decode(self, start: int, alignment: int) -> tuple[str, int] | None:
        """Return the text of the candidate in the base64 that begins at `start`, and how many characters encode it."""
        while self._next_break and self._next_break.end() <= start:
            self._removed += len(self._next_break[0])
            self._next_break = next(self._breaks, None)
        at = start - self._removed
        if at >= self._end:
            self._read_run(at)
        skipped = SKIPPED[alignment]
        padding = (self._begin - at + skipped) % 4
        if padding not in self._decoded:
            text = b"A" * padding + self._run
            text = text[: len(text) - (len(text) % 4 == 1)]
            self._decoded[padding] = base64.b64decode(text + b"=" * (-len(text) % 4))
        first = (at - skipped - self._begin + padding) // 4 * 3 + alignment
        # the bytes before share a character with the first letter, which is known
        decoded = b"g" + self._decoded[padding][first + 1 : first + _BASE64_WINDOW]
        candidate = CandidateDecoder(decoded).decode(0, None)
        return candidate and (candidate.text, (alignment + candidate.end) * 4 // 3 - skipped)

    def _read_run(self, at: int) -> None:
        match = compile_once(_BASE64_RUN).match(self._text, at, at + _BASE64_RUN_LENGTH)
        self._run = match[0].translate(_STANDARD) if match else b""
        is_whole = len(self._run) < _BASE64_RUN_LENGTH
        self._begin, self._end = at, at + len(self._run) - (0 if is_whole else 2 * _BASE64_WINDOW)
        self._decoded.clear()


class CandidateDecoder:
    """Decodes candidates in `data`, in the order in which they begin."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._narrow: bytes | None = None
        self._counted = self._nuls = 0
        self._base64: dict[bool, _Base64Decoder] = {}

    def decode(self, start: int, alignment: int | None) -> Candidate | None:
        """Return the candidate that begins at `start`, or None if what follows has not the form of a credential."""
        following = self._data[start + 1 : start + 4]
        width = 1 + len(following) - len(following.lstrip(b"\0"))
        is_wide, data, at = width > 1, self._data, start
        if is_wide:
            self._narrow = self._narrow or data.replace(b"\0", b"")
            self._nuls += data.count(0, self._counted, start)
            self._counted = start
            data, at = self._narrow, start - self._nuls
        if alignment is None:
            found = _decode_characters(data, at, MAX_ENCODED_LENGTH // width)
        else:
            if is_wide not in self._base64:
                self._base64[is_wide] = _Base64Decoder(data)
            found = self._base64[is_wide].decode(at, alignment)
        return found and Candidate(found[0], start, start + found[1] * width, is_wide=is_wide)


def _decode_characters(data: bytes, start: int, length: int) -> tuple[str, int] | None:
    """Return the text of the candidate that begins at `start`, and how many bytes encode it."""
    match = compile_once(_UNENCODED).match(data, start) or compile_once(_CANDIDATE).match(data, start, start + length)
    return match and (compile_once(_ENCODED).sub(_decode_escape, match[0]).decode("ascii"), match.end() - start)


def _decode_escape(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[match.lastindex], _BASES[match.lastindex - 1]),)) if match.lastindex else b""
