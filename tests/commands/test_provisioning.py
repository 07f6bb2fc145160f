"""`gamcli plan`, `apply`, `drift`."""

import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from gamcli.commands import main
from gamcli.render.output import Output

Run = Callable[..., Any]

MANIFEST = """\
[app.portal]
description = "Customer portal"
scopes = ["gam_user_data", "gam_user_roles"]
remote_rest = true
api_keys = { enabled = true, timeout_hours = 2160, scope_choice = true }

[user.ana]
email = "ana@example.com"

[[key]]
user = "ana"
app = "portal"
scopes = ["user_email"]
"""
OTHER_SCOPE = MANIFEST.replace('"user_email"', '"user_phone"')


@pytest.fixture
def manifest(place: Path) -> Callable[..., str]:
    def write(text: str = MANIFEST, name: str = "apps.toml") -> str:
        (place / name).write_text(text, encoding="utf-8")
        return name

    return write


@pytest.fixture
def empty(gamcli: Run) -> Run:
    assert gamcli("init").code == 0
    return gamcli


@pytest.fixture
def made(empty: Run, manifest: Callable[..., str]) -> Run:
    assert empty("apply", manifest(), "--secrets-out", "first.env").code == 0
    return empty


def content(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [*connection.iterdump()]


def test_a_plan_shows_each_change_and_makes_none(empty: Run, manifest: Callable[..., str], file: Path) -> None:
    before = content(file)
    ran = empty("plan", manifest())
    assert (ran.code, content(file)) == (0, before)
    lines = ran.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "+ app portal",
        "+ user ana",
        "+ key ana for portal",
    ]
    assert "    description             Customer portal" in lines
    assert ran.err == "gamcli: 3 to create\n"


def test_a_plan_is_one_json_document(made: Run, manifest: Callable[..., str]) -> None:
    found = made("plan", manifest(OTHER_SCOPE), "-o", "json").json
    assert found["summary"] == {"create": 0, "update": 1, "delete": 0, "invalidate": 1, "suspend": 0}
    (change,) = found["changes"]
    assert (change["action"], change["kind"], change["name"]) == ("update", "key", "ana for portal")
    assert {"field": "scopes", "old": ["user_email"], "new": ["user_phone"]} in change["fields"]
    (key,) = found["invalidates"]
    assert (key["user"], key["app"], key["reason"], key["last_used_at"]) == (
        "ana",
        "portal",
        "replaced by the new key",
        None,
    )
    assert json.loads(made("plan", manifest(OTHER_SCOPE), "-o", "jsonl").out)["summary"] == found["summary"]
    assert made("plan", manifest(), "-o", "json").json["changes"] == []


def test_a_plan_in_markdown_fits_a_comment(made: Run, manifest: Callable[..., str]) -> None:
    ran = made("plan", manifest(OTHER_SCOPE), "-o", "markdown")
    assert ran.out.startswith("### gamcli plan: 1 to update; 1 active key would be permanently invalidated\n")
    assert "`replaced by the new key`" in ran.out
    assert "```diff\n~ key ana for portal\n" in ran.out


def test_a_pending_plan_exits_with_6_on_request(made: Run, manifest: Callable[..., str]) -> None:
    assert made("plan", manifest(), "--exit-code").code == 0
    assert made("plan", manifest(OTHER_SCOPE)).code == 0
    assert made("plan", manifest(OTHER_SCOPE), "--exit-code").code == 6


def test_apply_creates_everything_and_writes_the_secrets(empty: Run, manifest: Callable[..., str], place: Path) -> None:
    ran = empty("apply", manifest(), "--secrets-out", "secrets.env")
    assert ran.out.splitlines() == ["+ app portal", "+ user ana", "+ key ana for portal"]
    assert ran.err.splitlines() == [
        "gamcli: 3 created",
        "gamcli: the new secrets are in secrets.env; save them now; they are not shown again",
    ]
    path = place / "secrets.env"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert [*lines] == ["GAM_CLIENT_ID_PORTAL", "GAM_CLIENT_SECRET_PORTAL", "GAM_API_KEY_ANA_PORTAL"]
    assert empty("key", "verify", "--api-key-file", "-", stdin=lines["GAM_API_KEY_ANA_PORTAL"]).code == 0
    assert [each.name for each in place.iterdir() if each.name.startswith(".")] == []


