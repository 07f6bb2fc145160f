"""Users of a CSV file: what a list writes, create reads."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamcli.bulk import user_columns
from gamcli.model import User
from gamcli.render import machine
from gamcli.render.csv_cells import unescape_formula

Run = Callable[..., Any]

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRINTABLE = st.characters(categories=["L", "N", "P", "S"], include_characters=" ")
TEXTS = st.text(PRINTABLE, max_size=20)
IN_ROLES = st.characters(categories=["L", "N", "P", "S"], include_characters=" ", exclude_characters="+,;")
ROLE = st.text(IN_ROLES, min_size=1, max_size=8).map(str.strip)
ROLES = st.lists(ROLE.filter(bool), unique=True).map(tuple)
PEOPLE = st.builds(
    lambda **values: User(created_at=NOW, updated_at=NOW, **values),  # not User, whose other fields would be generated
    guid=st.uuids().map(str),
    name=st.text(PRINTABLE, min_size=1, max_size=20),
    email=TEXTS,
    verified_email=st.booleans(),
    first_name=TEXTS,
    address=TEXTS,
    custom_info=TEXTS,
    roles=ROLES,
    attributes=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS)),
    enabled=st.booleans(),
    blocked=st.booleans(),
)


@settings(max_examples=30)
@given(people=st.lists(PEOPLE, max_size=2))
def test_what_a_list_writes_is_read_back(people: list[User]) -> None:
    lines = [machine.csv_row(machine.field_paths(User))]
    lines += [machine.csv_row(machine.flatten(machine.to_dict(user, NOW)).values()) for user in people]
    found = csv.DictReader(io.StringIO("\n".join(lines) + "\n"))
    rows = [{name: unescape_formula(cell) for name, cell in row.items()} for row in found]
    read = [User(**user_columns.parse_row(row), created_at=NOW, updated_at=NOW) for row in rows]  # type: ignore[arg-type]
    assert read == people


def test_the_users_of_one_store_are_made_in_another(world: Run, program: Run, place: Path) -> None:
    more = (
        "--attribute",
        'Area=x+y,"z"',
        "--attribute",
        "Area=b",
        "--role",
        "boss",
        "--no-verified-email",
        "--custom-info",
        "vip",
    )
    assert world("user", "create", "bob", "--birthday", "2000-02-29", "--gender", "M", *more).code == 0
    formulas = ("--city", "=1+1", "--role", "@SUM", "--phone", "+54 11 4321", "--state", "'-x")
    assert world("user", "update", "bob", *formulas).code == 0
    assert world("user", "block", "bob").code == 0
    table = world("user", "list", "-o", "csv").out
    assert ",'=1+1,''-x," in table
    assert ",+54 11 4321," in table
    other = ("--store", str(place / "other.db"))
    assert world(*other, "init").code == 0
    ran = program(*other, "user", "create", "--from", "-", stdin=table.encode())
    assert (ran.code, ran.err) == (0, "gamcli: created 2 users\n")
    here, there = world("user", "list", "-o", "json").json, world(*other, "user", "list", "-o", "json").json
    for user in (*here, *there):
        del user["created_at"], user["updated_at"]
    assert there == here


INVALID_ROWS = """name,email,guid,enabled,roles,attributes,birthday
,,,,,,
ana,,,,,,
bob,bob@x.org,,,,,
Bob,,,,,,
cy,BOB@x.org,,,,,
di,,12,,,,
ed,,,maybe,,,
fi,,,,,not json,
gu,,,,,"{""a"": 1}",
ha,,,,,,2000-02-30
il,,,,a++b,,
"""

PROBLEMS = """users.csv:3: user 'ana' already exists; gamcli user show ana
users.csv:5: user 'Bob' is already in line 4
users.csv:6: email 'BOB@x.org' is already in line 4
users.csv:7: invalid GUID '12'
users.csv:8: invalid enabled 'maybe': use true or false
users.csv:9: the attributes are not valid JSON
users.csv:10: invalid attributes: use {"Id": "text", "List": ["one", "two"], "WithIds": {"A": "one"}}
users.csv:11: invalid birthday '2000-02-30'; use YYYY-MM-DD
users.csv:12: the name of a role is empty; use 1 to 254 characters
"""


def test_every_fault_is_reported_with_its_line_and_no_user_is_made(world: Run, place: Path) -> None:
    (place / "users.csv").write_text(INVALID_ROWS, encoding="utf-8")
    ran = world("user", "create", "--from", "users.csv")
    assert ran.code == 2
    assert "".join(ran.err.splitlines(keepends=True)[1:-1]) == PROBLEMS
    assert len(world("user", "list", "-o", "json").json) == 1


def test_users_that_are_there_already_are_taken_as_they_are_when_asked(world: Run, place: Path) -> None:
    text = "name,first_name,guid\nana,Ana,\nbob,,\n"
    (place / "users.csv").write_text(text, encoding="utf-8")
    ran = world("user", "create", "--from", "users.csv", "--if-missing")
    assert (ran.code, ran.err) == (0, "gamcli: created 1 user, 1 already existed\n")
    other = "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"
    for row, fields in (
        ("ana,Anna,", "first_name"),
        (f"ana,Ana,{other}", "guid"),
        (f"ANA,Anna,{other}", "name, guid, first_name"),
    ):
        (place / "users.csv").write_text(f"name,first_name,guid\n{row}\n", encoding="utf-8")
        ran = world("user", "create", "--from", "users.csv", "--if-missing")
        assert ran.code == 2
        assert f"already exists with different settings: {fields}; gamcli user show ana\n" in ran.err


def test_users_that_differ_are_updated_when_asked(world: Run, place: Path) -> None:
    assert world("user", "create", "bob", "--email", "bob@x.org").code == 0
    text = "name,first_name,email,city\nana,Anna,,Salto\nbob,,,\ncy,Cy,,\n"
    (place / "users.csv").write_text(text, encoding="utf-8")
    words = ("user", "create", "--from", "users.csv", "--update")
    plan = world(*words, "--dry-run", "-o", "json").json
    assert [(change["action"], change["name"]) for change in plan["changes"]] == [("update", "ana"), ("create", "cy")]
    assert world(*words).err == "gamcli: created 1 user, updated 1, 1 already existed\n"
    ana = world("user", "show", "ana", "-o", "json").json
    assert (ana["first_name"], ana["city"], ana["email"]) == ("Anna", "Salto", "ana@example.com")
    assert world("audit", "list", "--action", "user.update", "--field", "target").out == "ana\n"
    for row, message in (
        ("ana,bob@x.org", "email 'bob@x.org' already belongs to user 'bob'"),
        ("ANA,a@x.org", "different settings: name"),
        ("ana,a@x.org\nana,b@x.org", "users.csv:3: user 'ana' is already in line 2"),
    ):
        (place / "users.csv").write_text(f"name,email\n{row}\n", encoding="utf-8")
        assert message in world(*words).err
    assert "--update requires --from" in world("user", "create", "dan", "--update").err


def test_a_guid_that_is_provided_is_saved_and_names_nobody_else(world: Run, place: Path) -> None:
    guid = "6F1B4A52-0D0E-4B5E-9C1F-0A1B2C3D4E5F"
    (place / "users.csv").write_text(f"guid,name\n{guid},bob\n", encoding="utf-8")
    assert world("user", "create", "--from", "users.csv").code == 0
    assert world("user", "show", "bob", "--field", "guid").out == f"{guid.lower()}\n"
    (place / "users.csv").write_text(f"guid,name\n{guid},cy\n", encoding="utf-8")
    assert f"users.csv:2: guid '{guid.lower()}' already exists" in world("user", "create", "--from", "users.csv").err


def test_a_dry_run_of_users_makes_none(world: Run, place: Path) -> None:
    (place / "users.csv").write_text("name\nbob\n", encoding="utf-8")
    found = json.loads(world("user", "create", "--from", "users.csv", "--dry-run", "-o", "json").out)
    assert [change["name"] for change in found["changes"]] == ["bob"]
    assert len(world("user", "list", "-o", "json").json) == 1


@pytest.mark.parametrize("words", [(), ("bob", "--from", "users.csv"), ("--from", "users.csv", "--email", "a@b.c")])
def test_one_user_or_a_file_of_them(world: Run, words: tuple[str, ...]) -> None:
    assert world("user", "create", *words).code == 2


def test_a_spreadsheet_with_semicolons_is_read(world: Run, program: Run, place: Path) -> None:
    lines = ["Name;First Name;E-Mail;Roles;Enabled;Cost", "bea;Béa;bea@x.org;boss, clerk;yes;7", "coco;;;a;;", ";;;;;"]
    (place / "users.csv").write_bytes("\r\n".join([*lines, ""]).encode("cp1252"))
    ran = world("user", "create", "--from", "users.csv", "--ignore-column", "cost")
    assert "users.csv:1: unknown column 'E-Mail'; did you mean email?" in ran.err
    words = ("user", "create", "--from", "-", "--ignore-column", "cost", "--encoding", "cp1252")
    data = (place / "users.csv").read_bytes()
    data = data.replace(b"E-Mail", b"EMAIL")
    (place / "users.csv").write_bytes(data)
    ran = world("user", "create", "--from", "users.csv", "--ignore-column", "cost")
    assert "users.csv:2: not UTF-8 text (character 6 of the line): try --encoding cp1252\n" in ran.err
    assert program(*words, stdin=data).err == "gamcli: created 2 users\n"
    bea = world("user", "show", "bea", "-o", "json").json
    assert (bea["first_name"], bea["roles"], bea["enabled"]) == ("Béa", ["boss", "clerk"], True)


@pytest.mark.parametrize("option", [("--delimiter", ";"), ("--encoding", "cp1252"), ("--ignore-column", "x")])
def test_options_of_a_file_need_one(world: Run, option: tuple[str, str]) -> None:
    assert f"{option[0]} requires --from" in world("user", "create", "bob", *option).err
    assert f"{option[0]} requires --from" in world("key", "generate", "--user", "ana", "--app", "portal", *option).err
