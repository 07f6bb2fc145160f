"""`gamcli export`, and `-o toml` of `show` commands."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

PORTAL = """\
[app.portal]
client_id = "CLIENT_ID"
enabled = true
scopes = ["gam_user_data", "gam_user_roles"]
remote_rest = true
api_keys = { enabled = true, timeout_hours = 0, auth_type = "any", scope_choice = false }
token = { timeout_minutes = 60, renewals = 0 }
require_scope = false
share_user_ids = true
one_token_per_user = false
"""
ANA = """\
[user.ana]
email = "ana@example.com"
first_name = "Ana"
roles = ["operator"]
enabled = true
blocked = false
"""
KEY = """\
[[key]]
user = "ana"
app = "portal"
scopes = ["gam_user_data", "gam_user_roles"]
"""
APIKEY = '[auth_type.apikey]\ntype = "APIkey"\ndescription = "API keys"\nenabled = true\n'


@pytest.fixture
def portal(world: Run) -> str:
    return PORTAL.replace("CLIENT_ID", world("app", "show", "portal", "--field", "client_id").out.strip())


def test_an_export_is_a_manifest(world: Run, api_key: str, portal: str) -> None:
    text = world("export").out
    assert text.startswith('[repository]\ndefault_auth_type = "local"\n\n')
    assert text.endswith(f"{portal}\n{ANA}\n{KEY}")
    assert api_key not in text
    assert world("export", "--app", "portal").out == f"{portal}\n{KEY}"
    assert world("export", "--user", "ana@example.com", "--no-keys").out == ANA
    assert world("export", "--auth-type", "apikey").out == APIKEY


def test_an_export_can_be_json(world: Run, api_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_key
    expected = tomllib.loads(world("export").out)
    assert world("export", "-o", "json").json == expected
    monkeypatch.setenv("GAMCLI_OUTPUT", "json")
    assert world("export").json == expected
    assert tomllib.loads(world("export", "-o", "toml").out) == expected


def test_a_file_is_updated_from_the_store(world: Run, place: Path) -> None:
    file = place / "m.toml"
    file.write_text('# ours\n[user.ana]\nfirst_name = "Anna" # short\n[user.bo]\n', encoding="utf-8")
    ran = world("export", "--update", "m.toml", "--no-keys")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "gamcli: updated m.toml: changed 1 object, added 4 objects, removed 1 object\n"
    assert file.read_text(encoding="utf-8").startswith('# ours\n[user.ana]\nfirst_name = "Ana" # short\n')
    assert world("export", "--update", "m.toml").err == "gamcli: no changes: m.toml is up to date\n"


def test_a_file_with_problems_exits_with_2(world: Run, place: Path) -> None:
    (place / "m.toml").write_text("[user.ana]\nx = 1\n", encoding="utf-8")
    ran = world("export", "--update", "m.toml")
    assert ran.code == 2
    assert ran.err.splitlines()[1].startswith("m.toml:2: user.ana.x: unknown field")
    assert world("export", "--update", "nope.toml").code == 2
    assert world("export", "--update", "m.toml", "-o", "json").code == 2
    assert world("export", "--app", "nope").code == 3


def test_show_can_print_a_manifest_table(world: Run, key_id: str, portal: str) -> None:
    assert world("app", "show", "portal", "-o", "toml").out == portal
    assert world("user", "show", "ana", "-o", "toml").out == ANA
    assert world("key", "show", key_id, "-o", "toml").out == KEY
    assert world("auth-type", "show", "apikey", "-o", "toml").out == APIKEY
    ran = world("user", "show", "ana", "-o", "toml", "--field", "email")
    assert (ran.code, ran.hint) == (2, "-o value, or --field without -o")
    assert world("user", "list", "-o", "toml").code == 2


def test_an_export_is_planned_without_changes_for_any_owner(world: Run, place: Path) -> None:
    (place / "m.toml").write_text("[app.shop]\n[user.ana]\n", encoding="utf-8")
    (place / "n.toml").write_text("[user.bob]\n", encoding="utf-8")
    assert world("apply", "m.toml", "--owner", "team a", "--secrets-out", "s.env").code == 0
    assert world("apply", "n.toml").code == 0
    text = world("export").out
    assert text.startswith("# gamcli owner: team a\n\n[repository]\n")
    assert "\n# gamcli owner: n.toml\n[user.bob]\n" in text
    (place / "all.toml").write_text(text, encoding="utf-8")
    found = world("plan", "all.toml", "-o", "json").json
    assert (found["changes"], found["leaves"]) == ([], [])
    assert {each["from"] for each in found["adopts"]} == {None}
    assert world("drift", "all.toml").code == 0


def test_the_example_in_the_help_of_export_works(world: Run, place: Path) -> None:
    assert world("key", "generate", "--user", "ana", "--app", "portal", "--out", "k").code == 0
    exported = world("export", "--app", "portal").out
    (place / "portal.toml").write_text(exported, encoding="utf-8")
    ran = world("plan", "portal.toml")
    assert (ran.code, "to create" in ran.err) == (0, False)


def test_several_files_are_updated_and_a_folder_is_named(world: Run, place: Path) -> None:
    (place / "a.toml").write_text("[user.ana]\n", encoding="utf-8")
    (place / "b.toml").write_text("[app.portal]\n", encoding="utf-8")
    ran = world("export", "--update", "a.toml", "--update", "b.toml", "--no-keys")
    assert ran.err.splitlines()[0] == "gamcli: updated a.toml: changed 1 object"
    assert ran.err.splitlines()[1].startswith("gamcli: updated b.toml: changed 1 object, added")
    (place / "gam").mkdir()
    ran = world("export", "--update", "gam")
    assert (ran.code, ran.hint) == (2, "use --update once for each file")
    assert "gam is a folder" in ran.err
