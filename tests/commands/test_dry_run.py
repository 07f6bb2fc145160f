"""`--dry-run` and `--preview`: what a change would do, and nothing of it done."""

import csv
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cases import for_each

Run = Callable[..., Any]

CHANGES: dict[str, tuple[str, str]] = {
    "auth-type create second --type APIkey": ("create", "auth-type"),
    "auth-type update apikey --disable": ("update", "auth-type"),
    "auth-type set-default apikey": ("update", "auth-type"),
    "auth-type delete apikey": ("delete", "auth-type"),
    "app create shop --scope gam_user_data": ("create", "app"),
    "app update portal --remove-scope gam_user_roles": ("update", "app"),
    "app enable closed": ("update", "app"),
    "app disable portal": ("update", "app"),
    "app rename portal gate": ("update", "app"),
    "app rotate-secret portal --overlap 0": ("update", "app"),
    "app delete portal": ("delete", "app"),
    "user create eva --role operator": ("create", "user"),
    "user update ana --city Salto": ("update", "user"),
    "user enable away": ("update", "user"),
    "user disable ana": ("update", "user"),
    "user block ana": ("update", "user"),
    "user unblock away": ("update", "user"),
    "user set-password ana --password-file password": ("update", "user"),
    "user rename ana eva": ("update", "user"),
    "user delete ana": ("delete", "user"),
    "key generate --user idle --app open": ("create", "key"),
    "key import --user idle --app open --api-key-file old_key": ("create", "key"),
    "key rotate {key} --overlap 0": ("create", "key"),
    "key update {key} --label ci": ("update", "key"),
    "key disable {key}": ("update", "key"),
    "key enable {off}": ("update", "key"),
    "key revoke {key}": ("update", "key"),
    "token revoke {token}": ("update", "token"),
}
"""A command line for each verb that changes the store, and the step that it comes to."""

READ_ONLY = {
    "quickstart", "serve", "run", "completion", "help", "scope list", "config list", "config get", "config path",
    "store", "store info", "store check", "store backup", "doctor", "conformance", "try",
    "audit", "audit list", "audit show", "audit verify", "audit head", "audit export",
    "key due", "key verify", "key explain", "key inspect", "key forecast", "plan", "drift", "export",
    *(f"{noun} {verb}" for noun in ("auth-type", "app", "user", "key", "token") for verb in ("list", "show")),
}  # fmt: skip
"""Commands that change nothing."""

ELSEWHERE = {
    "init", "scan", "config set", "config unset", "apply", "store restore", "store migrate", "store compact",
    "token prune",
}  # fmt: skip
"""Commands that make changes, and have separate tests."""


@pytest.fixture
def lived_in(world: Run, key_id: str, token: str, place: Path) -> dict[str, str]:
    assert world("app", "create", "closed").code == 0
    assert world("app", "disable", "closed").code == 0
    assert world("app", "create", "open", "--remote-rest", "--api-keys").code == 0
    assert world("user", "create", "out").code == 0
    assert world("user", "create", "away").code == 0
    assert world("user", "block", "away").code == 0
    assert world("user", "disable", "away").code == 0
    (place / "password").write_text("a long password\n", encoding="utf-8")
    (place / "old_key").write_text("a key of another system\n", encoding="utf-8")
    off: str = world("key", "generate", "--user", "out", "--app", "open", "-o", "json").json["id"]
    assert world("key", "disable", off).code == 0
    assert world("user", "create", "idle").code == 0
    return {"key": key_id, "token": token, "off": off}


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


