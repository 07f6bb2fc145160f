"""
Where in a TOML text each key and element stands, which no parser of Python tells.

The text is known to be valid, since tomllib took it, so that a few tokens tell where everything is. It is looked
through only when a line is asked for: a manifest without faults does not pay for it.
"""

import re
import tomllib
from bisect import bisect_left
from dataclasses import dataclass, field

Keys = tuple[str | int, ...]
"""The way to a value: keys of tables, and places in arrays from 0."""

_SIGN = re.compile(
    r'''"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}
    |\'\'\'(?:[^']++|'{1,2}(?!'))*+'{3,5}
    |"(?:[^"\\]++|\\.)*+"
    |'[^']*+'
    |\#[^\n]*+
    |[\[\]{},=.\n]
    |[^\s\[\]{},=.\#"']++''',
    re.DOTALL | re.VERBOSE,
)


def scanned(text: str) -> "Scan":
    """Look through a TOML text."""
    scan = Scan()
    for sign in _SIGN.finditer(text):
        scan.take(sign[0], sign.start())
    return scan


class Lines:
    """The lines of a TOML text, by the keys that lead there."""

    def __init__(self, text: str) -> None:
        self._places = scanned(text).found
        self._ends = [end.start() for end in re.finditer("\n", text)]

    def of(self, keys: Keys) -> int:
        """Return the line, from 1, of what `keys` lead to, or of the nearest thing around it."""
        while keys and keys not in self._places:
            keys = keys[:-1]
        return bisect_left(self._ends, self._places.get(keys, 0)) + 1


@dataclass(slots=True)
class _Nested:
    """An array or an inline table that has begun; `at` is the place of its present element."""

    keys: Keys
    at: int | None


@dataclass(slots=True)
class Scan:
    """
    What was seen so far, as places in the text.

    `found` tells where each key or element begins, `spans` where each value begins and ends, `headers` and
    `statements` where each of them begins, in their order. `table` is the last header, `words` are the parts of the
    key that is being read.
    """

    found: dict[Keys, int] = field(default_factory=dict)
    spans: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    headers: list[tuple[Keys, int]] = field(default_factory=list)
    statements: list[tuple[Keys, int]] = field(default_factory=list)
    table: Keys = ()
    lengths: dict[Keys, int] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    began: int = 0
    brackets: int = 0
    value: Keys | None = None
    nested: list[_Nested] = field(default_factory=list)

    def take(self, sign: str, at: int) -> None:
        """Go on by one sign."""
        if sign[0] == "#":
            return
        if self.value is None:
            self._in_key(sign, at)
        else:
            self._in_value(self.value, sign, at)

    def _in_key(self, sign: str, at: int) -> None:
        if sign == "[":
            self.brackets += 1
        elif sign == "]":
            self._header()
        elif sign == "=":
            self.value = self._noted(self.nested[-1].keys if self.nested else self.table)
            if not self.nested:
                self.statements.append((self.value, self.began))
        elif sign == "}":
            self._leave(at)
        elif sign not in ("\n", ".", ","):
            self.began = at if not self.words else self.began
            self.words.append(_unquoted(sign))

    def _header(self) -> None:
        """End a header; of its two brackets the second one finds no words any more."""
        if self.words:
            self.table = self._noted(())
            self.headers.append((self.table, self.began))
        self.brackets = 0

    def _noted(self, around: Keys) -> Keys:
        """Note where the key of `words` stands, with all that it names on its way, and return where it leads."""
        keys, last = around, len(self.words) - 1
        for place, word in enumerate(self.words):
            keys = (*keys, word)
            self.found.setdefault(keys, self.began)
            if place == last and self.brackets > 1:
                self.lengths[keys] = self.lengths.get(keys, 0) + 1
            if keys in self.lengths:
                keys = (*keys, self.lengths[keys] - 1)
                self.found.setdefault(keys, self.began)
        self.words.clear()
        return keys

    def _in_value(self, value: Keys, sign: str, at: int) -> None:
        if sign == "\n":
            self.value = self.value if self.nested else None
        elif sign == ",":
            self._next()
        elif sign in ("]", "}"):
            self._leave(at)
        else:
            self.found.setdefault(value, at)
            began, _ = self.spans.get(value, (at, at))
            self.spans[value] = began, at + len(sign)  # a number or a date may be of several signs
            self._enter(value, sign)

    def _enter(self, value: Keys, sign: str) -> None:
        if sign == "[":
            self.nested.append(_Nested(value, 0))
            self.value = (*value, 0)
        elif sign == "{":
            self.nested.append(_Nested(value, None))
            self.value = None

    def _next(self) -> None:
        inner = self.nested[-1]
        if inner.at is None:
            self.value = None
        else:
            inner.at += 1
            self.value = (*inner.keys, inner.at)

    def _leave(self, at: int) -> None:
        self.value = self.nested.pop().keys
        self.spans[self.value] = self.spans[self.value][0], at + 1


def _unquoted(word: str) -> str:
    if word[0] not in "\"'":
        return word
    return str(tomllib.loads(f"word = {word}")["word"]) if "\\" in word else word[1:-1]
