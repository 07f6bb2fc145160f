r"""
Find where credentials begin in bytes, also in encoded ones, and decode them.

    UTF-16, UTF-32         in both byte orders and at any offset, since the characters are separated by NUL bytes
    base64                 in all three alignments, of ASCII and of UTF-16, also broken into lines and in UTF-16 text
    escapes                percent-encoding, \\u005f, \\x5f, \\u{5f}, \\137 (octal), \\5f (CSS), HTML entities,
                           quoted-printable, a backslash before `_`
    folded lines           a backslash at the end of a line, and the indentation of the next one

Escapes, base64 and folded lines are found in UTF-16 and UTF-32 as well.

A first search finds places where a credential may begin, and must be fast: an expression that begins with one literal
byte is searched for five times as fast as one that begins with any of several.
"""

import base64
import re
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import islice
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
    LENGTHS,
)

MIN_CUT_SHORT = 8
"""A key that is cut short has at least this many of its random characters; fewer are a masked key or an example."""

MAX_ENCODED_LENGTH = 4096
"""A longer encoding of one credential is not found."""

_MIN_LENGTH = len(API_KEY_PREFIX) + KEY_ID_LENGTH + 1 + MIN_CUT_SHORT
_MAX_LENGTH = max(LENGTHS.values())

_compile = cache(re.compile)
"""Compiles on first use: most files need none of these expressions, and start-up should not wait for them."""

_PREFIXES = (API_KEY_PREFIX.encode(), CLIENT_SECRET_PREFIX.encode())
_HEX = rb"([0-9A-Fa-f]{2})"
_BLANK = rb"(?:\r\n|[\x20\t\r\n\f])"
"""What may end an escape of CSS."""

_ESCAPES = (
    (rb"(?:%%(?:25){0,3}|=|\\{1,4}(?:u00|U000000|x))%b" % _HEX, 16),
    (rb"\\{1,4}[ux]\{0{0,4}%b\}" % _HEX, 16),
    (rb"&#[xX]0{0,4}%b;" % _HEX, 16),
    (rb"&#0{0,4}([0-9]{2}|1[0-9]{2});", 10),
    (rb"\\{1,4}0000%b%b?" % (_HEX, _BLANK), 16),
    (rb"\\{1,4}0?([01][0-7]{2})", 8),
    (rb"\\{1,4}%b%b" % (_HEX, _BLANK), 16),
)
"""Expressions of an escaped character, each with the base of the number in its group."""

_IGNORED = rb"\\\r?\n[ \t]{0,100}|=\r?\n|\\{1,4}(?=_)"
"""Folds and the backslash of Markdown: what may precede a character and is not part of it."""

_ENCODED = b"|".join((*(expression for expression, _ in _ESCAPES), _IGNORED))
_CHARACTER = rb"(?:%b){0,2}(?:%b|[0-9A-Za-z_])" % (_IGNORED, b"|".join(expression for expression, _ in _ESCAPES))
_LETTER = rb"[0-9A-Za-z]"
_KEY = (API_KEY_PREFIX.encode(), _LETTER, KEY_ID_LENGTH, _LETTER, MIN_CUT_SHORT, KEY_RANDOM_LENGTH + CHECKSUM_LENGTH)
_CLIENT_SECRET = (CLIENT_SECRET_PREFIX.encode(), _LETTER, CLIENT_SECRET_RANDOM_LENGTH + CHECKSUM_LENGTH)
_CANDIDATE = rb"%b%b{%d}_%b{%d,%d}" % _KEY + rb"|%b%b{%d}" % _CLIENT_SECRET
"""Once decoded, what may be a credential or a key that is cut short."""

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


def _wide(pattern: bytes) -> bytes:
    """Return an expression in which each blank of `pattern` stands for the NUL bytes between characters of UTF-16."""
    return pattern.replace(b" ", rb"\0{0,3}")


