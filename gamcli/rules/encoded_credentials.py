r"""
Find where credentials begin in bytes, also in encoded ones, and decode them.

    UTF-16, UTF-32         in both byte orders and at any offset, since the characters are separated by NUL bytes
    base64                 in all three alignments, of ASCII and of UTF-16, also broken into lines and in UTF-16 text
    escapes                percent-encoding, \\u005f and \\x5f, HTML entities, quoted-printable, a backslash before `_`
    folded lines           a backslash at the end of a line, and the indentation of the next one

A first search finds places where a credential may begin, and must be fast: an expression that begins with one literal
byte is searched for five times as fast as one that begins with any of several.
"""

import base64
import re
from collections.abc import Iterator
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

MAX_ENCODED_LENGTH = 2048
"""A longer encoding of one credential is not found."""

_compile = cache(re.compile)
"""Compiles on first use: most files need none of these expressions, and start-up should not wait for them."""

_PREFIXES = (API_KEY_PREFIX.encode(), CLIENT_SECRET_PREFIX.encode())
_BASE62_HEX = rb"(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])"
_BASE62_DECIMAL = rb"(?:4[89]|5[0-7]|6[5-9]|[78][0-9]|90|9[7-9]|1[01][0-9]|12[0-2])"
_FOLD = rb"(?:\\\0?(?:\r\0?)?\n\0?(?:[ \t]\0?){0,100}|=\r?\n)"
_GAP = rb"\0{0,3}" + _FOLD + rb"?"


def _escapes(hexadecimal: bytes, decimal: bytes) -> bytes:
    """Return an expression of the escapes of characters with these codes."""
    return (
        rb"(?:%(?:25){0,3}|\\{1,4}(?:u00|U000000|x)|=)"
        + hexadecimal
        + rb"|&#(?:[xX]"
        + hexadecimal
        + rb"|"
        + decimal
        + rb");"
    )


def _flexible(text: bytes) -> bytes:
    """Return an expression of `text` in which each character may be escaped and followed by a gap."""
    units = (rb"(?:\\{0,4}%b|%b)" % (bytes([c]), _escapes(b"(?i:%02x)" % c, b"%d" % c)) + _GAP for c in text)
    return b"".join(units)


_LETTER = rb"(?:[0-9A-Za-z]|" + _escapes(_BASE62_HEX, _BASE62_DECIMAL) + rb")"


def _letters(minimum: int, maximum: int) -> bytes:
    """Return an expression of that many base62 letters."""
    return rb"(?:" + _LETTER + _GAP + rb"){%d,%d}" % (minimum - 1, maximum - 1) + _LETTER


_KEY = (
    _flexible(API_KEY_PREFIX.encode())
    + _letters(KEY_ID_LENGTH, KEY_ID_LENGTH)
    + _GAP
    + _flexible(b"_")
    + _letters(MIN_CUT_SHORT, KEY_RANDOM_LENGTH + CHECKSUM_LENGTH)
)
_SECRET_LENGTH = CLIENT_SECRET_RANDOM_LENGTH + CHECKSUM_LENGTH
_CLIENT_SECRET = _flexible(CLIENT_SECRET_PREFIX.encode()) + _letters(_SECRET_LENGTH, _SECRET_LENGTH)
_CANDIDATE = rb"%b|%b" % (_KEY, _CLIENT_SECRET)
_ENCODED = (
    rb"\0+|"
    + _FOLD
    + rb"|(?:%(?:25){0,3}|\\{1,4}(?:u00|U000000|x)|=|&#[xX])([0-9A-Fa-f]{2});?|&#([0-9]{2,3});|\\+(?=_)"
)
_UNENCODED = "|".join(prefix + rest for prefix, rest in (FORMATS[API_KEY], FORMATS[CLIENT_SECRET])).encode()

_PLAIN = re.compile(rb"gam(?=[ks\\%&=\0])")
_WIDE = re.compile(rb"g(?=\0{1,3}a\0{1,3}m\0{0,3})")


_RARE_DISTANCE = 1024
"""A byte that is rarer than one in this many is found faster by `find`, more frequent ones by `re`."""


