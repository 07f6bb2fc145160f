"""Tables and records for people."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gamcli import model
from gamcli.render import human, machine
from gamcli.render.text import clean

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def key(number: int, label: str = "") -> dict[str, object]:
    made = model.Key(
        f"{number:08}", "ana", "guid", "portal", "id", "apikey", ("user_email",), bytes(32), NOW, label=label
    )
    return machine.to_dict(made, NOW)


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True, highlight=False, markup=False)


@given(st.text())
def test_clean_text_is_printable_and_as_long(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) == len(text)
    assert clean(text) == text or not text.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        ({}, "-"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        (["a", "b\x1b"], "a b?"),
        ({"x\x07": ["a"], "y": ""}, "x?=a, y=-"),
        ("[red]", "[red]"),
    ],
)
def test_a_cell_is_what_people_read(value: object, text: str) -> None:
    assert human.format_cell(value) == text


def test_a_plain_table_is_aligned_and_never_cut() -> None:
    lines = list(human.format_table(model.Key, [key(1, "x" * 300), key(2)], None))
    assert lines[0] == "ID        USER  APP     STATUS  EXPIRES_AT  SCOPES      LABEL"
    assert lines[1].endswith("  " + "x" * 300)
    assert lines[2] == "00000002  ana   portal  active  never       user_email  -"


def test_a_long_table_comes_as_it_is_read() -> None:
    read = 0

    def source() -> Iterator[dict[str, object]]:
        nonlocal read
        for read in range(1, human.SCREEN_ROWS * 3 + 1):
            yield key(read)

    lines = human.format_table(model.Key, source(), console(80))
    next(lines)
    assert read <= human.SCREEN_ROWS + 1
    assert len(list(lines)) == read == human.SCREEN_ROWS * 3


def test_no_records_are_no_table() -> None:
    assert list(human.format_table(model.Key, [], None)) == []


@pytest.mark.parametrize("width", [80, 120])
def test_a_drawn_table_fits_and_loses_nothing(width: int) -> None:
    label = " ".join(f"word{number}" for number in range(40))
    (drawn,) = human.format_table(model.Key, [key(number, label) for number in range(3)], console(width))
    plain = strip(drawn)
    assert max(map(len, plain.splitlines())) <= width
    for number in range(3):
        assert f"{number:08}" in plain
    letters = "".join(plain.split())
    assert letters.count("39") == 3
    assert plain.count("active") == 3


def strip(drawn: str) -> str:
    text, _, rest = drawn.partition("\x1b[")
    while rest:
        more, _, rest = rest.partition("m")[2].partition("\x1b[")
        text += more
    return text


@pytest.mark.parametrize("text", ["[red]x[/red]", ":smile:", "[link=http://x]y", "\\[bold]"])
def test_markup_is_text(text: str) -> None:
    for terminal in (None, console(200)):
        assert text in strip("\n".join(human.format_table(model.Key, [key(1, text)], terminal)))
        assert text in strip(human.format_record({"label": text}, terminal))


def test_a_panel_is_a_field_a_line() -> None:
    assert (
        human.format_record({"a": 1, "long_name": [], "b": "x\n"}, None) == "a          1\nlong_name  -\nb          x?"
    )
    drawn = strip(human.format_record({"name": "x" * 100, "on": True}, console(60)))
    assert max(map(len, drawn.splitlines())) <= 60
    assert "".join(drawn.split()).count("x") == 100


@dataclass(frozen=True)
class Unnamed:
    """A record without defined columns."""

    one: str
    two: bool


@pytest.mark.parametrize("terminal", [None, console(80)])
def test_a_record_without_columns_shows_all_its_fields(terminal: Console | None) -> None:
    text = strip("\n".join(human.format_table(Unnamed, [{"one": "a", "two": True}], terminal))).lower()
    assert text.split()[:2] == ["one", "two"]
    assert text.split()[-2:] == ["a", "yes"]


@pytest.mark.parametrize("kind", machine.FIELDS)
def test_every_column_finds_its_value_in_the_promised_fields(kind: type) -> None:
    record = {name: {"enabled": True} if name == "api_keys" else "" for name in machine.FIELDS[kind]}
    assert len(list(human.format_table(kind, [record], None))) == 2