_BACKSLASH_FOLLOWS = (
    rb" (?:\\ ){0,3}(?:(?:u 0 0|U 0 0 0 0 0 0|x|0 0 0 0) 6 7"
    rb"|[ux] \{ (?:0 ){0,4}6 7 \}|6 7 %b|(?:0 )?1 4 7 (?:a|(?:\\ ){1,4}(?:0 )?1 4 1))"
    rb"| (?:\r )?\n"
) % _BLANK
r"""The letter g, or the line break of a fold. Binary files contain `\147\148`, which are not octal numbers."""

_MARKS_OF_ESCAPES = (
    _Mark(b"\\", b"\\uUx016\0\r\n", _wide(_BACKSLASH_FOLLOWS)),
    _Mark(b"%", b"26\0", _wide(rb" (?:2 5 ){0,3}6 7 [%a]")),
    _Mark(b"&", b"#\0", _wide(rb" # (?:(?:0 ){0,4}1 0 3|[xX] (?:0 ){0,4}6 7) ;")),
)
_ASCII_BEGINNINGS = {prefix[:length] for prefix in _PREFIXES for length in range(1, len(prefix))}
_BEGINNINGS = tuple(
    begin.decode().encode(encoding) for begin in _ASCII_BEGINNINGS for encoding in ("ascii", "utf-16-le", "utf-32-le")
)
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
        word = prefix.removesuffix(b"_")  # which may be escaped
        for raw in (word, word.decode().encode("utf-16-le")):
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


_MARKS: list[tuple[_Mark, list[tuple[int, _Needle]]]] = [*_index_needles(), *((mark, []) for mark in _MARKS_OF_ESCAPES)]


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
            elif data[at + 1 : at + 5].lstrip(b"\0")[:1] in (b"\r", b"\n"):
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
    if alignment is None and (match := _compile(_UNENCODED).match(data, start)) is not None:
        return Candidate(match[0].decode("ascii"), start, match.end(), is_wide=False)
    window = data[start : start + MAX_ENCODED_LENGTH]
    nuls = len(window[1:4]) - len(window[1:4].lstrip(b"\0"))
    if nuls:
        window = window.replace(b"\0", b"")
    found = _decode_characters(window) if alignment is None else _decode_base64(window, alignment)
    return found and Candidate(found[0], start, start + found[1] * (1 + nuls), is_wide=nuls > 0)


def _decode_characters(data: bytes) -> tuple[str, int] | None:
    """Return the text of the candidate that `data` begins with, and how many bytes encode it."""
    if _decode_run(data, len(API_KEY_PREFIX), len(API_KEY_PREFIX)) not in _PREFIXES:  # both have the same length
        return None
    match = _compile(_CANDIDATE).match(_decode_run(data, _MIN_LENGTH, _MAX_LENGTH))
    if match is None:
        return None
    characters = islice(_compile(_CHARACTER).finditer(data), match.end())
    return match[0].decode("ascii"), deque(characters, maxlen=1).pop().end()


def _decode_run(data: bytes, minimum: int, maximum: int) -> bytes:
    """Return the first characters of `data`, at most `maximum`, decoded; nothing if there are fewer than `minimum`."""
    run = _compile(rb"(?:%b){%d,%d}" % (_CHARACTER, minimum, maximum)).match(data)
    return _compile(_ENCODED).sub(_decode_escape, run[0]) if run else b""


def _decode_escape(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[match.lastindex], _ESCAPES[match.lastindex - 1][1]),)) if match.lastindex else b""


def _decode_base64(data: bytes, alignment: int) -> tuple[str, int] | None:
    """Return the text of the candidate in the base64 that `data` begins with, and how many bytes encode it."""
    run = _compile(_BASE64_RUN).match(_compile(_LINE_BREAK).sub(b"", data[:_BASE64_WINDOW]))
    text = b"A" * _SKIPPED[alignment] + (run[0] if run else b"")
    text = text[: len(text) - (len(text) % 4 == 1)]
    decoded = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_" if set(text) & {45, 95} else None)
    # the bytes before share a character with the first letter, which is known
    candidate = decode_candidate(b"g" + decoded[alignment + 1 :], 0, None)
    return candidate and (candidate.text, (alignment + candidate.end) * 4 // 3 - _SKIPPED[alignment])
