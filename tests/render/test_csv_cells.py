"""CSV cells: none begins a formula, and every text can be restored."""

import csv

from hypothesis import given
from hypothesis import strategies as st

from gamcli.render.csv_cells import escape_formula, format_row, unescape_formula
from tests.cases import for_each


@for_each(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", ";=1", "\uff1d1+1", "\uff20x", "--", "+1-2"],
)
def test_what_begins_a_formula_gets_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == f"'{text}"
    assert unescape_formula(escape_formula(text)) == text


@for_each(
    "text",
    ["", "ana", "a=b", "a+b", "'quoted'", "+54 11 4321 1234", "+5", "-7.25", "2026-03-01T12:00:00Z", "{}", "0123"],
)
def test_what_begins_none_stays_as_it_is(text: str) -> None:
    assert escape_formula(text) == text
    assert unescape_formula(text) == text


@given(st.text(alphabet="'=+-@;\t\r a1", max_size=6) | st.text())
def test_every_text_comes_back(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text
    assert escape_formula(text)[:1] not in ("=", "@", ";", "\t", "\r")


def test_an_apostrophe_that_guards_nothing_is_text() -> None:
    assert unescape_formula("'s Gravenhage") == "'s Gravenhage"


def test_a_row_that_other_spreadsheets_would_split_is_quoted() -> None:
    rows = [["a", "b"], ["a;=1+1", "b"], ["a\t=1", ""], ["", ""]]
    lines = [*map(format_row, rows)]
    assert lines == ["a,b", '"a;=1+1","b"', '"a\t=1",""', ","]
    assert [*csv.reader(lines)] == rows


def test_a_cell_with_a_line_break_is_quoted() -> None:
    assert format_row(["a\nb", "c"]) == '"a\nb",c'
