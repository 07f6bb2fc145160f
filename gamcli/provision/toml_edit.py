"""
Changing single values of a TOML text, so that all else stays as somebody wrote it: comments, order, blank lines.

Done on the text itself, since tomlkit moves `[[key]]` tables that stand apart together, away from their comments, and
takes seconds for thousands of them. What cannot be changed here is left as it is; whoever edits reads the text again
to see what came of it.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

from gamcli.provision import toml_format
from gamcli.provision.toml_scan import Keys, Scan, scanned

_BLANK = re.compile(r"(?:[ \t]*\r?\n)*")


class Editor:
    """A TOML text, and what is to be changed in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._scan = scanned(text)
        self._end = "\r\n" if "\r\n" in text else "\n"
        self._headers = dict(self._scan.headers)
        self._statements = dict(self._scan.statements)
        self._last_in = _last_in(self._scan)
        self._dotted = {
            keys[:size]: keys for keys in self._statements for size in range(len(self._table(keys)) + 1, len(keys))
        }
        self._blocks = _blocks(self._scan)
        self._edits: list[tuple[int, int, str]] = []
        self._more: list[str] = []

    def text(self) -> str:
        """Return the text with all changes made."""
        pieces, done = [], 0
        for begin, end, new in sorted(self._edits, key=lambda edit: edit[:2]):
            pieces += [self._text[done:begin], new]
            done = end
        text = "".join((*pieces, self._text[done:]))
        if self._more:
            text = text.rstrip() + self._end * 2 if text.strip() else ""
            text += self._end.join(self._more) + self._end
        return text

    def has(self, keys: Keys) -> bool:
        """Say whether the text gives a value to `keys`."""
        return keys in self._scan.spans

    def has_table(self, keys: Keys) -> bool:
        """Say whether `keys` lead to a table that has a header, or that dotted keys make."""
        return keys in self._headers or keys in self._dotted

    def replace(self, keys: Keys, value: object) -> None:
        """Put `value` in the place of the one that `keys` lead to; lines of a list stay if they can."""
        begin, end = self._scan.spans.get(keys, (0, 0))
        if isinstance(value, list) and "\n" in self._text[begin:end] and self._in_lines(keys, value):
            return
        if end:
            self._edits.append((begin, end, toml_format.value(value)))

    def _in_lines(self, keys: Keys, wanted: list[str]) -> bool:
        """Change a list that has each element in a line of its own; say whether it is one."""
        spans: list[tuple[int, int]] = []
        while (*keys, len(spans)) in self._scan.spans:
            spans.append(self._scan.spans[*keys, len(spans)])
        begin, end = self._scan.spans[keys]
        lines = [self._line(begin), *(self._line(first) for first, _ in spans), self._line(end)]
        if not spans or len({*lines}) < len(lines):
            return False
        missing, kept = dict.fromkeys(wanted), (begin, begin + 1)
        for first, last in spans:
            value = tomllib.loads(f"value = {self._text[first:last]}")["value"]
            if value in missing:
                del missing[value]
                kept = (first, last)
            else:
                self._edits.append((self._line(first), self._next(last), ""))
        indent = self._text[lines[1] : spans[0][0]]
        if missing and kept[0] != begin and not self._text[kept[1] :].lstrip().startswith(","):
            self._edits.append((kept[1], kept[1], ","))
        new = "".join(f"{indent}{toml_format.value(each)},{self._end}" for each in missing)
        self._edits.append((self._next(kept[1]), self._next(kept[1]), new))
        return True

    def add(self, keys: Keys, fields: Mapping[str, object]) -> None:
        """Put further `fields` into the table that `keys` lead to: after those that it has, in the way of these."""
        begin, end = self._scan.spans.get(keys, (0, 0))
        written = [f"{toml_format.word(name)} = {toml_format.value(value)}" for name, value in fields.items()]
        if keys in self._headers:
            self._add_lines(self._block_end(keys), written)
        elif end and keys in self._last_in:
            at = self._last_in[keys]
            self._edits.append((at, at, "".join(f", {each}" for each in written)))
        elif end:
            self._edits.append((begin, end, f"{{ {', '.join(written)} }}"))
        elif keys in self._dotted:
            last = self._dotted[keys]
            prefix = toml_format.path(keys[len(self._table(last)) :])
            self._add_lines(self._next(self._scan.spans[last][1]), [f"{prefix}.{each}" for each in written])
        else:
            self.append([f"[{toml_format.path(keys)}]", *written])

    def _add_lines(self, at: int, lines: list[str]) -> None:
        closing = "" if self._text[:at].endswith("\n") else self._end
        self._edits.append((at, at, closing + "".join(f"{each}{self._end}" for each in lines)))

    def _table(self, statement: Keys) -> Keys:
        """Return the header that a statement stands under."""
        headers = self._scan.headers
        at = bisect_right(headers, self._statements[statement], key=lambda each: each[1]) - 1
        return headers[at][0] if at >= 0 else ()

    def remove(self, keys: Keys) -> None:
        """Take away the statement that `keys` lead to, or the tables, with the comments in them but not before them."""
        if keys in self._statements:
            self._edits.append((self._line(self._statements[keys]), self._next(self._scan.spans[keys][1]), ""))
        for each in self._blocks.get(keys, ()):
            self._edits.append((self._line(self._headers[each]), self._removed_to(keys, each), ""))

    def _removed_to(self, keys: Keys, header: Keys) -> int:
        """Return where the rest begins: the next table of the same object, or what follows the last statement."""
        beyond = self._limit(header)
        if any(self._headers[each] == beyond for each in self._blocks[keys]):
            return self._line(beyond)
        blank = _BLANK.match(self._text, self._block_end(header))
        assert blank is not None, "it may be empty"
        return blank.end()

    def append(self, lines: list[str]) -> None:
        """Put further tables at the end, each after a blank line."""
        self._more += [*([""] if self._more else []), *lines]

    def _block_end(self, keys: Keys) -> int:
        """Return where the line after the last statement below that header begins."""
        statements = self._scan.statements
        at = bisect_right(statements, self._limit(keys), key=lambda each: each[1]) - 1
        begin = self._headers[keys]
        inner = at >= 0 and statements[at][1] > begin
        return self._next(self._scan.spans[statements[at][0]][1] if inner else begin)

    def _limit(self, keys: Keys) -> int:
        """Return where the next header begins."""
        headers = self._scan.headers
        at = bisect_right(headers, self._headers[keys], key=lambda each: each[1])
        return headers[at][1] if at < len(headers) else len(self._text)

    def _line(self, at: int) -> int:
        """Return where the line of a place begins."""
        return self._text.rfind("\n", 0, at) + 1

    def _next(self, at: int) -> int:
        """Return where the next line begins."""
        return self._text.find("\n", at) + 1 or len(self._text)


def _last_in(scan: Scan) -> dict[Keys, int]:
    """Return where the last value within each inline table ends."""
    found: dict[Keys, int] = {}
    for keys, (_, end) in scan.spans.items():
        found[keys[:-1]] = max(end, found.get(keys[:-1], 0))
    return found


def _blocks(scan: Scan) -> dict[Keys, list[Keys]]:
    """Return the headers of each object: its own and those of tables within it."""
    found: dict[Keys, list[Keys]] = {}
    for keys, _ in scan.headers:
        found.setdefault(keys[:2], []).append(keys)
    return found
