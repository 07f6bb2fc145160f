"""`gamcli user`."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cases import for_each

Run = Callable[..., Any]

PASSWORD = "correct horse battery staple"
TEXTS = {
    "email": "bob@example.com",
    "first_name": "Bob",
    "last_name": "de Souza",
    "external_id": "E-7",
    "birthday": "1980-02-29",
    "gender": "M",
    "url_image": "https://example.com/bob.png",
    "url_profile": "https://example.com/bob",
    "phone": "+598 2 123",
    "address": "Calle 1",
    "city": "Montevideo",
    "state": "MVD",
    "post_code": "11000",
    "language": "Spanish",
    "timezone": "America/Montevideo",
    "custom_info": '{"tier": "gold"}',
}


def named(ran: Any) -> list[str]:  # noqa: ANN401 - Ran
    return [each["name"] for each in ran.json]


def test_create_says_the_guid(world: Run) -> None:
    ran = world("user", "create", "bob")
    assert (ran.code, ran.out) == (0, "")
    guid = world("user", "show", "bob", "--field", "guid").out.strip()
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", guid)
    assert ran.err == f"gamcli: created user 'bob', GUID {guid}\n"


def test_create_takes_every_field(world: Run) -> None:
    texts = [word for name, value in TEXTS.items() for word in (f"--{name.replace('_', '-')}", value)]
    found = world(
        "user", "create", "bob", *texts, "--verified-email", "--role", "operator", "--role", "admin",
        "--attribute", "team=red=blue", "--attribute", "tag=a", "--attribute", "tag=b",
        "--attribute", "CompanyID[GX]=GeneXus", "--attribute", "CompanyID[A=]=a]=[b", "-o", "json",
    ).json  # fmt: skip
    assert {name: found[name] for name in TEXTS} == TEXTS
    assert found["verified_email"] is True
    assert found["roles"] == ["operator", "admin"]
    assert found["attributes"] == {"team": "red=blue", "tag": ["a", "b"], "CompanyID": {"GX": "GeneXus", "A=": "a]=[b"}}
    assert (found["enabled"], found["blocked"], found["managed_by"]) == (True, False, None)
    assert world("user", "show", "bob", "-o", "json").json == found


def test_create_of_what_is_there_is_5_unless_it_may_be(world: Run) -> None:
    guid = world("user", "show", "ana", "--field", "guid").out.strip()
    for name in ("ana", "ANA", "ana@example.com", guid):
        assert world("user", "create", name).code == 5
    ran = world("user", "create", "ana", "--email", "ana@example.com", "--if-missing")
    assert ran == (0, "", f"gamcli: already exists with these settings: user 'ana', GUID {guid}\n")
    assert world("user", "create", "ana", "--city", "other", "--if-missing").code == 5
    assert world("user", "create", "bob", "--email", "Ana@Example.com").code == 5


@for_each(
    "words",
    [
        ["--email", "no email"],
        ["--first-name", "a\x07b"],
        ["--attribute", "team"],
        ["--attribute", "team[]=red"],
        ["--attribute", "team[a]=red", "--attribute", "team[a]=blue"],
        ["--attribute", "team[a]=red", "--attribute", "team=blue"],
    ],
)
def test_create_refuses_what_cannot_be_and_makes_nothing(world: Run, words: list[str]) -> None:
    ran = world("user", "create", "bob", *words)
    assert ran.code == 2
    assert ran.err.replace("\n", "").isprintable()
    assert world("user", "show", "bob").code == 3


def test_list_filters_sorts_and_limits(world: Run) -> None:
    world("user", "create", "bob", "--role", "admin", "--attribute", "team=red")
    world("user", "create", "cyd")
    world("user", "disable", "bob")
    world("user", "block", "cyd")
    assert named(world("user", "list", "-o", "json")) == ["ana", "bob", "cyd"]
    assert named(world("user", "list", "--enabled", "-o", "json")) == ["ana", "cyd"]
    assert named(world("user", "list", "--disabled", "-o", "json")) == ["bob"]
    assert named(world("user", "list", "--blocked", "-o", "json")) == ["cyd"]
    assert named(world("user", "list", "--unblocked", "-o", "json")) == ["ana", "bob"]
    assert named(world("user", "list", "--role", "admin", "-o", "json")) == ["bob"]
    assert named(world("user", "list", "--attribute", "team", "-o", "json")) == ["bob"]
    assert named(world("user", "list", "--sort", "-name", "--limit", "2", "-o", "json")) == ["cyd", "bob"]


def test_the_table_says_the_state(world: Run) -> None:
    world("user", "create", "bob")
    world("user", "create", "cyd")
    world("user", "disable", "bob")
    world("user", "disable", "cyd")
    world("user", "block", "cyd")
    states = [line.split()[2] for line in world("user", "list").out.splitlines()]
    assert states == ["STATUS", "active", "disabled", "blocked"]


def test_update_changes_what_is_named_and_clears_what_is_empty(world: Run) -> None:
    words = ["user", "update", "ana", "-o", "json"]
    assert world(*words, "--city", "Paris", "--no-verified-email").json["city"] == "Paris"
    assert world(*words, "--first-name", "").json["first_name"] == ""
    assert world(*words, "--role", "b", "--role", "a").json["roles"] == ["b", "a"]
    assert world(*words, "--role", "").json["roles"] == []
    assert world(*words, "--attribute", "x=1").json["attributes"] == {"x": "1"}
    assert world(*words, "--attribute", "").json["attributes"] == {}
    assert world(*words, "--email", "new@example.com").json["email"] == "new@example.com"
    assert world("user", "show", "ana@example.com").code == 3
    assert world("user", "update", "ana") == (0, "", "gamcli: user 'ana' is unchanged: it already has these settings\n")


@pytest.mark.usefixtures("api_key")
@pytest.mark.parametrize(("verb", "undo"), [("disable", "enable"), ("block", "unblock")])
def test_what_suspends_keys_is_done_at_once_and_says_how_to_undo_it(world: Run, verb: str, undo: str) -> None:
    ran = world("user", verb, "ana")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == (
        f"gamcli: {verb.removesuffix('e')}ed user 'ana'\n"
        f"gamcli: warning: this suspends 1 active key; to undo it: gamcli user {undo} ana\n"
    )
    assert "it already has these settings" in world("user", verb, "ana").err
    assert world("user", undo, "ana") == (0, "", f"gamcli: {undo.removesuffix('e')}ed user 'ana'\n")


@pytest.mark.usefixtures("api_key")
def test_a_warning_is_reported_even_when_quiet(world: Run) -> None:
    ran = world("--quiet", "user", "block", "ana")
    assert ran.err == "gamcli: warning: this suspends 1 active key; to undo it: gamcli user unblock ana\n"


def test_set_password_reads_a_file_or_stdin(world: Run, place: Path, sql: Run) -> None:
    (place / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    for words in (["password"], ["-"], ["-", "-o", "json"]):
        ran = world("user", "set-password", "ana", "--password-file", *words, stdin=PASSWORD)
        assert ran.code == 0
        assert PASSWORD not in ran.out + ran.err
    (kept,) = sql("SELECT password_hash FROM user")
    assert kept[0]
    assert PASSWORD not in kept[0]
    assert world("user", "set-password", "ana", "--password-file", "password").err == (
        "gamcli: user 'ana' has a new password\n"
    )


def test_a_password_may_have_to_be_changed_and_may_expire(world: Run) -> None:
    fields = ("password_set_at", "password_must_change", "password_expires_at")
    ask = ("user", "set-password", "ana", "--password-file", "-", "-o", "json")
    before = json.loads(world("user", "show", "ana", "-o", "json").out)
    assert [before[name] for name in fields] == [None, False, None]
    first = json.loads(world(*ask, "--must-change", "--expires-in", "90d", stdin=PASSWORD).out)
    assert first["password_must_change"] is True
    life = datetime.fromisoformat(first["password_expires_at"]) - datetime.fromisoformat(first["password_set_at"])
    assert life == timedelta(days=90)
    assert "password_must_change" in world("user", "show", "ana").out
    second = json.loads(world(*ask, stdin=PASSWORD).out)
    assert [second[name] for name in fields[1:]] == [False, None]
    assert "password_must_change" not in world("user", "show", "ana").out


@pytest.mark.parametrize("life", ["0", "x"])
def test_a_password_that_expires_at_once_is_2(world: Run, life: str) -> None:
    ran = world("user", "set-password", "ana", "--password-file", "-", "--expires-in", life, stdin=PASSWORD)
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        ([], "", "missing option --password-file"),
        (["--password-file", "-"], "", "--password-file - is empty"),
        (["--password-file", "-"], "\n", "--password-file - is empty"),
        (["--password-file", "nowhere"], "", "cannot read --password-file nowhere: "),
        (["--password-file", "."], "", "cannot read --password-file .: "),
    ],
)
def test_a_password_that_is_not_there_is_2(world: Run, words: list[str], stdin: str, message: str) -> None:
    ran = world("user", "set-password", "ana", *words, stdin=stdin)
    assert ran.code == 2
    assert message in ran.err


def test_a_password_of_bytes_that_are_no_text_is_2(program: Run, world: Run) -> None:
    assert world("user", "list").code == 0
    ran = program("user", "set-password", "ana", "--password-file", "-", stdin=b"\xff\xfe secret")
    assert (ran.code, ran.out) == (2, "")
    assert "not UTF-8 text" in ran.err
    assert "secret" not in ran.err


def test_an_unknown_user_is_3_before_a_password_is_read(world: Run) -> None:
    assert world("user", "set-password", "nope").code == 3


def test_delete_needs_a_yes(world: Run) -> None:
    assert world("user", "delete", "ana").code == 2
    assert world("user", "delete", "ana@example.com", "--yes") == (0, "", "gamcli: deleted user 'ana'\n")
    assert world("user", "list", "-o", "json").json == []


@pytest.mark.usefixtures("api_key")
def test_delete_needs_the_number_of_keys_that_end(world: Run) -> None:
    assert world("user", "delete", "ana", "--yes").code == 5
    ran = world("user", "delete", "ana", "--accept-invalidating", "1")
    assert ran == (0, "", "gamcli: deleted user 'ana'; permanently invalidated 1 key\n")
    assert world("key", "list", "-o", "json").json == []


def test_a_password_can_expire_at_a_date(world: Run) -> None:
    words = ("user", "set-password", "ana", "--password-file", "-", "-o", "json")
    ran = world(*words, "--expires-at", "2127-06-30", stdin=PASSWORD)
    assert ran.json["password_expires_at"] == "2127-06-30T00:00:00Z"
    assert world(*words, "--expires-at", "2020-01-01", stdin=PASSWORD).code == 2
    assert world(*words, "--expires-at", "2127-06-30", "--expires-in", "9d", stdin=PASSWORD).code == 2