@for_each("line", CHANGES)
def test_a_dry_run_changes_nothing_and_shows_what_the_real_thing_does(
    gamcli: Run, lived_in: dict[str, str], file: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("GAMCLI_STORE", str(file))
    assert gamcli("store", "backup", f"{line}.db").code == 0
    monkeypatch.setenv("GAMCLI_STORE", f"{line}.db")
    before = dump(Path(f"{line}.db"))
    words = line.format(**lived_in).split()
    found = gamcli(*words, "--dry-run", "-o", "json")
    shown, (action, kind) = found.json, CHANGES[line]
    assert (shown["changes"][0]["action"], shown["changes"][0]["kind"]) == (action, kind)
    assert shown["summary"][action] == 1
    assert "gamsec_" not in found.out
    assert "gamkey_" not in found.out
    assert dump(Path(f"{line}.db")) == before
    live = [key["id"] for key in gamcli("key", "list", "-o", "json", "--status", "active").json]
    accept = ("--accept-invalidating", str(len(shown["invalidates"])))
    judged = ("--remove-scope" in words or "delete" in words) and "local" not in words
    assert gamcli(*words, *(accept if judged else ("--yes",) if "delete" in words else ())).code == 0
    left = {key["id"] for key in gamcli("key", "list", "-o", "json", "--status", "active").json}
    assert [each["key"] for each in shown["invalidates"]] == [each for each in live if each not in left]


def test_every_verb_that_changes_something_has_a_dry_run() -> None:
    table = Path(__file__).parent.parent.parent / "gamcli/commands/completion_table.tsv"
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    dry = {row[0] for row in rows if row[1] == "--dry-run"}
    verbs = {row[0] for row in rows if row[1] == "--help"} - {"", "auth-type", "app", "user", "key", "token", "scope"}
    assert dry == verbs - READ_ONLY - {"config"}
    assert {" ".join(line.split()[:2]) for line in CHANGES} == dry - ELSEWHERE


def test_people_see_signs_and_are_reported_that_nothing_was_changed(world: Run, key_id: str) -> None:
    found = world("app", "update", "portal", "--remove-scope", "gam_user_roles", "--preview")
    assert found.out == (
        "~ app portal\n"
        "    scopes  gam_user_data gam_user_roles -> gam_user_data\n"
        f"! key {key_id} of ana for portal is permanently invalidated: scope withdrawn: gam_user_roles"
        " (never used, never expires)\n"
    )
    assert found.err == "gamcli: 1 to update; 1 active key would be permanently invalidated; nothing was changed\n"


def test_a_preview_of_what_only_suspends_says_so(world: Run, key_id: str) -> None:
    found = world("app", "disable", "portal", "--preview")
    assert f"! key {key_id} of ana for portal is suspended: application 'portal' is disabled" in found.out
    assert "1 active key would be suspended" in found.err


def test_a_dry_run_of_a_rotation_shows_the_key_that_retires(world: Run, key_id: str) -> None:
    found = world("key", "rotate", key_id, "--overlap", "7d", "--dry-run", "-o", "json").json
    assert [(each["action"], each["name"]) for each in found["changes"]] == [
        ("update", key_id),
        ("create", "ana for portal"),
    ]
    assert found["summary"]["invalidate"] == 0


def test_a_dry_run_fails_as_the_real_thing_would(world: Run, api_key: str) -> None:
    assert api_key
    assert world("key", "generate", "--user", "ana", "--app", "portal", "--dry-run").code == 5
    assert world("app", "update", "nothing", "--description", "x", "--dry-run").code == 3
    assert world("user", "create", "ana", "--dry-run").code == 5


def test_a_dry_run_makes_no_file_but_refuses_one_that_is_there(world: Run, place: Path) -> None:
    words = ("key", "generate", "--user", "ana", "--app", "portal", "--dry-run", "--out")
    assert world(*words, "new").code == 0
    assert not (place / "new").exists()
    (place / "old").write_text("mine", encoding="utf-8")
    assert world(*words, "old").code == 5


@pytest.mark.parametrize("form", ["csv", "value"])
def test_a_plan_is_not_a_table_of_rows(world: Run, form: str) -> None:
    found = world("app", "disable", "portal", "--dry-run", "-o", form, *(("--field", "name") * (form == "value")))
    assert found.code == 2


def test_a_change_that_changes_nothing_says_so(world: Run) -> None:
    found = world("user", "update", "ana", "--first-name", "Ana", "--dry-run")
    assert (found.code, found.out, found.err) == (0, "", "gamcli: nothing to change\n")


def test_a_dry_run_of_init_makes_no_store(gamcli: Run, file: Path) -> None:
    found = gamcli("init", "--dry-run", "-o", "json").json
    assert [each["kind"] for each in found["changes"]] == ["repository"]
    assert not file.exists()
    assert gamcli("init").code == 0
    assert gamcli("init", "--dry-run", "-o", "json").json["changes"] == []


def test_a_dry_run_of_a_setting_leaves_the_file_alone(gamcli: Run, place: Path) -> None:
    shown = gamcli("config", "set", "output", "json", "--project", "--dry-run")
    assert shown.out == "+ setting output\n    value  json\n"
    assert not (place / "gamcli.toml").exists()
    assert gamcli("config", "set", "quiet", "false", "--project").code == 0
    text = (place / "gamcli.toml").read_text(encoding="utf-8")
    assert gamcli("config", "set", "quiet", "true", "--project", "--dry-run").out.startswith("~ setting quiet\n")
    assert gamcli("config", "unset", "quiet", "--project", "--dry-run").out == "- setting quiet\n"
    assert (place / "gamcli.toml").read_text(encoding="utf-8") == text


def test_a_plan_is_one_json_document(world: Run) -> None:
    found = world("user", "create", "eva", "--dry-run", "-o", "jsonl")
    assert list(json.loads(found.out)) == ["changes", "invalidates", "suspends", "summary"]
