"""
Read CSV files (RFC 4180, and what spreadsheets write) row by row, with the line number of each row.

All problems are collected. Rows without any value are skipped. The apostrophe that gamcli's own CSV output puts before
formulas is removed.
"""

import csv
import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from gamcli.actions.problems import ProblemList
from gamcli.bulk import csv_format
from gamcli.bulk.csv_format import (
    INVALID,
    MARK_INVALID,
    NO_OPTIONS,
    ColumnPicker,
    Columns,
    CsvFormat,
    CsvOptions,
    FormatError,
)
from gamcli.errors import UsageError
from gamcli.render import csv_cells

BLOCK_SIZE = 1 << 20
"""How many bytes are read at once, and the maximum length of a line and of a field, in characters."""

MAX_DEVICE_BYTES = 1 << 26
"""/dev/zero does not end."""

MAX_FIELD = 1 << 17
"""The maximum length of a field in one line, in characters; a spreadsheet's cell holds a quarter of it."""

PARSER_ERRORS = {
    "unexpected end of data": "the quote that opens a field here is never closed",
    "field larger than field limit": f"a field is longer than {BLOCK_SIZE:,} characters: is a closing quote missing?",
    "expected after": 'text follows the closing quote of a field: double a quote inside a field, as in ""',
    "new-line character seen in unquoted field": "a carriage return in a field without quotes",
}
"""Our message for each error of Python's parser, by a part of its message."""

_FATAL = ("unexpected end", "field larger")
"""The errors after which no row can be read."""


class CsvSource(NamedTuple):
    """A seekable input: its name for messages, its size and SHA-256."""

    name: str
    file: IO[bytes]
    size: int
    digest: bytes


@contextmanager
def open_csv(path: str) -> Iterator[CsvSource]:
    """Open the file `path`; stdin ('-') and pipes are copied to a temporary file first."""
    try:
        file, digest = _open_seekable(path), sha256()
        for block in iter(partial(file.read, BLOCK_SIZE), b""):
            digest.update(block)
    except OSError as error:
        raise UsageError(f"cannot read --from {path}: {error.strerror}", "--from FILE.csv, or '-' for stdin") from error
    with file:
        yield CsvSource("stdin" if path == "-" else path, file, file.tell(), digest.digest())


def _open_seekable(path: str) -> IO[bytes]:
    file: IO[bytes] = open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb")  # noqa: SIM115 - returned
    if path != "-" and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    with file:
        is_device = stat.S_ISCHR(os.fstat(file.fileno()).st_mode)
        copy = TemporaryFile()  # noqa: SIM115 - returned
        for block in iter(partial(file.read, BLOCK_SIZE), b""):
            copy.write(block)
            if is_device and copy.tell() > MAX_DEVICE_BYTES:
                copy.close()
                raise OSError(errno.EFBIG, "it is an endless device")
        copy.seek(0)
        return copy


def read_table(
    source: CsvSource, problems: ProblemList, columns: Columns, options: CsvOptions
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """
    Yield the rows, each with the number of its first line and its fields in the order of the known columns.

    Raises ProblemsError when the header is wrong; problems of rows are collected, and the rows left out.
    """
    rows = read_rows(source, problems, columns.known, options)
    line, header = next(rows, (1, []))
    problems.require_none()
    picker = ColumnPicker(header, columns, options)
    for problem in picker.problems:
        problems.add(line, problem)
    problems.require_none()
    problems.warnings += picker.warnings
    for line, row in rows:
        fields = picker.pick(line, row, problems)
        if fields is not None:
            yield line, fields


def read_rows(
    source: CsvSource, problems: ProblemList, known: Sequence[str] = (), options: CsvOptions = NO_OPTIONS
) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and the rows, each with the number of its first line; skip blank lines and invalid rows."""
    source.file.seek(0)
    try:
        form = csv_format.detect(source.file.read(csv_format.SAMPLE_SIZE), options, known)
    except FormatError as error:
        problems.add(1, str(error))
        return
    source.file.seek(0)
    text = TextIOWrapper(source.file, form.encoding, MARK_INVALID, form.newline)
    try:
        yield from _parse_rows(_Lines(text, form, problems), form, problems)
    finally:
        if not source.file.closed:  # a reader that was given up may be closed late
            text.detach()


def _parse_rows(lines: "_Lines", form: CsvFormat, problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(BLOCK_SIZE)
    rows = csv.reader(lines, strict=True, delimiter=form.delimiter)
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.is_cut or not _report_csv_error(str(error), line, problems):
                return
            continue
        joined = "".join(row)
        if not joined or joined.isspace() or lines.last_invalid >= line or (form.has_directive and line == 1):
            continue
        if len(joined) > MAX_FIELD and _report_long_field(line, row, problems):
            continue
        yield line, [csv_cells.unescape_formula(cell) for cell in row] if "'" in joined else row


def _report_csv_error(error: str, line: int, problems: ProblemList) -> bool:
    """Report an invalid row in our words; return False when the rows after it cannot be read."""
    problems.add(line, next((ours for part, ours in PARSER_ERRORS.items() if part in error), "not a valid CSV row"))
    return not error.startswith(_FATAL)


def _report_long_field(line: int, row: list[str], problems: ProblemList) -> bool:
    place, length = max(enumerate(map(len, row), 1), key=lambda field: field[1])
    if length > MAX_FIELD:
        problems.add(line, f"field {place} is too long: {length:,} characters; use at most {MAX_FIELD:,}")
    return length > MAX_FIELD


class _Lines:
    """The lines of a file; the first one that cannot be decoded and one that is too long are reported."""

    def __init__(self, text: TextIOWrapper, form: CsvFormat, problems: ProblemList) -> None:
        self.last_invalid = 0
        self.is_cut = False
        self._text = text
        self._form = form
        self._problems = problems

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(iter(partial(self._text.readline, BLOCK_SIZE), ""), 1):
            if not line.isascii() and INVALID in line:
                self._report_invalid(number, line)
            if len(line) == BLOCK_SIZE and line[-1] not in "\r\n":
                self._report_long_line(number)
                return
            yield line.removeprefix("\ufeff") if number == 1 else line

    def _report_invalid(self, number: int, line: str) -> None:
        if not self.last_invalid:  # the others have the same reason
            self._problems.add(number, csv_format.describe_invalid_text(line, self._form.encoding))
        self.last_invalid = number

    def _report_long_line(self, number: int) -> None:
        length = BLOCK_SIZE
        for rest in iter(partial(self._text.readline, BLOCK_SIZE), ""):
            length += len(re.sub(r"[\r\n]+\Z", "", rest))
            if rest[-1] in "\r\n":
                break
        self.is_cut = True
        self._problems.add(number, f"the line is too long: {length:,} characters; use at most {BLOCK_SIZE:,}")
