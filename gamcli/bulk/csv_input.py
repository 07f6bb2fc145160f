"""
Read CSV files (RFC 4180) row by row, with the line number of each row, and collect all problems.

The text is UTF-8, with or without a byte order mark; lines may end with LF or CRLF; columns may have any order. The
apostrophe that gamcli's own CSV output puts before formulas is removed.
"""

import csv
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from gamcli.actions.problems import ProblemList
from gamcli.errors import UsageError
from gamcli.render import csv_cells
from gamcli.rules.names import closest_match, escape_unprintable

BLOCK_SIZE = 1 << 20
"""How many bytes are read at once, and the maximum length of a line."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""The UTF-8 byte order mark, which some programs write."""


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
        copy = TemporaryFile()  # noqa: SIM115 - returned
        shutil.copyfileobj(file, copy, BLOCK_SIZE)
        copy.seek(0)
        return copy


def column_picker(
    header: Sequence[str], known: Sequence[str], required: Sequence[str], report: Callable[[str], None]
) -> Callable[[list[str]], tuple[str, ...]]:
    """
    Return a function that puts the fields of a row into the order of `known`, with "" for columns that are missing.

    Problems of the header are passed to `report`.
    """
    for name in header:
        if name not in known:
            report(_unknown_column_message(name, known))
        elif header.count(name) > 1:
            report(f"duplicate column '{name}'")
    for name in required:
        if name not in header:
            report(f"missing column '{name}': the first line must name the columns, such as {','.join(required)}")
    positions = [header.index(name) if name in header else len(header) for name in known]
    pick = itemgetter(*positions)

    def reorder(row: list[str]) -> tuple[str, ...]:
        row.append("")
        return pick(row)  # type: ignore[no-any-return]

    return reorder


def _unknown_column_message(name: str, known: Sequence[str]) -> str:
    if ";" in name or "\t" in name:
        return "the columns are not separated by commas"
    near = closest_match(name.lower(), known)
    hint = f"did you mean {near}?" if near else f"use {', '.join(known)}"
    return f"unknown column '{escape_unprintable(name)}'; {hint}"


def read_rows(source: CsvSource, problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and the rows, each with the number of its first line; skip empty lines and invalid rows."""
    source.file.seek(0)
    text = _DecodedLines(source.file, problems)
    rows, width = csv.reader(text, strict=True), 0
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if not _report_csv_error(error, line, problems):
                return
            continue
        if not row or text.has_invalid_line(line):
            continue
        width = width or len(row)
        if len(row) == width:
            yield line, [csv_cells.unescape_formula(cell) for cell in row] if "'" in "".join(row) else row
        else:
            problems.add(line, f"{len(row)} fields, but the header has {width}")


def _report_csv_error(error: csv.Error, line: int, problems: ProblemList) -> bool:
    """Report an invalid row; return False when the rows after it cannot be read."""
    if "unexpected end" in str(error) or "field limit" in str(error):
        problems.add(line, "unterminated field: is a quote missing?")
        return False
    problems.add(line, f"invalid CSV: {error}")
    return True


class _DecodedLines:
    """The lines of a file as text; invalid UTF-8 is reported."""

    def __init__(self, file: IO[bytes], problems: ProblemList) -> None:
        self._lines = iter(partial(file.readline, BLOCK_SIZE), b"")
        self._problems = problems
        self._last_invalid_line = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, 1):
            try:
                yield (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).decode()
            except UnicodeDecodeError as error:
                self._last_invalid_line = number
                self._problems.add(number, f"invalid UTF-8 (byte {error.start + 1} of the line)")
                yield line.decode(errors="replace")

    def has_invalid_line(self, first: int) -> bool:
        """Say whether line `first`, or a later one that was read, is invalid UTF-8."""
        return self._last_invalid_line >= first
