"""Reading CSV: every record with its line, whatever its fields hold."""

import csv
import io
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.actions.problems import ProblemList
from gamcli.bulk import csv_input
from gamcli.bulk.csv_input import BYTE_ORDER_MARK, CsvSource

FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ROWS = st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=6)


def read(data: bytes) -> list[tuple[int, list[str]]]:
    faults = ProblemList("f")
    found = list(csv_input.read_rows(CsvSource("f", io.BytesIO(data), len(data), b""), faults))
    assert faults.problems == []
    return found


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), mark=st.sampled_from([b"", BYTE_ORDER_MARK]), last=st.booleans())
def test_what_was_written_is_read(rows: list[tuple[str, str]], end: str, mark: bytes, last: bool) -> None:  # noqa: FBT001
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    data = text.getvalue() if last else text.getvalue().removesuffix(end)
    found = read(mark + data.encode())
    assert [tuple(row) for _, row in found] == rows
    assert all(data.encode().split(b"\n")[line - 1].startswith(b'"') for line, _ in found)


def test_records_are_reported_with_the_line_where_they_begin() -> None:
    found = read(b'a,b\n\n"1\n2\n3",x\r\n\r\n4,"\r\n"\n5,6')
    assert found == [(1, ["a", "b"]), (3, ["1\n2\n3", "x"]), (7, ["4", "\r\n"]), (9, ["5", "6"])]


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\nb\n")
    with csv_input.open_csv(str(path)) as source:
        assert (source.name, source.size, source.digest) == (str(path), 4, sha256(b"a\nb\n").digest())
        for _ in range(2):
            assert list(csv_input.read_rows(source, ProblemList("f"))) == [(1, ["a"]), (2, ["b"])]


def test_a_line_too_long_for_a_table_is_reported() -> None:
    faults = ProblemList("f")
    data = b"a\n" + b"x" * (3 * csv_input.BLOCK_SIZE)
    assert list(csv_input.read_rows(CsvSource("f", io.BytesIO(data), 0, b""), faults)) == [(1, ["a"])]
    assert [str(fault) for fault in faults.problems] == ["f:2: unterminated field: is a quote missing?"]


@pytest.mark.parametrize("header", [["b", "a"], ["a", "b", "c"], ["a"]])
def test_fields_are_put_in_order(header: list[str]) -> None:
    told: list[str] = []
    pick = csv_input.column_picker(header, ["a", "b", "c"], ["a"], told.append)
    assert told == []
    assert dict(zip("abc", pick([each.upper() for each in header]), strict=True)) == {
        each: each.upper() if each in header else "" for each in "abc"
    }
