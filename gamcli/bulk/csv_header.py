"""The header of a CSV file: which column holds which field."""

import shlex
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from gamcli.actions.problems import ProblemList
from gamcli.bulk.csv_format import DELIMITERS, CsvOptions, column_name
from gamcli.rules.names import closest_match, escape_unprintable


class Columns(NamedTuple):
    """
    The columns that a command reads, in the order that it wants, and those among them that are required.

    `obsolete` columns are skipped, each with the warning that it maps to.
    """

    known: Sequence[str]
    required: Sequence[str]
    obsolete: Mapping[str, str] = {}


class ColumnPicker:
    """Puts the fields of rows into the order of the known columns, with "" for columns that are missing."""

    def __init__(self, header: Sequence[str], columns: Columns, options: CsvOptions) -> None:
        self.problems: list[str] = []
        self._names = [column_name(title) for title in header]
        self._unnamed = [place for place, name in enumerate(self._names) if not name]
        self._columns = columns
        ignored = [column_name(title) for title in options.ignored_columns]
        self.warnings = [columns.obsolete[name] for name in self._names if name in columns.obsolete]
        if not self._find_wrong_delimiter(header):
            self._check_names(header, ignored)
        places = {name: place for place, name in enumerate(self._names) if name not in ignored}
        self._pick = itemgetter(*(places.get(name, len(header)) for name in columns.known))

    def _find_wrong_delimiter(self, header: Sequence[str]) -> bool:
        """Report one problem when the header is a single column that holds several names."""
        if len(header) != 1 or header[0] == "" or self._names[0] in self._columns.known:
            return False
        for delimiter in (*DELIMITERS, "|", ":"):
            if any(column_name(part) in self._columns.known for part in header[0].split(delimiter)[1:]):
                flag = {"\t": "tab", ",": ","}.get(delimiter, f"'{delimiter}'")
                title = escape_unprintable(header[0])
                self.problems.append(f"the whole header is one column, '{title}': try --delimiter {flag}")
                return True
        return False

    def _check_names(self, header: Sequence[str], ignored: Sequence[str]) -> None:
        report = self.problems.append
        for name, title in dict(zip(self._names, header, strict=True)).items():
            if not name or name in ignored or name in self._columns.obsolete:
                continue
            if name not in self._columns.known:
                report(self._describe_unknown(name, escape_unprintable(title.strip())))
            elif self._names.count(name) > 1:
                report(f"duplicate column '{name}'")
        for name in ignored:
            if name not in self._names:
                report(f"--ignore-column: no column named '{escape_unprintable(name)}'")
        for name in self._columns.required:
            if name not in self._names or name in ignored:
                required = ",".join(self._columns.required)
                report(f"missing column '{name}': the first line must name the columns, such as {required}")

    def _describe_unknown(self, name: str, title: str) -> str:
        near = closest_match(name, self._columns.known)
        hint = f"did you mean {near}?" if near else f"use {', '.join(self._columns.known)}"
        return (
            f"unknown column '{title}'; {hint}{' To' if near else '; to'} skip it: --ignore-column {shlex.quote(title)}"
        )

    @property
    def width(self) -> int:
        """How many fields a row has at least: up to the last column with a name."""
        return max((place for place, name in enumerate(self._names) if name), default=-1) + 1

    def pick(self, line: int, row: list[str], problems: ProblemList) -> tuple[str, ...] | None:
        """Return the fields of a row in order; report a row that does not match the header and return None."""
        expected, given = len(self._names), len(row)
        if given != expected:
            if given < self.width or any(row[expected:]):
                problems.add(line, f"{given} fields, but the header has {self.width}")
                return None
            row = (row + [""] * expected)[:expected]
        for place in self._unnamed:
            if row[place].strip():
                problems.add(line, f"field {place + 1} has a value, but its column has no name in the header")
                return None
        row.append("")
        return self._pick(row)  # type: ignore[no-any-return]
