"""
How a CSV file is written: its encoding, delimiter, line ends and header, as spreadsheets save them.

Excel writes the delimiter of the country (`,` or `;`), tabs in "Unicode text", cp1252 in plain "CSV", and sometimes a
first line `sep=;`. What the options do not say is detected from the first lines.
"""

import codecs
import csv
import re
import shlex
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from gamcli.actions.problems import ProblemList
from gamcli.errors import UsageError, format_count
from gamcli.rules.names import closest_match, escape_unprintable

SAMPLE_SIZE = 1 << 16
DELIMITERS = (",", ";", "\t")
INVALID = "\udcff"
"""Stands for bytes that the encoding cannot decode; no encoding has it."""

MARK_INVALID = "gamcli.mark_invalid"
codecs.register_error(MARK_INVALID, lambda error: (INVALID, error.end))  # type: ignore[attr-defined]

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, which begins alike
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx, .ods and .xls files begin."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_DIRECTIVE = re.compile(r"sep=([^\r\n]?)\Z", re.IGNORECASE)


class CsvOptions(NamedTuple):
    """What the command line says about a file; None = detect it."""

    delimiter: str | None = None
    encoding: str | None = None
    ignored_columns: tuple[str, ...] = ()


NO_OPTIONS = CsvOptions()


class CsvFormat(NamedTuple):
    """How to read a file; `newline` as in `io.TextIOWrapper`, `has_directive` when the first line is `sep=;`."""

    encoding: str
    delimiter: str
    newline: str
    has_directive: bool


class FormatError(Exception):
    """The file cannot be read as CSV; the argument is the problem."""


def parse_options(delimiter: str | None, encoding: str | None, ignored_columns: Sequence[str] | None) -> CsvOptions:
    """Check the values of the options; raises UsageError."""
    if delimiter is not None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter.lower(), delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\0' or delimiter.isalnum():
            raise UsageError(
                f"invalid delimiter '{escape_unprintable(delimiter)}'", "use one character, such as ';', or tab"
            )
    if encoding is not None and not _is_text_encoding(encoding):
        raise UsageError(
            f"unknown encoding '{escape_unprintable(encoding)}'", "use utf-8, utf-16, cp1252 or iso-8859-15"
        )
    return CsvOptions(delimiter, encoding, tuple(ignored_columns or ()))


def _is_text_encoding(name: str) -> bool:
    try:
        return "name;\n".encode(name).decode(name) == "name;\n" and codecs.getincrementaldecoder(name) is not None
    except (LookupError, ValueError):
        return False


def detect(sample: bytes, options: CsvOptions, known: Sequence[str]) -> CsvFormat:
    """Return the format of the file that begins with `sample`; raises FormatError when its header is unreadable."""
    if sample.startswith(_WORKBOOKS):
        raise FormatError("this is a spreadsheet, not CSV: save it as 'CSV UTF-8' first")
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if sample.startswith(mark)), "utf-8")
    encoding = options.encoding or marked
    text = codecs.getincrementaldecoder(encoding)(MARK_INVALID).decode(sample).removeprefix("\ufeff")
    lines = _LINE_END.split(text)
    directive = _DIRECTIVE.match(lines[0])
    header = next((line for line in lines[bool(directive) :] if any(map(str.isalnum, line))), "")
    if "\0" in header and encoding == "utf-8":
        likely = "utf-16-be" if sample.startswith(b"\0") else "utf-16-le"
        raise FormatError(f"the header is not UTF-8 text: try --encoding {likely}")
    if INVALID in header:
        raise FormatError(describe_invalid_text(header, encoding))
    delimiter = options.delimiter or (directive and directive[1]) or _detect_delimiter(header, known)
    line_end = _LINE_END.search(text)
    newline = "" if line_end is not None and line_end[0] == "\r" else "\n"
    return CsvFormat(encoding, delimiter, newline, directive is not None)


def _detect_delimiter(header: str, known: Sequence[str]) -> str:
    """Return the delimiter that finds the most known columns, then the most columns."""

    def count_columns(delimiter: str) -> tuple[int, int]:
        columns = next(csv.reader([header], delimiter=delimiter), [])
        return sum(column_name(column) in known for column in columns), len(columns)

    return max(DELIMITERS, key=count_columns)


def column_name(text: str) -> str:
    """Return the name of the column with that title: `First Name` is `first_name`."""
    return re.sub(r"[\s_-]+", "_", text.strip().lower())


def describe_invalid_text(line: str, encoding: str) -> str:
    """Return the problem of a line that the encoding cannot decode."""
    name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
    others = "cp1252" if name == "UTF-8" else "utf-8"
    return f"not {name} text (character {line.index(INVALID) + 1} of the line): try --encoding {others}"


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
                problems.add(line, f"{format_count(given, 'field')}, but the header has {self.width}")
                return None
            row = (row + [""] * expected)[:expected]
        for place in self._unnamed:
            if row[place].strip():
                problems.add(line, f"field {place + 1} has a value, but its column has no name in the header")
                return None
        row.append("")
        return self._pick(row)  # type: ignore[no-any-return]
