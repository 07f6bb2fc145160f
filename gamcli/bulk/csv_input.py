"""
Reading CSV (RFC 4180) that people hand in: a row at a time, each with the line where it begins, and every fault told.

A byte order mark and line ends of either kind are taken as they come; the text is UTF-8, columns stand in any order.
The apostrophe that keeps our own CSV from beginning a formula is taken away again.
"""

import csv
import os
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
"""So many bytes are read at once; a longer line is no row of a table."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs put before UTF-8 text."""


class CsvSource(NamedTuple):
    """An input that can be read from its beginning: its name in messages, its size and SHA-256."""

    name: str
    file: IO[bytes]
    size: int
    digest: bytes


@contextmanager
def open_csv(path: str) -> Iterator[CsvSource]:
    """Open the file at `path`; '-' is stdin, which like a pipe is copied to a private file first."""
    try:
        file, digest = _open_seekable(path), sha256()
        for block in iter(partial(file.read, BLOCK_SIZE), b""):
            digest.update(block)
    except OSError as error:
        raise UsageError(f"cannot read --from {path}: {error.strerror}", "--from FILE.csv, or '-' for stdin") from error
    with file:
        yield CsvSource("stdin" if path == "-" else path, file, file.tell(), digest.digest())


def _open_seekable(path: str) -> IO[bytes]:
    found: IO[bytes] = open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb")  # noqa: SIM115 - returned
    if path != "-" and stat.S_ISREG(os.fstat(found.fileno()).st_mode):
        return found
    with found:
        copy = TemporaryFile()  # noqa: SIM115 - returned
        for block in iter(partial(found.read, BLOCK_SIZE), b""):
            copy.write(block)
        copy.seek(0)
        return copy


def column_picker(
    header: Sequence[str], known: Sequence[str], required: Sequence[str], report: Callable[[str], None]
) -> Callable[[list[str]], tuple[str, ...]]:
    """
    Return what puts the fields of a row in the order of `known`, with nothing for a column that is not there.

    What is wrong with the header is told.
    """
    for name in header:
        if name not in known:
            report(_unknown_column_message(name, known))
        elif header.count(name) > 1:
            report(f"two columns '{name}'")
    for name in required:
        if name not in header:
            report(f"no column '{name}': the first line names the columns, such as {','.join(required)}")
    places = [header.index(name) if name in header else len(header) for name in known]
    pick = itemgetter(*places)

    def in_order(row: list[str]) -> tuple[str, ...]:
        row.append("")
        return pick(row)  # type: ignore[no-any-return]

    return in_order


def _unknown_column_message(name: str, known: Sequence[str]) -> str:
    if ";" in name or "\t" in name:
        return "the columns are not separated by commas"
    near = closest_match(name.lower(), known)
    return f"no column is called '{escape_unprintable(name)}'; " + (
        f"did you mean {near}?" if near else f"there are {', '.join(known)}"
    )


def read_rows(source: CsvSource, problems: ProblemList) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and the rows, each with the line where it begins; empty lines are left out, faults told."""
    source.file.seek(0)
    text = _DecodedLines(source.file, problems)
    rows, width = csv.reader(text, strict=True), 0
    while True:
        first = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if not _report_csv_error(error, first, problems):
                return
            continue
        if not row or text.has_invalid_line(first):
            continue
        width = width or len(row)
        if len(row) == width:
            yield first, [csv_cells.unescape_formula(cell) for cell in row] if "'" in "".join(row) else row
        else:
            problems.add(first, f"{len(row)} fields, but the header names {width}")


def _report_csv_error(error: csv.Error, line: int, problems: ProblemList) -> bool:
    """Tell what is wrong in a row; False when nothing behind it can be read."""
    if "unexpected end" in str(error) or "field limit" in str(error):
        problems.add(line, "a field does not end: is a quote missing?")
        return False
    problems.add(line, f"this is no CSV: {error}")
    return True


class _DecodedLines:
    """The lines of a file as text."""

    def __init__(self, file: IO[bytes], problems: ProblemList) -> None:
        self._lines = iter(partial(file.readline, BLOCK_SIZE), b"")
        self._problems = problems
        self._number = 0
        self._last_invalid_line = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, 1):
            try:
                yield (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).decode()
            except UnicodeDecodeError as error:
                self._last_invalid_line = number
                self._problems.add(number, f"this is not UTF-8 text (byte {error.start + 1} of the line)")
                yield line.decode(errors="replace")

    def has_invalid_line(self, first: int) -> bool:
        """Say whether a line from `first` on, of those that were read, is no text."""
        return self._last_invalid_line >= first
