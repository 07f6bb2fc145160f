"""Records as programs get them: the fields of the contract, in every format."""

import csv
import io
import json
import re
from collections.abc import Callable
from subprocess import PIPE, Popen
from typing import Any

import pytest

from tests.cases import for_each

Run = Callable[..., Any]

# Written from the contract by hand: these names are promises to scripts.
AUTH_TYPE = "name type description enabled default created_at updated_at managed_by"
APP = (
    "name client_id description enabled scopes grants last_used_at remote_rest api_keys token require_scope"
    " share_user_ids one_token_per_user managed_by created_at updated_at secret_retires_at"
)
API_KEYS = "enabled timeout_hours auth_type scope_choice"
TOKEN_POLICY = "timeout_minutes renewals"
USER = (
    "guid name email verified_email first_name last_name external_id birthday gender url_image url_profile phone"
    " address city state post_code language timezone roles attributes enabled blocked managed_by created_at updated_at"
    " password_set_at password_must_change password_expires_at custom_info"
)
KEY = (
    "id user app client_id auth_type scopes status label created_at expires_at last_used_at retires_at ended_at reason"
    " managed_by enabled disabled_at replaces grants last_used_from"
)
TOKEN = "id user app key scopes status issued_at expires_at session ended_at reason"

LISTS = {
    "auth-type": AUTH_TYPE,
    "app": APP,
    "user": USER,
    "key": KEY,
    "token": TOKEN,
    "scope": "name reveals claims",
    "config": "name value",
}
INSTANT = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")


@pytest.fixture
def full(world: Run, api_key: str, token: str) -> Run:
    assert api_key
    assert token
    return world


@pytest.mark.parametrize("noun", LISTS)
def test_a_list_is_an_array_of_records_with_the_promised_fields(full: Run, noun: str) -> None:
    found = full(noun, "list", "-o", "json").json
    assert isinstance(found, list)
    assert [" ".join(record) for record in found] == [LISTS[noun]] * len(found)
    assert found


