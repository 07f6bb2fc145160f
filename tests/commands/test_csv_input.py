"""Reading CSV: every record with its line, whatever its fields hold."""

import csv
import io
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.actions.problems import ProblemList
from gamcli.bulk import csv_format, csv_input
from gamcli.bulk.csv_format import NO_OPTIONS, Columns, CsvOptions
from gamcli.bulk.csv_input import CsvSource
from gamcli.errors import ProblemsError, UsageError
from tests.cases import for_each

FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ROWS = st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=6)


MARK = b"\xef\xbb\xbf"
COLUMNS = Columns(("user", "app", "first_name"), ("user", "app"))


def read(data: bytes) -> list[tuple[int, list[str]]]:
    faults = ProblemList("f")
    found = list(csv_input.read_rows(CsvSource("f", io.BytesIO(data), len(data), b""), faults))
    assert faults.problems == []
    return found


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), mark=st.sampled_from([b"", MARK]), last=st.booleans())
def test_what_was_written_is_read(rows: list[tuple[str, str]], end: str, mark: bytes, last: bool) -> None:  # noqa: FBT001
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    data = text.getvalue() if last else text.getvalue().removesuffix(end)
    found = read(mark + data.encode())
    assert [tuple(row) for _, row in found[1:]] == [row for row in rows if "".join(row).strip()]
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


def read_table(data: bytes, options: CsvOptions = NO_OPTIONS) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the rows and the problems."""
    problems, rows = ProblemList("f"), []
    with suppress(ProblemsError):
        for _, row in csv_input.read_table(CsvSource("f", io.BytesIO(data), 0, b""), problems, COLUMNS, options):
            rows.append(row)
    return rows, [str(problem).removeprefix("f:") for problem in problems.problems]


ANA = ("ana", "portal", "Ána")


@for_each("delimiter", [",", ";", "\t"])
@for_each("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@for_each("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_write_is_read(delimiter: str, encoding: str, end: str) -> None:
    lines = ["User,First Name,APP", "ana,Ána,portal", '"","",""', "bob,,portal", ",,"]
    data = end.join(line.replace(",", delimiter) for line in lines).encode(encoding)
    options = CsvOptions(encoding=encoding) if encoding == "utf-16-be" else CsvOptions()
    assert read_table(data, options) == ([ANA, ("bob", "portal", "")], [])


def test_excels_first_line_names_the_delimiter() -> None:
    data = "SEP=|\r\nuser|app|first_name\r\nana|portal|Ána\r\n"
    assert read_table(data.encode("utf-8-sig")) == ([ANA], [])
    assert read_table(data.replace("|", ";").encode("utf-16")) == ([ANA], [])
    problems = ProblemList("f")
    source = CsvSource("f", io.BytesIO(data.encode()), 0, b"")
    assert [line for line, _ in csv_input.read_rows(source, problems)] == [2, 3]


def test_an_encoding_without_a_mark_is_an_option() -> None:
    data = "user;app;first_name\nana;portal;Ána\n".encode("cp1252")
    assert read_table(data, CsvOptions(encoding="cp1252")) == ([ANA], [])
    assert read_table("user|app|first_name\nana|portal|Ána".encode(), CsvOptions(delimiter="|")) == ([ANA], [])


@for_each(
    ("header", "row"),
    [
        ("app,user", "portal,ana"),
        ("user,,app,", "ana,,portal,"),
        ("user,app,,", "ana,portal"),
        (",,\nuser,app", "ana,portal,,"),
    ],
)
def test_columns_without_a_name_or_a_value_are_passed_over(header: str, row: str) -> None:
    assert read_table(f"{header}\n{row}\n".encode()) == ([("ana", "portal", "")], [])


CP1252 = "user,app,first_name\nx,portal,y\n" + "ana,portal,Ána\n" * 3
LONG = "x" * (csv_input.MAX_FIELD + 1)


@for_each(
    ("data", "problem"),
    [
        (CP1252.encode("cp1252"), "3: not UTF-8 text (character 12 of the line): try --encoding cp1252"),
        ("usér,app\n".encode("cp1252"), "1: not UTF-8 text (character 3 of the line): try --encoding cp1252"),
        ("user,app\nana,b\n".encode("utf-16-le"), "1: the header is not UTF-8 text: try --encoding utf-16-le"),
        ("user,app\nana,b\n".encode("utf-16-be"), "1: the header is not UTF-8 text: try --encoding utf-16-be"),
        (b"\xff\xfeu\0s\0\0\xdc,\0", "1: not UTF-16 text (character 3 of the line): try --encoding utf-8"),
        (b"PK\x03\x04\x14", "1: this is a spreadsheet, not CSV: save it as 'CSV UTF-8' first"),
        (b"user|app\nana|b\nbob|b\n", "1: the whole header is one column, 'user|app': try --delimiter '|'"),
        (b"user,app,app,APP,app\n", "1: duplicate column 'app'"),
        (b"user,app,\n1,2,\n1,2,3\n", "3: field 3 has a value, but its column has no name in the header"),
        (b"user,app,\n1,2\n1\n", "3: 1 field, but the header has 2"),
        (b"user,app\n1,2,3\n", "2: 3 fields, but the header has 2"),
        (f"user,app\nana,{LONG}\nbob,b".encode(), "2: field 2 is too long: 131,073 characters; use at most 131,072"),
        (
            b"user,app\n" + b"x" * (3 * csv_input.BLOCK_SIZE) + b"\nbob,b\n",
            "2: the line is too long: 3,145,728 characters; use at most 1,048,576",
        ),
        (b"user,app,hue\n", "1: unknown column 'hue'; use user, app, first_name; to skip it: --ignore-column hue"),
        (b"usr,app,user\n", "1: unknown column 'usr'; did you mean user? To skip it: --ignore-column usr"),
    ],
)
def test_one_reason_is_one_problem(data: bytes, problem: str) -> None:
    assert read_table(data)[1] == [problem]


PARSER_ERRORS = {
    b'user,app\nana,"b\nbob,b\n': "2: the quote that opens a field here is never closed",
    b'user,app\n"a"b,c\n': '2: text follows the closing quote of a field: double a quote inside a field, as in ""',
    b"user,app\na\rb,c\n": "2: a carriage return in a field without quotes",
    b'user,app\nana,"' + b"x\n" * csv_input.BLOCK_SIZE + b'"\n': (
        "2: a field is longer than 1,048,576 characters: is a closing quote missing?"
    ),
}
"""An input for each error that Python's parser has, and our words."""


