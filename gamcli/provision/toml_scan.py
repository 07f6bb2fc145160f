"""
Finds where the keys and values of a TOML text are, which tomllib does not report.

The text has been parsed by tomllib, so it is valid, and a few kinds of tokens are enough. It is scanned
only when a line number is needed or a file is edited.
"""

import re
import tomllib
from bisect import bisect_left
from dataclasses import dataclass, field

Keys = tuple[str | int, ...]
"""The path to a value: keys of tables, and indexes of arrays from 0."""

_SYMBOL = re.compile(
    r'''"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}
    |\'\'\'(?:[^']++|'{1,2}(?!'))*+'{3,5}
    |"(?:[^"\\]++|\\.)*+"
    |'[^']*+'
    |\#[^\n]*+
    |[\[\]{},=.\n]
    |[^\s\[\]{},=.\#"']++''',
    re.DOTALL | re.VERBOSE,
)


def scan(text: str) -> "Scan":
    result = Scan()
    for symbol in _SYMBOL.finditer(text):
        result.accept(symbol[0], symbol.start())
    return result


class Lines:
    """The line numbers of a TOML text, by key path."""

    def __init__(self, text: str) -> None:
        self._positions = scan(text).positions
        self._line_ends = [end.start() for end in re.finditer("\n", text)]

    def find(self, keys: Keys) -> int:
        """Return the line of a key path, from 1, or of its nearest parent."""
        while keys and keys not in self._positions:
            keys = keys[:-1]
        return bisect_left(self._line_ends, self._positions.get(keys, 0)) + 1


@dataclass(slots=True)
class _Nested:
    """An open array, with the index of the current element, or an open inline table, without one."""

    keys: Keys
    index: int | None


@dataclass(slots=True)
class Scan:
    """
    The offsets found so far.

    `positions` has the start of each key or element, `spans` the start and end of each value, `headers` and
    `statements` their starts in order. The other fields are the state of the scanner: `table` is the last header,
    `words` are the parts of the key being read, `value` is the value being read.
    """

    positions: dict[Keys, int] = field(default_factory=dict)
    spans: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    headers: list[tuple[Keys, int]] = field(default_factory=list)
    statements: list[tuple[Keys, int]] = field(default_factory=list)
    table: Keys = ()
    lengths: dict[Keys, int] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    start: int = 0
    brackets: int = 0
    value: Keys | None = None
    nested: list[_Nested] = field(default_factory=list)

    def accept(self, symbol: str, offset: int) -> None:
        """Process the next token."""
        if symbol[0] == "#":
            return
        if self.value is None:
            self._accept_in_key(symbol, offset)
        else:
            self._accept_in_value(self.value, symbol, offset)

    def _accept_in_key(self, symbol: str, offset: int) -> None:
        if symbol == "[":
            self.brackets += 1
        elif symbol == "]":
            if self.words:  # the second bracket of `]]` finds none
                self.table = self._record_key(())
                self.headers.append((self.table, self.start))
            self.brackets = 0
        elif symbol == "=":
            self.value = self._record_key(self.nested[-1].keys if self.nested else self.table)
            if not self.nested:
                self.statements.append((self.value, self.start))
        elif symbol == "}":
            self._close(offset)
        elif symbol not in ("\n", ".", ","):
            self.start = offset if not self.words else self.start
            self.words.append(_unquote(symbol))

    def _record_key(self, parent: Keys) -> Keys:
        """Record the position of the key in `words` and of its parts, and return its full path."""
        keys, last = parent, len(self.words) - 1
        for index, word in enumerate(self.words):
            keys = (*keys, word)
            self.positions.setdefault(keys, self.start)
            if index == last and self.brackets > 1:
                self.lengths[keys] = self.lengths.get(keys, 0) + 1
            if keys in self.lengths:
                keys = (*keys, self.lengths[keys] - 1)
                self.positions.setdefault(keys, self.start)
        self.words.clear()
        return keys

    def _accept_in_value(self, value: Keys, symbol: str, offset: int) -> None:
        if symbol == "\n":
            self.value = self.value if self.nested else None
        elif symbol == ",":
            inner = self.nested[-1]
            if inner.index is None:
                self.value = None
            else:
                inner.index += 1
                self.value = (*inner.keys, inner.index)
        elif symbol in ("]", "}"):
            self._close(offset)
        else:
            self.positions.setdefault(value, offset)
            start, _ = self.spans.get(value, (offset, offset))
            self.spans[value] = start, offset + len(symbol)  # a number or a date can have several tokens
            if symbol == "[":
                self.nested.append(_Nested(value, 0))
                self.value = (*value, 0)
            elif symbol == "{":
                self.nested.append(_Nested(value, None))
                self.value = None

    def _close(self, offset: int) -> None:
        self.value = self.nested.pop().keys
        self.spans[self.value] = self.spans[self.value][0], offset + 1


def _unquote(word: str) -> str:
    if word[0] not in "\"'":
        return word
    return str(tomllib.loads(f"word = {word}")["word"]) if "\\" in word else word[1:-1]
