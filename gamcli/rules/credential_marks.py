"""
Find where credentials may begin in bytes, also encoded ones.

This search must be fast: an expression that begins with one literal byte is searched for five times as fast as one that
begins with any of several. Its work per byte is limited for any input: expressions compare what may come next before
Python sees a place.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

from gamcli.rules.encoded_credentials import BLANK, PREFIXES, SKIPPED, compile_once, encode_text

_PLAIN = re.compile(rb"gam(?=[ks\\%&=\0])")
_WIDE = re.compile(rb"g(?=\0{1,3}a\0{1,3}m\0{0,3})")

_RARE_DISTANCE = 1024
"""A byte that is rarer than one in this many is found faster by `find`, more frequent ones by `re`."""


class _Mark(NamedTuple):
    """A rare byte, the bytes that may come next, and an expression of both and of what may follow in a credential."""

    byte: bytes
    next_bytes: bytes
    begins: bytes
    whole: bytes

    def find(self, data: bytes | bytearray) -> Iterator[int]:
        """Yield where the mark is; `whole` is compared last, since it takes long to compile."""
        byte, next_bytes, find = self.byte, self.next_bytes, data.find
        last = len(data) - 1
        at = find(byte, 0, last)
        for _ in range(len(data) // _RARE_DISTANCE + 1):
            if at < 0:
                return
            if data[at + 1] in next_bytes and compile_once(self.whole).match(data, at):
                yield at
            at = find(byte, at + 1, last)
        if at >= 0 and (first := compile_once(self.begins).search(data, at)):
            for match in compile_once(self.whole).finditer(data, first.start()):
                yield match.start()


def _make_mark(byte: bytes, next_bytes: bytes, follows: bytes) -> _Mark:
    begins = rb"%b(?=[%b])" % (re.escape(byte), re.escape(next_bytes))
    return _Mark(byte, next_bytes, begins, rb"%b(?=%b)" % (begins, follows))


def _wide(pattern: bytes) -> bytes:
    """Return an expression in which each blank of `pattern` stands for the NUL bytes between characters of UTF-16."""
    return pattern.replace(b" ", rb"\0{0,3}")


_THEN_A = rb"(?=\0|%b)" % encode_text("a")
"""After an escape of the letter g."""

_BACKSLASH_FOLLOWS = (
    rb" (?:\\ ){0,3}(?:(?:u 0 0|U 0 0 0 0 0 0|x) 6 7|0 0 0 0 6 7 @?"
    rb"|[ux] \{ (?:0 ){0,4}6 7 \}|6 7 @|(?:0 )?1 4 7(?= (?:a|(?:\\ ){1,4}(?:0 )?1 4 1)))"
)
r"""The letter g. Binary files contain `\147\148`, which are not octal numbers."""

_FOLD_FOLLOWS = rb"| (?:\r )?\n (?:[\t\x20] ){0,100}[amkeysc_\\=%&]"
"""The line break of a fold, and the rest of the prefix."""

_MARKS_OF_ESCAPES = (
    _make_mark(
        b"\\", b"\\uUx016\0\r\n",
        _wide(_BACKSLASH_FOLLOWS).replace(b"@", BLANK) + _THEN_A + _wide(_FOLD_FOLLOWS),
    ),
    _make_mark(b"%", b"26\0", _wide(rb" (?:2 5 ){0,3}6 7 ") + _THEN_A),
    _make_mark(b"&", b"#\0", _wide(rb" # (?:(?:0 ){0,4}1 0 3|[xX] (?:0 ){0,4}6 7) ; ") + _THEN_A),
)  # fmt: skip
_ASCII_BEGINNINGS = {prefix[:length] for prefix in PREFIXES for length in range(1, len(prefix))}
_BEGINNINGS = frozenset(
    begin.decode().encode(encoding) for begin in _ASCII_BEGINNINGS for encoding in ("ascii", "utf-16-le", "utf-32-le")
)
"""What a fold may cut off; the letter g is only at the beginning."""
_MAX_BEGINNING = max(map(len, _BEGINNINGS))


class _Needle(NamedTuple):
    """
    What base64 makes of prefixes of a credential that follow `alignment` other bytes, modulo three.

    `before` is an expression of the reversed part before a rare letter, `after` one of what follows the letter.
    """

    alignment: int
    before: bytes
    after: bytes


_WIDE_BREAK = rb"(?>\0{0,3}(?:(?:(?:\\\0*r\0*)?\\\0*n|(?:\\\0*)?(?:\r\0*)?\n)\0*(?:[ \t]\0*){0,100})?)"
"""What may be between two characters of base64: NUL bytes of UTF-16 or UTF-32, and a line break."""

_WIDE_BREAK_REVERSED = rb"(?:(?:\0*[ \t]){0,100}\0*(?:n\0*\\(?:\0*r\0*\\)?|\n(?:\0*\r)?(?:\0*\\)?))?\0{0,3}"

_MAX_NEEDLE = 512
"""How far before its rare letter a needle with line breaks may begin."""

_RARE = b"ZWXQ"
"""Each needle contains one of these letters, which are rare in ordinary text."""

_ENDS = (b"_", b"\\", b"%", b"&", b"=")
"""What the encodings of the underscore begin with."""


def _make_needles() -> Iterator[tuple[int, bytes, bytes, tuple[bytes, ...]]]:
    """Yield alignment, the part before the rare letter, the letter, and the expressions of what follows it."""
    for prefix in PREFIXES:
        word = prefix.removesuffix(b"_")
        for raw in (word, word.decode().encode("utf-16-le")):
            for alignment, skipped in enumerate(SKIPPED):
                whole = (alignment + len(raw)) * 8 // 6
                texts = [base64.b64encode(bytes(alignment) + raw + end) for end in _ENDS]
                text = texts[0][skipped:whole]
                at = next(text.index(letter) for letter in _RARE if letter in text)
                last = b"[%b]" % b"".join(sorted({each[whole : whole + 1] for each in texts}))
                after = (*(b"%c" % each for each in text[at + 1 :]), last)
                yield alignment, text[:at], text[at : at + 1], after


def _any_of(sequences: Iterable[tuple[bytes, ...]]) -> bytes:
    """Return an expression of some sequences, broken into lines, that compares what they share once."""
    by_first: dict[bytes, list[tuple[bytes, ...]]] = {}
    for first, *rest in sequences:
        by_first.setdefault(first, []).append(tuple(rest))
    branches = [first + (_any_of(rests) if any(rests) else b"") for first, rests in by_first.items()]
    return rb"%b(?:%b)" % (_WIDE_BREAK, b"|".join(branches))


def _index_needles() -> Iterator[tuple[_Mark, list[_Needle]]]:
    """Yield each rare letter with the needles that contain it."""
    by_letter: dict[bytes, dict[tuple[int, bytes], list[tuple[bytes, ...]]]] = {}
    for alignment, before, letter, after in _make_needles():
        by_letter.setdefault(letter, {}).setdefault((alignment, before), []).append(after)
    for letter, groups in by_letter.items():
        needles = [
            _Needle(alignment, b"".join(_WIDE_BREAK_REVERSED + b"%c" % each for each in before[::-1]), _any_of(after))
            for (alignment, before), after in groups.items()
        ]
        every = [after for group in groups.values() for after in group]
        next_bytes = b"".join(sorted({first.strip(b"[]") for first, *_ in every})) + b"\\\r\n\0"
        yield _make_mark(letter, next_bytes, _any_of(every)), needles


_MARKS: list[tuple[_Mark, list[_Needle]]] = [*_index_needles(), *((mark, []) for mark in _MARKS_OF_ESCAPES)]


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
    return sorted(starts, key=itemgetter(0))


def _find_encoded(data: bytes | bytearray) -> Iterator[tuple[int, int | None]]:
    """Yield where base64 or an escape of the letter g begins, or a prefix that is folded."""
    for mark, needles in _MARKS:
        for at in mark.find(data):
            if needles:
                yield from _locate_needles(data, at, needles)
            elif data[at + 1 : at + 5].lstrip(b"\0")[:1] in (b"\r", b"\n"):
                start = data.rfind(b"g", max(0, at - _MAX_BEGINNING), at)
                if start >= 0 and bytes(data[start:at]) in _BEGINNINGS:
                    yield start, None
            else:
                yield at, None


def _locate_needles(data: bytes | bytearray, at: int, needles: list[_Needle]) -> Iterator[tuple[int, int]]:
    """Yield where a needle begins whose rare letter is at `at`, and its alignment."""
    for needle in needles:
        if compile_once(needle.after).match(data, at + 1):
            before = data[max(0, at - _MAX_NEEDLE) : at][::-1] if needle.before else b""
            if start := compile_once(needle.before).match(before):
                yield at - start.end(), needle.alignment
                return