@for_each(("data", "problem"), PARSER_ERRORS.items())
def test_no_words_of_the_parser_are_shown(data: bytes, problem: str) -> None:
    with pytest.raises(csv.Error) as caught:
        list(csv.reader(io.StringIO(data.decode(), newline="\n"), strict=True))
    assert read_table(data)[1] == [problem]
    assert str(caught.value) not in problem


def test_every_error_of_the_parser_has_our_words() -> None:
    seen = {problem.partition(": ")[2] for problem in PARSER_ERRORS.values()}
    assert seen == set(csv_input.PARSER_ERRORS.values())


def test_columns_that_are_ignored_may_be_unknown() -> None:
    data = b"user,app,Cost Center\nana,portal,7\n"
    assert read_table(data, CsvOptions(ignored_columns=("Cost Center",))) == ([("ana", "portal", "")], [])
    assert read_table(data, CsvOptions(ignored_columns=("cost_center", "hue")))[1] == [
        "1: --ignore-column: no column named 'hue'"
    ]
    assert "missing column 'app'" in read_table(data, CsvOptions(ignored_columns=("cost_center", "app")))[1][0]


@for_each(
    ("delimiter", "encoding", "message"),
    [("xx", None, "invalid delimiter 'xx'"), ('"', None, "invalid delimiter"),
     (None, "utf-9", "unknown encoding 'utf-9'"),
     (None, "base64", "unknown encoding 'base64'"), ("a", None, "invalid delimiter 'a'")],
)  # fmt: skip
def test_options_are_checked(delimiter: str | None, encoding: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        csv_format.parse_options(delimiter, encoding, None)
    assert csv_format.parse_options("tab", "CP1252", ["x"]) == ("\t", "CP1252", ("x",))
