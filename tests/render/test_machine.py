"""Records for programs."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli import model
from gamcli.errors import InvalidatesKeysError, UsageError
from gamcli.render import machine
from gamcli.render.csv_cells import unescape_formula
from tests.cases import for_each

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT)
RECORDS = st.dictionaries(TEXT, SCALARS | st.dictionaries(TEXT, SCALARS))
PRINTABLE = st.text(st.characters(categories=("L", "M", "N", "P", "S"))).filter(str.isprintable)
APP = model.App("portal", "id", bytes(32), NOW, NOW, scopes=("user_email", "user_phone"))
KEY = model.Key("AbCdEfGh", "ana", "guid", "portal", "id", ("user_email",), bytes(32), NOW, NOW + timedelta(hours=1))


@given(st.lists(RECORDS))
def test_an_array_is_one_document_with_a_record_a_line(records: list[dict[str, Any]]) -> None:
    lines = list(machine.json_array(records))
    assert json.loads("\n".join(lines)) == records
    assert len(lines) == (len(records) + 2 if records else 1)


@given(RECORDS)
def test_json_says_what_there_is_and_holds_nothing_that_drives_a_terminal(record: dict[str, Any]) -> None:
    for text in (machine.json_line(record), machine.json_document(record)):
        assert json.loads(text) == record
        bad = {letter for letter in text if letter < " " and letter != "\n"} | (
            set(text) & set("\x7f\x80\x9b\u202e\u2066")
        )
        assert bad == set()
    assert "\n" not in machine.json_line(record)


@given(st.lists(PRINTABLE, min_size=1))
def test_a_row_of_csv_comes_back_as_it_was(values: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(machine.csv_row(values), newline=""))
    assert [*map(unescape_formula, row)] == values


def test_no_cell_of_csv_begins_a_formula() -> None:
    values = ["=1", ["@x", "y"], -5, {"=a": "b"}, None, True]
    assert machine.csv_row(values) == """'=1,'@x+y,-5,"{""=a"": ""b""}",,true"""


@given(st.text())
def test_a_scalar_holds_nothing_that_drives_a_terminal(text: str) -> None:
    assert machine.format_scalar(text).isprintable()
    assert machine.format_scalar([text, text]).isprintable()


@for_each(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        ([], ""),
        (["a", "b"], "a+b"),
        ({}, "{}"),
        ({"team": ["a", 'b"']}, '{"team": ["a", "b\\""]}'),
    ],
)
def test_a_scalar_is_raw_text(value: object, text: str) -> None:
    assert machine.format_scalar(value) == text


def test_a_record_is_plain_with_its_status_at_the_instant() -> None:
    found = machine.to_dict(KEY, NOW)
    assert tuple(found) == machine.FIELDS[model.Key]
    assert (found["status"], found["created_at"], found["scopes"]) == ("active", "2026-03-01T12:00:00Z", ["user_email"])
    assert machine.to_dict(KEY, NOW + timedelta(hours=1))["status"] == "expired"
    assert "digest" not in found


def test_a_flat_record_spells_out_records_and_not_attributes() -> None:
    assert machine.flatten({"a": 1, "token": {"renewals": 2}, "attributes": {"x": "y"}}) == {
        "a": 1,
        "token.renewals": 2,
        "attributes": {"x": "y"},
    }


@for_each("kind", machine.FIELDS)
def test_every_promised_field_is_one_of_the_record(kind: type) -> None:
    for name in machine.FIELDS[kind]:
        assert hasattr(kind, name)
    assert model.SECRET_FIELDS & set(machine.FIELDS[kind]) == set()


def test_the_paths_of_a_kind_are_the_names_of_its_flat_records() -> None:
    assert machine.field_paths(model.App) == tuple(machine.flatten(machine.to_dict(APP, NOW)))
    assert machine.field_paths(model.Key) == machine.FIELDS[model.Key]


@dataclass(frozen=True)
class Unnamed:
    """A record that is not in the table."""

    one: str
    two: int


def test_a_record_that_is_not_in_the_table_shows_all_it_has() -> None:
    assert machine.field_names(Unnamed) == machine.field_paths(Unnamed) == ("one", "two")
    assert machine.to_dict(Unnamed("a", 2), NOW) == {"one": "a", "two": 2}


@for_each("field", ["name", "api_keys", "api_keys.auth_type", "client_secret"])
def test_a_field_that_there_is_may_be_shown(field: str) -> None:
    machine.require_field(model.App, field, ["client_secret"])


@for_each("field", [None, "", "nope", "api_keys.nope", "api_key", "secret_digest"])
def test_a_field_that_there_is_not_may_not(field: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        machine.require_field(model.App, field, ["client_secret"])
    assert caught.value.hint
    assert caught.value.hint.endswith("secret_retires_at, client_secret")


def test_a_picked_field_is_raw() -> None:
    record = machine.to_dict(APP, NOW)
    assert machine.pick_field(record, "scopes") == "user_email+user_phone"
    assert machine.pick_field(record, "token.timeout_minutes") == "60"
    assert json.loads(machine.pick_field(record, "token")) == {"timeout_minutes": 60, "renewals": 0}
    assert machine.pick_field(record, "client_secret") == ""


def test_an_error_is_one_line_with_the_keys_that_would_end() -> None:
    problem = InvalidatesKeysError(
        "this ends 1 live key", "add it", [model.KeyImpact(KEY, is_permanent=True, reason="gone")]
    )
    text = machine.format_error(problem, NOW)
    assert "\n" not in text
    found = json.loads(text)["error"]
    assert list(found) == ["code", "message", "hint", "keys"]
    assert (found["keys"][0]["id"], found["keys"][0]["reason"]) == ("AbCdEfGh", "gone")
