"""
How a CSV file is written: its encoding, delimiter and line ends, as spreadsheets save them.

Excel writes the delimiter of the country (`,` or `;`), tabs in "Unicode text", cp1252 in plain "CSV", and sometimes a
first line `sep=;`. What the options do not say is detected from the first lines.
"""

import codecs
import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from gamcli.errors import UsageError
from gamcli.rules.names import escape_unprintable

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