@pytest.mark.parametrize("noun", LISTS)
def test_json_lines_and_csv_and_value_say_what_json_says(full: Run, noun: str) -> None:
    found = full(noun, "list", "-o", "json").json
    lines = full(noun, "list", "-o", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == found
    rows = list(csv.DictReader(io.StringIO(full(noun, "list", "-o", "csv").out, newline="")))
    assert len(rows) == len(found)
    first = LISTS[noun].split(maxsplit=1)[0]
    assert [row[first] for row in rows] == [record[first] for record in found]
    assert full(noun, "list", "--field", first).out.splitlines() == [record[first] for record in found]
    assert full(noun, "list", "-o", "value", "--field", first).out.splitlines() == [record[first] for record in found]


@pytest.mark.parametrize(
    ("noun", "name"), [("auth-type", "apikey"), ("app", "portal"), ("user", "ana"), ("key", None), ("token", None)]
)
def test_show_is_the_record_that_the_list_has(full: Run, noun: str, name: str | None) -> None:
    records = full(noun, "list", "-o", "json").json
    wanted = next(each for each in records if name in (None, each.get("name")))
    argument = name or wanted["id"]
    assert full(noun, "show", argument, "-o", "json").json == wanted
    assert json.loads(full(noun, "show", argument, "-o", "jsonl").out) == wanted
    table = full(noun, "show", argument).out
    if noun in ("app", "user", "key"):
        assert table.startswith({"app": "application"}.get(noun, noun) + f"  {argument}  ")
        return
    assert [line.split()[0].partition(".")[0] for line in table.splitlines()] == flattened(wanted)


def flattened(record: dict[str, Any]) -> list[str]:
    return [
        name
        for name, value in record.items()
        for _ in (value if isinstance(value, dict) and name != "attributes" else (None,))
    ]


def test_the_nested_records_of_an_application_have_the_promised_fields(full: Run) -> None:
    found = full("app", "show", "portal", "-o", "json").json
    assert " ".join(found["api_keys"]) == API_KEYS
    assert " ".join(found["token"]) == TOKEN_POLICY
    assert found["api_keys"] == {"enabled": True, "timeout_hours": 0, "auth_type": None, "scope_choice": False}
    assert found["token"] == {"timeout_minutes": 60, "renewals": 0}
    assert (found["scopes"], found["managed_by"], found["grants"]) == (["gam_user_data", "gam_user_roles"], None, 1)


@pytest.mark.parametrize("noun", ["auth-type", "app", "user", "key", "token"])
def test_times_are_rfc_3339_in_utc(full: Run, noun: str) -> None:
    for record in full(noun, "list", "-o", "json").json:
        for name, value in record.items():
            if name.endswith("_at") and value is not None:
                assert INSTANT.fullmatch(value), (name, value)


@pytest.mark.parametrize("noun", ["app", "user", "key", "token"])
def test_an_empty_list_is_an_empty_array(gamcli: Run, noun: str) -> None:
    gamcli("init")
    assert gamcli(noun, "list", "-o", "json") == (0, "[]\n", "")
    assert gamcli(noun, "list", "-o", "jsonl") == (0, "", "")
    assert gamcli(noun, "list") == (0, "", "gamcli: nothing to list\n")
    head = gamcli(noun, "list", "-o", "csv").out
    assert head.startswith(",".join(LISTS[noun].split()[:7]))
    gamcli("app", "create", "portal", "--remote-rest", "--api-keys")
    gamcli("user", "create", "ana")
    gamcli("key", "generate", "--user", "ana", "--app", "portal")
    if noun != "token":
        assert gamcli(noun, "list", "-o", "csv").out.startswith(head)


def test_csv_spells_nested_fields_with_dots_and_joins_lists(full: Run) -> None:
    full("user", "update", "ana", "--attribute", "team=a,b", "--attribute", 'team="c"')
    (user,) = csv.DictReader(io.StringIO(full("user", "list", "-o", "csv").out, newline=""))
    assert json.loads(user["attributes"]) == {"team": ["a,b", '"c"']}
    assert (user["roles"], user["enabled"], user["blocked"], user["managed_by"]) == ("operator", "true", "false", "")
    (app,) = csv.DictReader(io.StringIO(full("app", "show", "portal", "-o", "csv").out, newline=""))
    assert (app["scopes"], app["api_keys.enabled"]) == ("gam_user_data+gam_user_roles", "true")
    assert (app["token.timeout_minutes"], app["api_keys.auth_type"]) == ("60", "")


FIELDS = {
    "scopes": "gam_user_data+gam_user_roles",
    "enabled": "true",
    "last_used_at": "",
    "api_keys.timeout_hours": "0",
    "token.renewals": "0",
    "token": '{"timeout_minutes": 60, "renewals": 0}',
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_the_raw_value_alone(world: Run, field: str) -> None:
    assert world("app", "show", "portal", "--field", field) == (0, f"{FIELDS[field]}\n", "")


SHOWING = (
    "init",
    "auth-type create new --type APIkey",
    "auth-type list",
    "auth-type update local --enable",
    "auth-type set-default local",
    "auth-type delete local --yes",
    "app create new",
    "app list",
    "app update portal --description new",
    "app disable portal",
    "app rotate-secret portal --overlap 0",
    "app delete portal --yes",
    "user create new",
    "user list",
    "user update ana --city new",
    "user block ana",
    "user set-password ana --password-file -",
    "user delete ana --yes",
    "key generate --user ana --app portal",
    "key list",
    "key list --available --user ana",
    "key revoke --user ana",
    "key verify --api-key-file -",
    "key explain --api-key-file -",
    "key inspect --api-key-file -",
    "token list",
    "audit list",
    "audit verify",
    "audit head",
    "scope list",
    "config list",
    "config get store",
)
"""Commands that print records."""


@for_each("line", SHOWING)
@for_each("form", [["--field", "nope"], ["-o", "value"], ["-o", "json", "--field", "name"]])
def test_a_field_that_cannot_be_shown_is_refused_before_anything_is_done(
    world: Run, sql: Run, line: str, form: list[str]
) -> None:
    before = sql("SELECT * FROM audit"), sql("SELECT * FROM app"), sql("SELECT * FROM user")
    ran = world(*line.split(), *form, stdin="correct horse battery staple")
    assert ran.code == 2
    assert "--field" in (ran.err if "json" in form else ran.hint)
    assert (sql("SELECT * FROM audit"), sql("SELECT * FROM app"), sql("SELECT * FROM user")) == before


def test_an_unknown_field_names_those_that_there_are(world: Run) -> None:
    names = world("app", "show", "portal", "--field", "nope").hint.removeprefix("use --field with one of: ").split(", ")
    nested = {"api_keys": API_KEYS, "token": TOKEN_POLICY}
    assert names == [
        f"{name}.{inner}" if inner else name for name in APP.split() for inner in nested.get(name, "").split(" ")
    ]


@pytest.mark.parametrize(("form", "rows"), [("table", 2001), ("json", 2002), ("jsonl", 2000), ("csv", 2001)])
def test_a_long_list_has_every_row_in_order(world: Run, many_keys: int, form: str, rows: int) -> None:
    lines = world("key", "list", "-o", form).out.splitlines()
    assert len(lines) == rows
    assert re.findall(r"\b[0-9]{8}\b", "\n".join(lines)) == [f"{number:08}" for number in range(1, many_keys + 1)]


@pytest.mark.usefixtures("many_keys")
def test_a_list_begins_before_it_ends(line: list[str]) -> None:
    for form, head in (("table", b"ID "), ("json", b"["), ("jsonl", b"{"), ("csv", b"id,")):
        with Popen([*line, "key", "list", "-o", form], stdout=PIPE) as process:
            assert process.stdout
            assert process.stdout.read(3).startswith(head[:3])
            assert process.poll() is None


def test_a_table_in_a_pipe_is_never_cut(world: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "x" * 250
    world("app", "update", "portal", "--description", long)
    head, row = world("app", "list").out.splitlines()
    assert row.endswith(f"  {long}")
    assert row.index(long) == head.index("DESCRIPTION")
    assert f"  description             {long}\n" in world("app", "show", "portal").out
