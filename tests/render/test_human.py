"""Tables and records for people."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from gamcli import model
from gamcli.model.maintenance import StoreCheck
from gamcli.render import human, machine
from gamcli.render.text import clean
from tests.cases import for_each

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PIPE = human.Screen(None)


@dataclass(frozen=True)
class Unnamed:
    """A record without defined columns."""

    one: str
    two: bool


def key(number: int, label: str = "") -> dict[str, object]:
    made = model.Key(f"{number:08}", "ana", "guid", "portal", "id", ("user_email",), bytes(32), NOW, label=label)
    return machine.to_dict(made, NOW)


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True, highlight=False, markup=False)


def terminal(width: int) -> human.Screen:
    return human.Screen(console(width), is_wide=False)


@given(st.text())
def test_clean_text_is_printable_and_as_long(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) == len(text)
    assert clean(text) == text or not text.isprintable()


@for_each(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        ({}, "-"),
        (0, "0"),
        (1234567, "1,234,567"),
        (True, "yes"),
        (False, "no"),
        (["a", "b\x1b"], "a b?"),
        ({"x\x07": ["a"], "y": ""}, "x?=a, y=-"),
        ({"x": {"a": "b", "c": "d"}, "y": {}}, "x={a=b, c=d}, y=-"),
        ("[red]", "[red]"),
    ],
)
def test_a_cell_is_what_people_read(value: object, text: str) -> None:
    assert human.format_cell(value) == text


def test_a_plain_table_is_aligned_and_never_cut() -> None:
    lines = list(human.format_table(model.Key, [key(1, "x" * 300), key(2)], PIPE).lines)
    assert (
        lines[0]
        == f"ID        USER  APP     STATUS  EXPIRES_AT  SCOPES      {'LABEL'.ljust(300)}  LAST_USED_AT  GRANTS"
    )
    assert lines[1].endswith(f"  {'x' * 300}  never         0")
    assert lines[2].split() == ["00000002", "ana", "portal", "active", "never", "user_email", "-", "never", "0"]


@pytest.mark.parametrize("screen", [PIPE, human.Screen(None, is_wide=False)])
def test_a_table_is_aligned_over_twenty_thousand_rows(screen: human.Screen) -> None:
    last = human.ALIGNED_ROWS
    rows = ({"one": "x" * (30 if number == last else 1), "two": True} for number in range(1, last + 1))
    lines = list(human.format_table(Unnamed, rows, screen).lines)
    assert {line.index(word) for line, word in zip(lines, ["TWO", *["yes"] * last], strict=True)} == {32}


def test_a_longer_table_comes_as_it_is_read() -> None:
    read = 0

    def source() -> Iterator[dict[str, object]]:
        nonlocal read
        for read in range(1, human.ALIGNED_ROWS + 100):
            yield {"one": str(read), "two": True}

    table = human.format_table(Unnamed, source(), terminal(80))
    next(table.lines)
    assert read == human.ALIGNED_ROWS
    assert len(list(table.lines)) == read == human.ALIGNED_ROWS + 99


def test_no_records_are_no_table() -> None:
    assert list(human.format_table(model.Key, [], PIPE).lines) == []


@for_each(
    ("width", "hidden"),
    [
        (200, ()),
        (92, ()),
        (88, ("grants",)),
        (66, ("label", "last_used_at", "grants")),
        (40, ("expires_at", "scopes", "label", "last_used_at", "grants")),
        (5, None),
    ],
)
def test_columns_that_do_not_fit_are_left_out(width: int, hidden: tuple[str, ...] | None) -> None:
    label = " ".join(f"word{number}" for number in range(40))
    table = human.format_table(model.Key, [key(number, label) for number in range(3)], terminal(width))
    lines = [strip(line) for line in table.lines]
    assert max(map(len, lines)) <= max(width, len("00000000"))
    assert len(lines) == 4
    heads = lines[0].split()
    assert heads == [head.upper() for head in human.COLUMNS["Key"]][: len(heads)]
    if hidden is not None:
        assert table.hidden == hidden
        assert [head.lower() for head in heads] + list(hidden) == list(human.COLUMNS["Key"])
    assert all("…" in line for line in lines[1:]) == ("label" not in (hidden or ()))


def test_a_wide_table_shows_everything() -> None:
    table = human.format_table(model.Key, [key(1, "x" * 300)], human.Screen(console(40), is_wide=True))
    assert (table.hidden, f"  {'x' * 300}  never  " in [strip(line) for line in table.lines][1]) == ((), True)


def test_a_table_that_must_be_complete_wraps_at_words() -> None:
    words = " ".join(f"word{number}" for number in range(40))
    record = {"ok": True, "name": "short", "what": words, "mend": "gamcli app update closed --remote-rest"}
    (head, *lines) = [strip(line) for line in human.format_table(StoreCheck, [record], human.Screen(console(60))).lines]
    assert max(map(len, lines)) <= 60
    assert sorted(word for line in lines for word in line.split() if word.startswith("word")) == sorted(words.split())
    assert "--remote-rest" in "".join(lines)
    assert head.split() == ["CHECK", "WHAT", "SUGGESTED", "COMMAND"]


def test_a_table_that_must_be_complete_wraps_paths_and_names_at_punctuation() -> None:
    """And only if that does not fit either, it is cut like a list."""
    path = "/".join(f"folder-{number}" for number in range(20))
    record = {"ok": True, "name": "short", "what": path, "mend": "-"}
    lines = [strip(line) for line in human.format_table(StoreCheck, [record], human.Screen(console(60))).lines]
    assert max(map(len, lines)) <= 60
    assert "".join(line[10:40].strip() for line in lines[1:]) == path
    assert all(line[:40].rstrip()[-1] in "/-9" for line in lines[1:])
    record["what"] = "x" * 100
    table = human.format_table(StoreCheck, [record], human.Screen(console(60)))
    assert [strip(line) for line in table.lines][1] == f"✓  short  {'x' * 30}…  -"


def test_wide_letters_are_aligned() -> None:
    rows = [{"one": "日本語日本語日本語", "two": True}, {"one": "x", "two": False}]
    lines = [strip(line) for line in human.format_table(Unnamed, rows, terminal(20)).lines]
    places = [cell_len(line[: line.index(word)]) for line, word in zip(lines, ["TWO", "yes", "no"], strict=True)]
    assert len({*places}) == 1


def strip(drawn: str) -> str:
    text, _, rest = drawn.partition("\x1b[")
    while rest:
        more, _, rest = rest.partition("m")[2].partition("\x1b[")
        text += more
    return text


@for_each("text", ["[red]x[/red]", ":smile:", "[link=http://x]y", "\\[bold]"])
def test_markup_is_text(text: str) -> None:
    for shown in (None, console(200)):
        assert text in strip("\n".join(human.format_table(model.Key, [key(1, text)], human.Screen(shown)).lines))
        assert text in strip(human.format_record({"label": text}, shown))


def test_a_panel_is_a_field_a_line() -> None:
    assert (
        human.format_record({"a": 1, "long_name": [], "b": "x\n"}, None) == "a          1\nlong_name  -\nb          x?"
    )
    drawn = strip(human.format_record({"name": "x" * 100, "on": True}, console(60)))
    assert max(map(len, drawn.splitlines())) <= 60
    assert "".join(drawn.split()).count("x") == 100


@pytest.mark.parametrize("shown", [None, console(80)])
def test_a_record_without_columns_shows_all_its_fields(shown: Console | None) -> None:
    text = strip("\n".join(human.format_table(Unnamed, [{"one": "a", "two": True}], human.Screen(shown)).lines))
    assert text.split()[:2] == ["ONE", "TWO"]
    assert text.split()[-2:] == ["a", "yes"]


@for_each("kind", machine.FIELDS)
def test_every_column_finds_its_value_in_the_promised_fields(kind: type) -> None:
    record = {name: {"enabled": True} if name == "api_keys" else "" for name in machine.FIELDS[kind]}
    assert len(list(human.format_table(kind, [record], PIPE).lines)) == 2
