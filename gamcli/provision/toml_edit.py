"""
Changes single values of a TOML text and keeps everything else: comments, order, blank lines.

It edits the text itself, because tomlkit moves `[[key]]` tables together, away from their comments, and takes seconds
for thousands of them. Forms that cannot be edited are left unchanged: the caller has to parse the result and compare.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

from gamcli.provision import toml_format
from gamcli.provision.toml_scan import Keys, Scan, scan

_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)*")


class Editor:
    """A TOML text and the edits to make in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._scan = scan(text)
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._headers = dict(self._scan.headers)
        self._statements = dict(self._scan.statements)
        self._inline_ends = _find_inline_ends(self._scan)
        self._dotted = {
            keys[:size]: keys for keys in self._statements for size in range(len(self._header_of(keys)) + 1, len(keys))
        }
        self._blocks = _group_headers(self._scan)
        self._edits: list[tuple[int, int, str]] = []
        self._appended: list[str] = []

    def text(self) -> str:
        """Return the text with all edits made."""
        pieces, done = [], 0
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2]):
            pieces += [self._text[done:start], new]
            done = end
        text = "".join((*pieces, self._text[done:]))
        if self._appended:
            text = text.rstrip() + self._line_end * 2 if text.strip() else ""
            text += self._line_end.join(self._appended) + self._line_end
        return text

    def has(self, keys: Keys) -> bool:
        """Return whether the text sets a value for `keys`."""
        return keys in self._scan.spans

    def has_table(self, keys: Keys) -> bool:
        """Return whether `keys` is a table with a header, or one that dotted keys or nested headers create."""
        return keys in self._blocks or keys in self._headers or keys in self._dotted

    def replace(self, keys: Keys, value: object) -> None:
        """Replace the value of `keys`; a list with one element per line keeps its lines."""
        start, end = self._scan.spans.get(keys, (0, 0))
        if isinstance(value, list) and "\n" in self._text[start:end] and self._replace_elements(keys, value):
            return
        if end:
            self._edits.append((start, end, toml_format.format_value(value)))

    def _replace_elements(self, keys: Keys, elements: list[str]) -> bool:
        """Edit a list with one element per line; return whether it has this form."""
        spans: list[tuple[int, int]] = []
        while (*keys, len(spans)) in self._scan.spans:
            spans.append(self._scan.spans[*keys, len(spans)])
        start, end = self._scan.spans[keys]
        lines = [self._line_start(start), *(self._line_start(first) for first, _ in spans), self._line_start(end)]
        if not spans or len({*lines}) < len(lines):
            return False
        missing, last_kept = dict.fromkeys(elements), (start, start + 1)
        for first, last in spans:
            value = tomllib.loads(f"value = {self._text[first:last]}")["value"]
            if value in missing:
                del missing[value]
                last_kept = (first, last)
            else:
                self._edits.append((self._line_start(first), self._next_line(last), ""))
        indent = self._text[lines[1] : spans[0][0]]
        if missing and last_kept[0] != start and not self._text[last_kept[1] :].lstrip().startswith(","):
            self._edits.append((last_kept[1], last_kept[1], ","))
        new = "".join(f"{indent}{toml_format.format_value(each)},{self._line_end}" for each in missing)
        self._edits.append((self._next_line(last_kept[1]), self._next_line(last_kept[1]), new))
        return True

    def add(self, keys: Keys, fields: Mapping[str, object]) -> None:
        """Add `fields` to the end of the table `keys`, in the form that the table has."""
        start, end = self._scan.spans.get(keys, (0, 0))
        lines = [
            f"{toml_format.format_key(name)} = {toml_format.format_value(value)}" for name, value in fields.items()
        ]
        if keys in self._headers:
            self._add_lines(self._block_end(keys), lines)
        elif end and keys in self._inline_ends:
            offset = self._inline_ends[keys]
            self._edits.append((offset, offset, "".join(f", {line}" for line in lines)))
        elif end:
            self._edits.append((start, end, f"{{ {', '.join(lines)} }}"))
        elif keys in self._dotted:
            last = self._dotted[keys]
            prefix = toml_format.format_path(keys[len(self._header_of(last)) :])
            self._add_lines(self._next_line(self._scan.spans[last][1]), [f"{prefix}.{line}" for line in lines])
        else:
            self.append([f"[{toml_format.format_path(keys)}]", *lines])

    def _add_lines(self, offset: int, lines: list[str]) -> None:
        before = "" if self._text[:offset].endswith("\n") else self._line_end
        self._edits.append((offset, offset, before + "".join(f"{line}{self._line_end}" for line in lines)))

    def _header_of(self, statement: Keys) -> Keys:
        headers = self._scan.headers
        index = bisect_right(headers, self._statements[statement], key=lambda each: each[1]) - 1
        return headers[index][0] if index >= 0 else ()

    def remove(self, keys: Keys) -> None:
        """Remove a statement, or all tables of an object with the comments in them, but not the comments before."""
        for statement in self._statements_of(keys):
            start, end = self._statements[statement], self._scan.spans[statement][1]
            self._edits.append((self._line_start(start), self._next_line(end), ""))
        for header in self._blocks.get(keys, ()):
            self._edits.append((self._line_start(self._headers[header]), self._removal_end(keys, header), ""))

    def _statements_of(self, keys: Keys) -> list[Keys]:
        """Return the statement that sets `keys`, or the dotted keys that create this table."""
        if keys in self._dotted:
            return [each for each in self._statements if each[: len(keys)] == keys]
        return [keys] if keys in self._statements else []

    def _removal_end(self, keys: Keys, header: Keys) -> int:
        """Return the start of the next table of the same object, or of the text after the last statement."""
        limit = self._next_header(header)
        if any(self._headers[each] == limit for each in self._blocks[keys]):
            return self._line_start(limit)
        blank = _BLANK_LINES.match(self._text, self._block_end(header))
        assert blank is not None, "the pattern matches an empty text"
        return blank.end()

    def append(self, lines: list[str]) -> None:
        """Add a table at the end of the text, after a blank line."""
        self._appended += [*([""] if self._appended else []), *lines]

    def _block_end(self, header: Keys) -> int:
        """Return the start of the line after the last statement of a header."""
        statements = self._scan.statements
        index = bisect_right(statements, self._next_header(header), key=lambda each: each[1]) - 1
        start = self._headers[header]
        has_statement = index >= 0 and statements[index][1] > start
        return self._next_line(self._scan.spans[statements[index][0]][1] if has_statement else start)

    def _next_header(self, header: Keys) -> int:
        headers = self._scan.headers
        index = bisect_right(headers, self._headers[header], key=lambda each: each[1])
        return headers[index][1] if index < len(headers) else len(self._text)

    def _line_start(self, offset: int) -> int:
        return self._text.rfind("\n", 0, offset) + 1

    def _next_line(self, offset: int) -> int:
        return self._text.find("\n", offset) + 1 or len(self._text)


def _find_inline_ends(scan: Scan) -> dict[Keys, int]:
    """Return the end of the last value in each inline table."""
    ends: dict[Keys, int] = {}
    for keys, (_, end) in scan.spans.items():
        ends[keys[:-1]] = max(end, ends.get(keys[:-1], 0))
    return ends


def _group_headers(scan: Scan) -> dict[Keys, list[Keys]]:
    """Return the headers of each object and of each nested table, including those of the tables in it."""
    groups: dict[Keys, list[Keys]] = {}
    for keys, _ in scan.headers:
        for size in range(min(2, len(keys)), len(keys) + 1):
            groups.setdefault(keys[:size], []).append(keys)
    return groups
