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

_TOKEN = re.compile(
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
        self._tokens = ((match[0], match.start()) for match in _TOKEN.finditer(text) if match[0][0] != "#")
        table: Keys = ()
        for token, offset in self._tokens:
            if token == "[":
                table = self._scan_header(*next(self._tokens))
            elif token not in ("]", "\n"):  # the second bracket of `]]`
                self._scan_pair(table, token, offset)

    def _scan_header(self, token: str, offset: int) -> Keys:
        is_array = token == "["
        if is_array:
            token, offset = next(self._tokens)
        keys = self._scan_key((), token, offset, "]", is_array=is_array)
        self.headers.append((keys, offset))
        return keys

    def _scan_pair(self, table: Keys, token: str, offset: int) -> None:
        keys = self._scan_key(table, token, offset, "=")
        self._scan_value(keys, *next(self._tokens))

    def _scan_key(self, parent: Keys, token: str, offset: int, end: str, *, is_array: bool = False) -> Keys:
        """Scan a key up to the token `end`, record all its parts, and return its full path."""
        tokens = [token, *(each for each, _ in takewhile(lambda pair: pair[0] != end, self._tokens))]
        words, keys = [word for each in tokens for word in _split(each)], parent
        for index, word in enumerate(words, 1):
            keys = (*keys, word)
            self.positions.setdefault(keys, offset)
            if is_array and index == len(words):
                self._lengths[keys] = self._lengths.get(keys, 0) + 1
            if keys in self._lengths:
                keys = (*keys, self._lengths[keys] - 1)
                self.positions.setdefault(keys, offset)
        return keys

    def _scan_value(self, keys: Keys, token: str, offset: int) -> None:
        self.positions.setdefault(keys, offset)
        if token == "[":
            index = 0
            for inner, start in takewhile(lambda pair: pair[0] != "]", self._tokens):
                if inner == ",":
                    index += 1
                elif inner != "\n":
                    self._scan_value((*keys, index), inner, start)
        elif token == "{":
            for inner, start in takewhile(lambda pair: pair[0] != "}", self._tokens):
                if inner not in (",", "\n"):
                    self._scan_pair(keys, inner, start)


def _split(token: str) -> list[str]:
    """Return the parts of a key in one token: a quoted one, or bare ones with dots."""
    if token[0] not in "\"'":
        return [word for word in token.split(".") if word]
    return [str(tomllib.loads(f"word = {token}")["word"]) if "\\" in token else token[1:-1]]


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