def test_a_second_apply_reports_no_changes(made: Run, manifest: Callable[..., str], file: Path) -> None:
    before = content(file)
    ran = made("apply", manifest(), "--secrets-out", "first.env")
    assert (ran.code, ran.out, ran.err) == (0, "", "gamcli: no changes: the store matches the manifests\n")
    assert content(file) == before


def test_secrets_come_as_json_too(empty: Run, manifest: Callable[..., str], place: Path) -> None:
    assert empty("apply", manifest(), "--secrets-out", "secrets.json").code == 0
    found = json.loads((place / "secrets.json").read_text())
    assert [each["name"] for each in found["apps"]] == ["portal"]
    document = empty("apply", manifest(OTHER_SCOPE), "--accept-invalidating", "1", "-o", "json").json
    assert document["summary"]["update"] == 1
    assert document["secrets"]["keys"][0]["api_key"].startswith("gamkey_")
    again = empty("apply", manifest(OTHER_SCOPE), "-o", "json").json
    assert (again["changes"], "secrets" in again) == ([], False)


def test_secrets_for_a_github_step_are_masked_first(
    empty: Run, manifest: Callable[..., str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    assert empty("apply", manifest(), "-o", "github").code == 2
    outputs = place / "outputs"
    outputs.write_text("before=1\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    ran = empty("apply", manifest(), "-o", "github")
    assert [line.partition("gam")[0] for line in ran.out.splitlines()[:2]] == ["::add-mask::"] * 2
    first, *rest = outputs.read_text().splitlines()
    assert (first, len(rest)) == ("before=1", 3)
    for line in rest[1:]:
        assert f"::add-mask::{line.partition('=')[2]}" in ran.out
    monkeypatch.setenv("GITHUB_OUTPUT", str(place / "no" / "outputs"))
    ran = empty("apply", manifest(OTHER_SCOPE), "--accept-invalidating", "1", "-o", "github", "--owner", "apps.toml")
    assert (ran.code, ran.err.splitlines()[0].endswith("No such file or directory")) == (2, True)


def test_the_format_can_come_from_the_settings(
    empty: Run, manifest: Callable[..., str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAMCLI_OUTPUT", "json")
    monkeypatch.setenv("GITHUB_OUTPUT", str(place / "outputs"))
    assert empty("apply", manifest(MANIFEST.partition("[user")[0])).json["secrets"]["apps"]
    ran = empty("apply", manifest(), "-o", "github")
    assert [line for line in ran.out.splitlines() if "gamkey_" in line and not line.startswith("::add-mask::")] == []


@pytest.mark.parametrize("reason", ["no place", "file there", "no folder", "wrong number", "no number"])
def test_a_refused_apply_changes_nothing(made: Run, manifest: Callable[..., str], file: Path, reason: str) -> None:
    before = content(file)
    words, code = {
        "no place": ((), 2),
        "file there": (("--secrets-out", "first.env", "--accept-invalidating", "1"), 5),
        "no folder": (("--secrets-out", "no/folder", "--accept-invalidating", "1"), 1),
        "wrong number": (("--secrets-out", "new.env", "--accept-invalidating", "2"), 5),
        "no number": (("--secrets-out", "new.env"), 5),
    }[reason]
    ran = made("apply", manifest(OTHER_SCOPE), *words)
    assert (ran.code, content(file)) == (code, before)
    assert not Path("new.env").exists()
    if reason == "no number":
        assert "ana for portal, never used: replaced by the new key" in ran.err
        assert ran.hint == "add --accept-invalidating 1 to confirm"


def test_a_failed_apply_leaves_no_secrets_file(
    made: Run, manifest: Callable[..., str], sql: Callable[..., list[Any]], place: Path
) -> None:
    sql("CREATE TRIGGER broken AFTER INSERT ON audit BEGIN INSERT INTO late VALUES (new.seq, 'nobody'); END")
    sql("CREATE TABLE late (x INTEGER, y TEXT REFERENCES user (guid) DEFERRABLE INITIALLY DEFERRED)")
    ran = made("apply", manifest(OTHER_SCOPE), "--secrets-out", "new.env", "--accept-invalidating", "1")
    assert ran.code == 1
    assert not (place / "new.env").exists()


def test_drift_exits_with_6_in_either_direction(made: Run, manifest: Callable[..., str]) -> None:
    assert made("drift", manifest()).code == 0
    assert made("app", "update", "portal", "--description", "by hand").code == 0
    ran = made("drift", manifest())
    assert (ran.code, "by hand -> Customer portal" in ran.out) == (6, True)
    assert made("drift", manifest(), "-o", "json").code == 6
    assert made("apply", manifest()).code == 0
    assert made("drift", manifest()).code == 0
    assert made("user", "delete", "ana", "--accept-invalidating", "1").code == 0
    assert made("drift", manifest()).code == 6
    shorter = MANIFEST.partition("[user.ana]")[0]
    assert made("drift", manifest(shorter)).code == 0
    assert made("drift", manifest("")).code == 6


def test_objects_without_owner_are_not_drift(world: Run, manifest: Callable[..., str]) -> None:
    name = manifest('[user.ana]\nemail = "ana@example.com"\n')
    ran = world("drift", name)
    assert (ran.code, ran.out) == (0, "= user ana is adopted, previously unmanaged\n")
    found = world("plan", name, "-o", "json").json
    assert found["adopts"] == [{"kind": "user", "name": "ana", "from": None, "owner": "apps.toml"}]
    assert "1 adopted" in world("apply", name).err
    assert world("user", "show", "ana", "--field", "managed_by").out == "apps.toml\n"
    ran = world("plan", name, "--owner", "other")
    assert (ran.code, ran.hint) == (5, "add --adopt to take ownership")
    assert "from 'apps.toml'" in world("plan", name, "--owner", "other", "--adopt").out
    assert world("apply", name, "--owner", "other", "--adopt").code == 0
    assert world("user", "show", "ana", "--field", "managed_by").out == "other\n"


def test_only_prune_deletes(made: Run, manifest: Callable[..., str]) -> None:
    ran = made("plan", manifest("[repository]"), "--prune", "-o", "json")
    assert (ran.code, "--prune would delete everything" in ran.err) == (2, True)
    name = manifest("[user.eva]")
    assert made("apply", name).code == 0
    ran = made("plan", name)
    assert (ran.code, "? app portal was removed from the manifests; apply --prune deletes it" in ran.out) == (0, True)
    assert ran.err == "gamcli: nothing to change; 2 to delete with apply --prune\n"
    assert made("plan", name, "--prune", "-o", "json").json["summary"]["delete"] == 2
    assert made("apply", name, "--prune").code == 5
    ran = made("apply", name, "--prune", "--accept-invalidating", "1")
    assert ran.out == "- user ana\n- app portal\n"
    assert ran.err == "gamcli: 2 deleted; 1 key permanently invalidated\n"


def test_suspended_keys_are_reported(made: Run, manifest: Callable[..., str]) -> None:
    ran = made("apply", manifest(MANIFEST.replace("[user.ana]", "[user.ana]\nblocked = true")))
    assert ran.code == 0
    assert "gamcli: warning: this suspends 1 active key" in ran.err


def test_a_saved_plan_is_applied_to_the_state_it_was_made_on(
    empty: Run, manifest: Callable[..., str], place: Path
) -> None:
    name = manifest()
    assert empty("plan", name, "--out", "saved.plan").code == 0
    assert (place / "saved.plan").stat().st_mode & 0o777 == 0o600
    assert empty("plan", name, "--out", "saved.plan").code == 0
    assert empty("plan", name, "--out", name).code == 5
    assert empty("apply", "saved.plan", "--secrets-out", "s.env", "--prune").code == 2
    assert empty("apply", "saved.plan", "--dry-run").out.startswith("+ app portal\n")
    assert empty("apply", "saved.plan", "--secrets-out", "s.env").code == 0
    ran = empty("apply", "saved.plan", "--secrets-out", "t.env")
    assert (ran.code, ran.err.splitlines()[0]) == (5, "gamcli: error: the store has changed since this plan was saved")


def test_a_dry_run_of_apply_is_a_plan(empty: Run, manifest: Callable[..., str], file: Path) -> None:
    before = content(file)
    for option in ("--dry-run", "--preview"):
        assert empty("apply", manifest(), option).out == empty("plan", manifest()).out
    assert content(file) == before


def test_all_problems_are_reported_with_their_lines(empty: Run, manifest: Callable[..., str]) -> None:
    name = manifest('[user.ana]\nemial = "x"\n[[key]]\nuser = "anna"\napp = "portel"\n')
    for command in ("plan", "apply", "drift"):
        ran = empty(command, name)
        assert (ran.code, ran.out) == (2, "")
        assert [line.split(":")[1] for line in ran.err.splitlines() if line.startswith(name)] == ["2", "4", "5"]
    assert "found 1 problem" in empty("--store", "missing.db", "plan", name).err
    assert "found 2 problems" in empty("plan", name, manifest("[app.x\n", "cut.toml")).err
    name = manifest('[[key]]\nuser = "anna"\napp = "portel"\n')
    ran = empty("apply", name, "--secrets-out", "s.env")
    assert ran.err.splitlines()[1:3] == [
        "apps.toml:2: key[0].user: no user named 'anna'",
        "apps.toml:3: key[0].app: no application named 'portel'",
    ]
    found = json.loads(empty("plan", name, "-o", "json").err)["error"]
    assert [each["line"] for each in found["faults"]] == [2, 3]


def test_a_warning_follows_a_plan_and_never_precedes_an_error(empty: Run, manifest: Callable[..., str]) -> None:
    name = manifest(f'{MANIFEST}auth_type = "apikey"\n')
    warning = "gamcli: warning: apps.toml:14: auth_type is ignored: a key is not bound to an authentication type"
    for words in (("plan",), ("drift",), ("apply", "--dry-run"), ("apply", "--secrets-out", "s.env")):
        assert warning in empty(*words, name).err
    name = manifest('[[key]]\nuser = "nobody"\napp = "portal"\nauth_type = "apikey"\n')
    for command in ("plan", "drift", "apply"):
        assert json.loads(empty(command, name, "-o", "json").err)["error"]["code"] == "faults"


@pytest.mark.parametrize("nowhere", ["/dev/full", "&-"])
def test_apply_changes_nothing_if_stdout_is_closed(
    empty: Run, manifest: Callable[..., str], shell: Run, file: Path, nowhere: str
) -> None:
    before = content(file)
    ran = shell(f"gamcli apply {manifest()} -o json >{nowhere}")
    assert (ran.code, content(file)) == (1, before)
    assert "cannot write to stdout, so nothing was changed: " in ran.err
    assert empty("apply", "apps.toml", "--secrets-out", "new.env").code == 0
    ran = shell(f"gamcli apply apps.toml -o json --secrets-out more.env >{nowhere}")
    assert (ran.code, "cannot write to stdout: " in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("more", "lost", "commands"),
    [("", 2, "app portal, key"), ("[app.shop]\n[app.gate]\n", 4, "app portal, app shop, app gate, ...")],
)
def test_secrets_lost_on_stdout_are_listed(
    empty: Run, manifest: Callable[..., str], monkeypatch: pytest.MonkeyPatch, more: str, lost: int, commands: str
) -> None:
    def fail() -> None:
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    name = manifest(MANIFEST + more)
    with monkeypatch.context() as full:
        full.setattr(sys, "stdout", io.StringIO())
        full.setattr(Output, "flush", staticmethod(fail))
        ran = empty("apply", name, "-o", "json")
    error = json.loads(ran.err)["error"]
    assert (ran.code, error["message"]) == (
        1,
        f"the changes were applied, but {lost} new secrets could not be written: No space left on device",
    )
    listed = re.sub(r"gamcli app rotate-secret (\w+) --overlap 0", r"app \1", error["hint"])
    assert re.sub(r"gamcli key rotate \w{8} --overlap 0", "key", listed).replace(";", ",") == commands
    assert empty("drift", name).code == 0


def test_on_a_terminal_apply_shows_the_plan_and_asks(
    made: Run, manifest: Callable[..., str], terminal: Callable[..., Any]
) -> None:
    name = manifest(OTHER_SCOPE + 'auth_type = "apikey"\n')
    ran = terminal("apply", name, "--secrets-out", "new.env", answers=[("continue?", "n")])
    assert ran.code == 1
    assert "~ key ana for portal" in ran.out
    assert made("drift", name).code == 6
    ran = terminal("apply", name, "--secrets-out", "new.env", answers=[("continue?", "y")])
    assert ran.code == 0
    assert ran.out.count("warning: ") == 1
    assert made("drift", name).code == 0


def test_colours_are_only_for_terminals(empty: Run, manifest: Callable[..., str], terminal: Callable[..., Any]) -> None:
    assert "\x1b[" not in empty("plan", manifest()).out
    assert "\x1b[" in terminal("plan", "apps.toml").out
    assert "\x1b[" not in terminal("plan", "apps.toml", NO_COLOR="1").out


def killed_after(seconds: float, command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()


def killed_at(path: Path, command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not path.exists() and process.poll() is None:
            pass
        process.kill()


@pytest.fixture
def many(manifest: Callable[..., str]) -> str:
    app = "[app.a{0}]\nremote_rest = true\napi_keys = {{ enabled = true }}\n[user.u{0}]\n"
    key = '[[key]]\nuser = "u{0}"\napp = "a{0}"\n'
    return manifest("".join(f"{app}{key}".format(number) for number in range(300)))


def test_an_apply_that_is_killed_leaves_the_old_or_the_new_state(
    empty: Run, many: str, line: list[str], file: Path, place: Path
) -> None:
    old = content(file)
    for tries in range(6):
        secrets = place / f"{tries}.env"
        killed_after(0.2 + 0.08 * tries, [*line, "apply", many, "--secrets-out", str(secrets)])
        is_old = content(file) == old
        lines = len(secrets.read_text().splitlines()) if secrets.exists() else 0
        assert lines in ((0, 900) if is_old else (900,))
        if not is_old:
            break
    assert empty("apply", many, "--secrets-out", "last.env").code == 0
    assert empty("drift", many).code == 0


def test_an_apply_that_is_killed_at_its_commit_loses_no_secret(
    empty: Run, many: str, line: list[str], file: Path, place: Path
) -> None:
    secrets, old = place / "secrets.env", content(file)
    killed_at(secrets, [*line, "apply", many, "--secrets-out", str(secrets)])
    lines = dict(line.split("=", 1) for line in secrets.read_text().splitlines())
    assert len(lines) == 900
    code = empty("key", "verify", "--api-key-file", "-", stdin=lines["GAM_API_KEY_U7_A7"]).code
    assert code == (4 if content(file) == old else 0)


def test_a_secrets_file_whose_apply_was_never_committed_is_replaced(
    empty: Run, manifest: Callable[..., str], place: Path
) -> None:
    for name in ("secrets.env", "secrets.json"):
        assert empty("apply", manifest(), "--secrets-out", name).code == 0
        left = (place / name).read_text(encoding="utf-8")
        assert empty("apply", manifest(MANIFEST.replace("portal", "shop")), "--secrets-out", name).code == 5
        assert empty("app", "delete", "portal", "--accept-invalidating", "1").code == 0
        assert empty("apply", manifest(), "--secrets-out", name).code == 0
        new = (place / name).read_text(encoding="utf-8")
        assert new != left
        assert (place / name).stat().st_mode & 0o777 == 0o600
        assert empty("app", "delete", "portal", "--accept-invalidating", "1").code == 0
        (place / name).write_text(f"{new}MINE=1\n" if name.endswith("env") else "{}", encoding="utf-8")
        assert empty("apply", manifest(), "--secrets-out", name).code == 5


def test_the_temporary_files_of_a_killed_apply_are_removed_by_the_next(
    empty: Run, manifest: Callable[..., str], place: Path
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (place / f".old.env.{ended.pid}.gamcli.part").write_text("GAM_API_KEY_X=secret\n", encoding="utf-8")
    mine = place / f".other.env.{os.getppid()}.gamcli.part"
    mine.write_text("", encoding="utf-8")
    assert empty("apply", manifest(), "--secrets-out", "new.env").code == 0
    assert [*place.glob(".*.part")] == [mine]


def test_drift_can_take_over_and_hints_name_options_that_exist(made: Run, manifest: Callable[..., str]) -> None:
    ran = made("drift", manifest(), "--owner", "other")
    assert (ran.code, ran.hint) == (5, "add --adopt to take ownership")
    assert made("drift", manifest(), "--owner", "other", "--adopt").code == 0


def test_a_saved_plan_is_shown_and_compared(made: Run, manifest: Callable[..., str]) -> None:
    name = manifest(MANIFEST.replace("Customer", "Client"))
    shown = made("plan", name, "--out", "saved.plan").out
    assert made("plan", "saved.plan").out == shown
    lines = [
        (each["file"], each["line"], each["owner"]) for each in made("plan", "saved.plan", "-o", "json").json["changes"]
    ]
    assert lines == [(name, 1, name)]
    assert made("drift", "saved.plan").code == 6
    assert made("plan", "saved.plan", "--prune").code == 2
    assert made("plan", "saved.plan", "--out", "b.plan").code == 2
    assert made("apply", "saved.plan").code == 0
    assert made("plan", "saved.plan").code == 5
    assert made("drift", "saved.plan").code == 0


def test_values_come_from_files_of_variables(empty: Run, manifest: Callable[..., str], place: Path) -> None:
    (place / "v.env").write_text("MAIL=a@x\n", encoding="utf-8")
    name = manifest('[user.ana]\nemail = "${MAIL}"\n')
    assert empty("plan", name).code == 2
    assert "email  a@x" in empty("plan", name, "--var-file", "v.env").out
    assert empty("apply", name, "--var-file", "v.env").code == 0
    assert empty("drift", name, "--var-file", "v.env").code == 0


def test_problems_are_annotations_and_markdown(made: Run, manifest: Callable[..., str], capfd: Any) -> None:  # noqa: ANN401
    name = manifest("[user.ana]\nx = 1\n")
    ran = made("plan", name, "-o", "github")
    assert (ran.code, ran.out) == (2, "")
    assert "::error file=apps.toml,line=2::user.ana.x: unknown field" in ran.err
    capfd.readouterr()
    assert main(("plan", name, "-o", "markdown")) == 2
    assert capfd.readouterr().out.startswith("### gamcli: found 1 problem\n\n| file | line | problem |")


def test_the_result_of_apply_can_be_markdown(made: Run, manifest: Callable[..., str]) -> None:
    ran = made("apply", manifest(MANIFEST.replace("Customer", "Client")), "-o", "markdown")
    assert ran.out.startswith("### gamcli apply: 1 updated\n\n```diff\n~ app portal\n")
    assert "::warning title=gamcli::! key" in made("plan", manifest(OTHER_SCOPE), "-o", "github").out


def test_many_deletions_need_their_number(empty: Run, manifest: Callable[..., str]) -> None:
    assert empty("apply", manifest("".join(f"[user.u{number}]\n" for number in range(12)))).code == 0
    name = manifest("[user.u0]\n")
    ran = empty("apply", name, "--prune")
    assert (ran.code, ran.hint) == (5, "add --accept-deleting 11 to confirm")
    assert empty("apply", name, "--prune", "--accept-deleting", "11").code == 0
