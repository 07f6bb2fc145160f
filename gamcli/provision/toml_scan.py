"""
Finds where the keys and elements of a TOML text are, which tomllib does not report.

The text has been parsed by tomllib, so it is valid, and a few kinds of tokens are enough. It is scanned
only when a line number is needed or a file is edited.
"""

import re
import tomllib
from bisect import bisect_left
from itertools import takewhile

Keys = tuple[str | int, ...]
"""The path to a value: keys of tables, and indexes of arrays from 0."""

_SYMBOL = re.compile(
    r'''"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}
    |\'\'\'(?:[^']++|'{1,2}(?!'))*+'{3,5}
    |"(?:[^"\\]++|\\.)*+"
    |'[^']*+'
    |\#[^\n]*+
    |[\[\]{},=\n]
    |[0-9]{4}-[0-9]{2}-[0-9]{2}[ ][0-9:.]++
    |[^\s\[\]{},=\#"']++''',
    re.DOTALL | re.VERBOSE,
)


class Scan:
    """The offset of each key and element of a text, and of the headers of its tables, in order."""

    def __init__(self, text: str) -> None:
        self.positions: dict[Keys, int] = {}
        self.headers: list[tuple[Keys, int]] = []
        self._lengths: dict[Keys, int] = {}
        self._symbols = ((match[0], match.start()) for match in _SYMBOL.finditer(text) if match[0][0] != "#")
        table: Keys = ()
        for symbol, offset in self._symbols:
            if symbol == "[":
                table = self._scan_header(*next(self._symbols))
            elif symbol not in ("]", "\n"):  # the second bracket of `]]`
                self._scan_pair(table, symbol, offset)

    def _scan_header(self, symbol: str, offset: int) -> Keys:
        is_array = symbol == "["
        if is_array:
            symbol, offset = next(self._symbols)
        keys = self._scan_key((), symbol, offset, "]", is_array=is_array)
        self.headers.append((keys, offset))
        return keys

    def _scan_pair(self, table: Keys, symbol: str, offset: int) -> None:
        keys = self._scan_key(table, symbol, offset, "=")
        self._scan_value(keys, *next(self._symbols))

    def _scan_key(self, parent: Keys, symbol: str, offset: int, end: str, *, is_array: bool = False) -> Keys:
        """Scan a key up to the symbol `end`, record all its parts, and return its full path."""
        symbols = [symbol, *(each for each, _ in takewhile(lambda pair: pair[0] != end, self._symbols))]
        words, keys = [word for each in symbols for word in _split(each)], parent
        for index, word in enumerate(words, 1):
            keys = (*keys, word)
            self.positions.setdefault(keys, offset)
            if is_array and index == len(words):
                self._lengths[keys] = self._lengths.get(keys, 0) + 1
            if keys in self._lengths:
                keys = (*keys, self._lengths[keys] - 1)
                self.positions.setdefault(keys, offset)
        return keys

    def _scan_value(self, keys: Keys, symbol: str, offset: int) -> None:
        self.positions.setdefault(keys, offset)
        if symbol == "[":
            index = 0
            for inner, start in takewhile(lambda pair: pair[0] != "]", self._symbols):
                if inner == ",":
                    index += 1
                elif inner != "\n":
                    self._scan_value((*keys, index), inner, start)
        elif symbol == "{":
            for inner, start in takewhile(lambda pair: pair[0] != "}", self._symbols):
                if inner not in (",", "\n"):
                    self._scan_pair(keys, inner, start)


def _split(symbol: str) -> list[str]:
    """Return the parts of a key in one symbol: a quoted one, or bare ones with dots."""
    if symbol[0] not in "\"'":
        return [word for word in symbol.split(".") if word]
    return [str(tomllib.loads(f"word = {symbol}")["word"]) if "\\" in symbol else symbol[1:-1]]


class Lines:
    """The line numbers of a TOML text, by key path."""

    def __init__(self, text: str) -> None:
        self._positions = Scan(text).positions
        self._line_ends = [end.start() for end in re.finditer("\n", text)]

    def find(self, keys: Keys) -> int:
        """Return the line of a key path, from 1, or of its nearest parent."""
        while keys and keys not in self._positions:
            keys = keys[:-1]
        return bisect_left(self._line_ends, self._positions.get(keys, 0)) + 1