class _Mark(NamedTuple):
    """A rare byte, the bytes that may come next, and an expression of what may follow it in an encoded credential."""

    byte: bytes
    next_bytes: bytes
    follows: bytes

    def find(self, data: bytes | bytearray) -> Iterator[int]:
        """Yield where the mark is; `follows` is compared last, since it takes long to compile."""
        byte, next_bytes, find = self.byte, self.next_bytes, data.find
        last = len(data) - 1
        at = find(byte, 0, last)
        for _ in range(len(data) // _RARE_DISTANCE + 1):
            if at < 0:
                return
            if data[at + 1] in next_bytes and _compile(self.follows).match(data, at + 1):
                yield at
            at = find(byte, at + 1, last)
        if at >= 0:
            pattern = _compile(rb"%b(?=[%b])" % (re.escape(byte), re.escape(next_bytes)))
            for match in pattern.finditer(data, at):
                if _compile(self.follows).match(data, match.end()):
                    yield match.start()


_ESCAPES = (
    _Mark(b"\\", b"\\uUx\0\r\n", rb"\\{0,3}(?:u00|U000000|x)67|\0?(?:\r\0?)?\n"),
    _Mark(b"%", b"26", rb"(?:25){0,3}67"),
    _Mark(b"&", b"#", rb"#(?:103|[xX]67);"),
)
_ASCII_BEGINNINGS = {prefix[:length] for prefix in _PREFIXES for length in range(1, len(prefix))}
_BEGINNINGS = (*_ASCII_BEGINNINGS, *(begin.decode().encode("utf-16-le") for begin in _ASCII_BEGINNINGS))
"""What a fold may cut off."""


class _Needle(NamedTuple):
    """What base64 makes of the prefix of a credential that follows `alignment` other bytes, modulo three."""

    text: bytes
    alignment: int
    begins: bytes


_LINE_BREAK = rb"(?:(?:\\r)?\\n|\\?\r?\n)[ \t]{0,100}"
_WIDE_BREAK = rb"\0{0,3}(?:(?:(?:\\\0*r\0*)?\\\0*n|(?:\\\0*)?(?:\r\0*)?\n)\0*(?:[ \t]\0*){0,100})?"
"""What may be between two characters of base64: NUL bytes of UTF-16 or UTF-32, and a line break."""

_SKIPPED = (0, 2, 3)
"""By alignment, the characters of the first group that also depend on the bytes before."""

_BASE64_RUN = rb"[0-9A-Za-z+/_-]+"
_BASE64_WINDOW = 640
_MAX_NEEDLE = 512
"""How far before its last character a needle with line breaks may begin."""


def _with_breaks(text: bytes) -> bytes:
    return _WIDE_BREAK + _WIDE_BREAK.join(bytes([c]) for c in text) if text else b""


def _make_needles() -> Iterator[_Needle]:
    for prefix in _PREFIXES:
        for raw in (prefix, prefix.decode().encode("utf-16-le")):
            for alignment, skipped in enumerate(_SKIPPED):
                whole = (alignment + len(raw)) * 8 // 6
                text = base64.b64encode(bytes(alignment) + raw)[skipped:whole]
                begins = text[:1] + _with_breaks(text[1:])
                yield _Needle(text, alignment, begins)


_RARE = b"ZWXQ"
"""Each needle contains one of these letters, which are rare in ordinary text."""


def _index_needles() -> Iterator[tuple[_Mark, list[tuple[int, _Needle]]]]:
    """Yield each rare letter with the needles that contain it, and its index in them."""
    by_letter: dict[int, list[tuple[int, _Needle]]] = {}
    for needle in _make_needles():
        letter = next(letter for letter in _RARE if letter in needle.text)
        by_letter.setdefault(letter, []).append((needle.text.index(letter), needle))
    for letter, needles in by_letter.items():
        next_bytes = {needle.text[at + 1] for at, needle in needles} | {*b"\\\r\n\0"}
        follows = b"|".join(_with_breaks(needle.text[at + 1 :]) for at, needle in needles)
        yield _Mark(bytes([letter]), bytes(next_bytes), follows), needles


_MARKS: list[tuple[_Mark, list[tuple[int, _Needle]]]] = [*_index_needles(), *((mark, []) for mark in _ESCAPES)]


class Candidate(NamedTuple):
    """The text of what may be a credential, or of a key that is cut short, and where its encoding starts and ends."""

    text: str
    start: int
    end: int
    is_wide: bool


def may_contain_credential(data: bytes | bytearray) -> bool:
    """Return quickly whether a credential may begin in `data`."""
    return (
        _PLAIN.search(data) is not None
        or (b"\0" in data and _WIDE.search(data) is not None)
        or next(_find_encoded(data), None) is not None
    )


def find_starts(data: bytes) -> list[tuple[int, int | None]]:
    """Return the places where a credential may begin, in order, and for base64 the alignment."""
    starts: set[tuple[int, int | None]] = {(match.start(), None) for match in _PLAIN.finditer(data)}
    if b"\0" in data:
        starts.update((match.start(), None) for match in _WIDE.finditer(data))
    starts.update(_find_encoded(data))
    return sorted(starts, key=lambda start: start[0])


def _find_encoded(data: bytes | bytearray) -> Iterator[tuple[int, int | None]]:
    """Yield where base64 or an escape of the letter g begins, or a prefix that is folded."""
    for mark, needles in _MARKS:
        for at in mark.find(data):
            if needles:
                yield from _locate_needles(data, at, needles)
            elif data[at + 1] in b"\0\r\n":
                if data.endswith(_BEGINNINGS, 0, at):
                    yield from ((at - len(each), None) for each in _BEGINNINGS if data.endswith(each, 0, at))
            else:
                yield at, None


def _locate_needles(data: bytes | bytearray, at: int, needles: list[tuple[int, _Needle]]) -> Iterator[tuple[int, int]]:
    """Yield where a needle begins whose rare letter is at `at`, and its alignment."""
    for index, needle in needles:
        start, first = at if not index else data.rfind(needle.text[:1], max(0, at - _MAX_NEEDLE), at), needle.text[:1]
        for _ in range(len(needle.text)):
            if start < 0:
                break
            if _compile(needle.begins).match(data, start):
                yield start, needle.alignment
                break
            start = data.rfind(first, max(0, at - _MAX_NEEDLE), start)


def decode_candidate(data: bytes, start: int, alignment: int | None) -> Candidate | None:
    """Return the candidate that begins at `start`, or None if what follows has not the form of a credential."""
    if alignment is not None:
        return _decode_base64(data, start, alignment)
    if (match := _compile(_UNENCODED).match(data, start)) is not None:  # the other expression takes long to compile
        return Candidate(match[0].decode("ascii"), start, match.end(), is_wide=False)
    match = _compile(_CANDIDATE).match(data, start, start + MAX_ENCODED_LENGTH)
    if match is None:
        return None
    raw = match[0]
    text = _compile(_ENCODED).sub(_decode_escape, raw).decode("ascii")
    return Candidate(text, start, match.end(), b"\0" in raw)


def _decode_escape(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes.fromhex(match[1].decode("ascii"))
    return bytes([int(match[2])]) if match[2] else b""


def _decode_base64(data: bytes, start: int, alignment: int) -> Candidate | None:
    nuls = len(data[start + 1 : start + 4]) - len(data[start + 1 : start + 4].lstrip(b"\0"))
    window = data[start : start + _BASE64_WINDOW * (1 + nuls)].replace(b"\0", b"" if nuls else b"\0")
    run = _compile(_BASE64_RUN).match(_compile(_LINE_BREAK).sub(b"", window))
    text = b"A" * _SKIPPED[alignment] + (run[0] if run else b"")
    text = text[: len(text) - (len(text) % 4 == 1)]
    decoded = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_" if set(text) & {45, 95} else None)
    # the bytes before share a character with the first letter, which is known
    candidate = decode_candidate(b"g" + decoded[alignment + 1 :], 0, None)
    if candidate is None:
        return None
    encoded = (alignment + candidate.end) * 4 // 3 - _SKIPPED[alignment]
    return candidate._replace(start=start, end=start + encoded * (1 + nuls), is_wide=nuls > 0)
