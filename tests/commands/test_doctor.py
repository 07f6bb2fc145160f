"""`gamcli doctor`, with problems caused as a user would."""

import json
import os
import shlex
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gamcli.actions import Gam
from gamcli.actions import keys as actions
from gamcli.actions.keys import KeySpec
from gamcli.commands import complete

Run = Callable[..., Any]


@pytest.fixture
def diagnose(gamcli: Run, place: Path) -> Run:
    place.parent.chmod(0o700)  # what pytest made

    def ask(check: str, *words: str, before: tuple[str, ...] = ()) -> list[tuple[str, str, str | None]]:
        ran = gamcli(*before, "doctor", "-o", "json", *words)
        rows = json.loads(ran.out)
        assert ran.code == int(any(row["status"] == "wrong" for row in rows))
        for row in rows:
            check_fix(row["mend"])
        return [(row["status"], row["message"], row["mend"]) for row in rows if row["check"] == check]

    return ask


def check_fix(fix: str | None) -> None:
    words = shlex.split(fix or "")
    if words[:1] == ["gamcli"]:
        rows = complete.read_table()
        path, _, _ = complete.parse_words(rows, words[1:])
        known = {row.text for row in rows if row.path == path}
        assert path or words[1:] == ["--version"]
        assert {word for word in words if word.startswith("--") and word not in ("--store", "--config")} <= known


def test_a_store_in_daily_use_has_no_findings(diagnose: Run, world: Run, api_key: str) -> None:
    assert api_key
    rows = world("doctor", "-o", "json").json
    assert [row["check"] for row in rows if row["status"] != "ok"] == ["lasting-keys"]
    assert diagnose("lasting-keys") == [
        (
            "warn",
            "1 active key never expires; application 'portal' has no API key timeout",
            "gamcli app update portal --api-key-timeout 2160",
        )
    ]


@pytest.mark.parametrize(("form", "first"), [("csv", "check,status,message,mend"), ("jsonl", '{"check": "store", ')])
def test_findings_are_records(gamcli: Run, form: str, first: str) -> None:
    ran = gamcli("doctor", "-o", form)
    assert ran.code == 1
    assert ran.out.startswith(first)
    assert gamcli("doctor", "--field", "check").out.split()[:2] == ["store", "modes"]


def test_the_panel_shows_problems_first(world: Run, file: Path) -> None:
    assert world("key", "list").code == 0
    file.chmod(0o644)
    ran = world("doctor")
    assert ran.code == 1
    assert ran.out.startswith(f"doctor  {file}  1 problem, ")
    assert f"chmod go-rwx {file}" in [line.strip() for line in ran.out.splitlines()]
    assert ran.err == ""


def test_without_a_store_the_fix_is_to_create_one(diagnose: Run, tmp_path: Path) -> None:
    assert diagnose("store") == [("wrong", f"the store {tmp_path / 'store.db'} does not exist", "gamcli init")]
    assert diagnose("store", before=("--store", "x y.db"))[0][2] == "gamcli --store 'x y.db' init"
    assert diagnose("disk") == [("ok", "enough disk space", None)]
    assert diagnose("clock") == []


def test_the_target_of_a_symlink_and_its_folder_are_checked_and_fixed(
    diagnose: Run, world: Run, file: Path, place: Path
) -> None:
    assert world("key", "list").code == 0
    folder = place.parent / "real"
    folder.mkdir(mode=0o700)
    file.rename(folder / "r.db").chmod(0o644)
    folder.chmod(0o777)
    file.symlink_to(folder / "r.db")
    assert [fix for _, _, fix in diagnose("modes")] == [f"chmod go-w {folder}", f"chmod go-rwx {folder / 'r.db'}"]
    assert world("doctor", "--fix").code == 0
    assert [each.stat().st_mode & 0o777 for each in (folder, folder / "r.db")] == [0o755, 0o600]


def test_a_damaged_store_is_reported_and_not_changed(diagnose: Run, world: Run, file: Path) -> None:
    assert world("key", "list").code == 0
    damaged = file.read_bytes()[:5000] + b"\xff" * 100_000
    file.write_bytes(damaged)
    assert diagnose("store")[0][0] == "wrong"
    file.write_bytes(b"no store at all, but some text" * 10)
    assert diagnose("store")[0][2] == "gamcli store check"


def test_a_newer_and_an_older_store_are_reported(diagnose: Run, world: Run, sql: Run) -> None:
    assert world("key", "list").code == 0
    sql("PRAGMA user_version = 99")
    assert diagnose("store")[0][::2] == ("wrong", "gamcli --version")
    sql("PRAGMA user_version = 1")
    assert diagnose("store")[0][::2] == ("wrong", "gamcli store check")
    sql("DELETE FROM migration WHERE version > 1")
    assert diagnose("store")[0][::2] == ("warn", "gamcli store migrate")
    assert sql("PRAGMA user_version") == [(1,)]


def test_open_file_modes_are_found_and_restricted(diagnose: Run, world: Run, file: Path) -> None:
    copy = file.with_name("store.db.old")
    copy.write_bytes(file.read_bytes())
    for path, mode in ((file, 0o644), (copy, 0o660), (file.parent, 0o777)):
        path.chmod(mode)
    assert [each[2] for each in diagnose("modes")] == [
        f"chmod go-w {file.parent}", f"chmod go-rwx {file}", f"chmod go-rwx {copy}",
    ]  # fmt: skip
    ran = world("doctor", "--fix")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        f"gamcli: chmod 755 {file.parent}", f"gamcli: chmod 600 {file}", f"gamcli: chmod 600 {copy}",
    ]  # fmt: skip
    assert diagnose("modes")[0][0] == "warn"
    file.parent.chmod(0o700)
    assert diagnose("modes")[0][0] == "ok"
    assert world("doctor", "--fix").err == ""


@pytest.fixture
def shared(gamcli: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder above that of the store."""
    shared = place.parent / "shared"
    shared.mkdir(mode=0o700)
    monkeypatch.setenv("GAMCLI_STORE", str(shared / "gam" / "store.db"))
    assert gamcli("init").code == 0
    return shared


def check(gamcli: Run, name: str) -> list[tuple[bool, str, str | None]]:
    ran = gamcli("store", "check", "-o", "json")
    rows = json.loads(ran.out)
    assert ran.code == (0 if all(row["ok"] for row in rows) else 8)
    return [(row["ok"], row["what"], row["mend"]) for row in rows if row["name"] == name]


@pytest.mark.parametrize(("mode", "is_safe"), [(0o777, False), (0o702, False), (0o1777, True), (0o755, True)])
def test_doctor_and_check_report_a_parent_folder_in_which_others_can_replace_the_stores_folder(
    gamcli: Run, diagnose: Run, shared: Path, mode: int, *, is_safe: bool
) -> None:
    shared.chmod(mode)
    (found,) = diagnose("modes", "--fix")
    checked = check(gamcli, "mode of a parent folder")
    assert shared.stat().st_mode & 0o7777 == mode  # only what is part of a store is changed
    if is_safe:
        assert (found[0], checked) == ("ok", [])
    else:
        fix = f"chmod go-w {shared}"
        assert found == ("wrong", f"other users can change the parent folder {shared} (mode {mode:o})", fix)
        assert checked == [(False, f"{mode:04o}: other users can replace files in {shared}", fix)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
@pytest.mark.parametrize(("changed", "named"), [(["."], "parent folder {}"), ([".", "gam"], "folder {}/gam")])
def test_doctor_and_check_report_the_owner_of_a_parent_folder_unless_the_store_is_theirs(
    gamcli: Run, diagnose: Run, shared: Path, changed: list[str], named: str
) -> None:
    for name in changed:
        os.chown(shared / name, 4242, -1)
    message = f"the {named.format(shared)} is owned by user 4242, and you are root"
    assert [each[:2] for each in diagnose("owner")] == [("warn", message)]
    assert check(gamcli, "owner") == [(True, message, None)]


@pytest.mark.parametrize("kind", ["text", "database", "copy"])
def test_fix_leaves_what_is_not_a_store_as_it_is(gamcli: Run, world: Run, file: Path, place: Path, kind: str) -> None:
    assert world("key", "list").code == 0
    folder = place.parent / "etc"
    folder.mkdir()
    target = folder / "passwd"
    if kind == "database":
        with closing(sqlite3.connect(target)) as connection:
            connection.execute("CREATE TABLE track (title)")
    else:
        target.write_text("root:x:0:0\n" * 100, encoding="utf-8")
    if kind == "copy":
        target = target.rename(file.with_name("store.db.txt"))
    target.chmod(0o644)
    folder.chmod(0o777)
    (place / "gamcli.toml").write_text(f"[gamcli]\nstore = '{target}'\n", encoding="utf-8")
    gamcli("doctor", "--fix") if kind == "copy" else gamcli("--store", str(target), "doctor", "--fix")
    assert (target.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o644, 0o777)


def test_a_mode_that_cannot_be_changed_stays_a_problem(
    diagnose: Run, world: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    file.chmod(0o644)
    monkeypatch.setattr(os, "fchmod", refuse)
    ran = world("doctor", "--fix")
    assert ran.code == 1
    assert ran.err == f"gamcli: warning: cannot change the mode of {file}: Operation not permitted\n"
    assert diagnose("modes")[0][0] == "wrong"


def test_files_that_secrets_were_written_to_are_checked(diagnose: Run, world: Run, place: Path) -> None:
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    assert world("key", "generate", "--from", "in.csv", "--out", "keys.csv").code == 0
    (place / "keys.csv").chmod(0o644)
    assert diagnose("modes") == [
        (
            "wrong",
            f"other users can read the output of keys {place / 'keys.csv'} (mode 644)",
            f"chmod go-rwx {place}/keys.csv",
        )
    ]
    (place / "keys.csv").unlink()
    assert diagnose("modes")[0][0] == "ok"


def test_a_symlink_is_not_followed_to_change_a_mode(diagnose: Run, world: Run, file: Path) -> None:
    target = file.with_name("target")
    target.touch(mode=0o644)
    target.chmod(0o644)
    file.with_name("store.db.link").symlink_to(target)
    world("doctor", "--fix")
    assert target.stat().st_mode & 0o777 == 0o644
    assert diagnose("modes")[0][0] == "wrong"


def test_a_wal_file_without_its_store_is_found(diagnose: Run, file: Path) -> None:
    Path(f"{file}-wal").write_bytes(b"x")
    Path(f"{file}-wal").chmod(0o600)
    assert diagnose("wal")[0][::2] == ("wrong", f"mv {file}-wal {file}-wal.lost")


def test_a_clock_that_was_set_back_is_found(diagnose: Run, world: Run, ago: Callable[[timedelta], Gam]) -> None:
    assert world("key", "list").code == 0
    actions.generate(ago(timedelta(days=-1)), KeySpec("ana", "portal"))
    assert diagnose("clock")[0][::2] == ("wrong", "date -u")


def test_disabled_authentication_types_and_rest_are_found(diagnose: Run, world: Run, key_id: str) -> None:
    assert key_id
    for words in (["auth-type", "update", "apikey", "--disable"], ["app", "update", "portal", "--no-remote-rest"]):
        assert world(*words).code == 0
    for check in ("default-type", "auth-types", "remote-rest"):
        ((status, _, fix),) = diagnose(check)
        assert (status, fix is None) == ("wrong", False) if fix else (status, fix) == ("ok", None)
        assert world(*shlex.split(fix or "gamcli key list")[1:]).code == 0
        assert diagnose(check)[0][0] == "ok"


def test_a_shadowed_setting_is_found(diagnose: Run, world: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world("config", "set", "output", "json").code == 0
    assert world("config", "set", "output", "csv", "--project").code == 0
    assert diagnose("shadowed")[0][::2] == ("warn", "gamcli config unset output")
    monkeypatch.setenv("GAMCLI_OUTPUT", "csv")
    assert [each[2] for each in diagnose("shadowed")] == ["unset GAMCLI_OUTPUT"]
    assert world("config", "unset", "output").code == 0
    assert diagnose("shadowed")[0][0] == "ok"
    monkeypatch.setenv("GAMCLI_OUTPUT", "table")
    ((_, message, _),) = diagnose("shadowed")
    assert message == f"output is 'table' from GAMCLI_OUTPUT, which overrides 'csv' from {place / 'gamcli.toml'}"


@pytest.mark.parametrize(
    ("text", "variable"), [("[gamcli", ""), ("[gamcli]\nnope = 1", ""), ("", "x"), ("[gamcli]\nnope = 1", "x")]
)
def test_invalid_settings_are_a_finding(
    diagnose: Run, place: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str
) -> None:
    if text:
        (place / "gamcli.toml").write_text(text, encoding="utf-8")
        (place / "gamcli.toml").chmod(0o644)
    if variable:
        monkeypatch.setenv("GAMCLI_SERVE_PORT", variable)
    assert diagnose("config")[0][0] == "wrong"


def test_a_missing_config_file_is_a_finding(diagnose: Run) -> None:
    assert "config set store" in str(diagnose("config", before=("--config", "no.toml"))[0][2])


def test_an_exposed_credential_is_found(
    diagnose: Run, api_key: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY", f"--key={api_key}")
    monkeypatch.setenv("GAM_CLIENT_SECRET", "one of its own")
    assert [each[2] for each in diagnose("environment")] == ["unset DEPLOY", "unset GAM_CLIENT_SECRET"]
    config = place / "gamcli.toml"
    config.write_text(f"# {api_key}\n", encoding="utf-8")
    config.chmod(0o644)
    ((status, message, fix),) = diagnose("modes")
    assert (status, fix) == ("wrong", f"chmod go-rwx {config}")
    assert api_key[8:] not in message
    config.write_text("# nothing\n", encoding="utf-8")
    assert diagnose("modes")[0][0] == "ok"


def test_named_certificates_are_checked(diagnose: Run, place: Path) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name, days in (("good", 90), ("soon", 10)):
        words = ["-subj", "/CN=gam", "-days", str(days), "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*make, *words], check=True, capture_output=True)
    (place / "good.key").chmod(0o600)
    (place / "soon.key").chmod(0o644)
    assert [each[0] for each in diagnose("tls", "--tls-cert", "good.pem", "--tls-cert", "soon.pem")] == ["warn"]
    assert diagnose("tls", "--tls-cert", "good.pem", "--tls-key", "good.key")[0][0] == "ok"
    assert diagnose("modes", "--tls-key", "soon.key")[0][2] == f"chmod go-rwx {place / 'soon.key'}"
    messages = [each[1] for each in diagnose("tls", "--tls-cert", "good.key", "--tls-cert", "no.pem")]
    assert messages == ["good.key: not a certificate in PEM format", "no.pem: no such file or directory"]
    messages = [each[1:] for each in diagnose("tls", "--tls-key", "no.key", "--tls-key", ".", "--tls-key", "/dev/null")]
    assert messages == [
        ("no.key: no such file or directory", "ls -l no.key"),
        (".: is a directory", "ls -l ."),
        ("/dev/null: not a regular file", "ls -l /dev/null"),
    ]


def test_the_suggested_fixes_for_unlimited_keys_work(diagnose: Run, world: Run, api_key: str) -> None:
    for messages in (
        "application 'portal' has no API key timeout",
        f"{api_key[7:15]} was issued before its application had a timeout",
    ):
        ((status, message, fix),) = diagnose("lasting-keys")
        assert (status, message) == ("warn", f"1 active key never expires; {messages}")
        assert world(*shlex.split(str(fix))[1:]).code == 0
    assert diagnose("lasting-keys")[0][0] == "ok"


def test_the_suggested_fix_for_orphaned_tokens_works(diagnose: Run, world: Run, sql: Run) -> None:
    assert world("key", "list").code == 0
    for number in (1, 2, 3):
        sql(
            "INSERT INTO token (id, digest, user_guid, client_id, scopes, issued_at) VALUES (?, x'', '', '', '', 1)",
            number,
        )
    ((status, message, fix),) = diagnose("orphaned-tokens")
    assert (status, message[:8]) == ("warn", "2 tokens")
    assert world(*shlex.split(str(fix))[1:]).code == 0
    assert diagnose("orphaned-tokens")[0][0] == "ok"


def test_each_fix_fits_one_line_of_eighty_columns(world: Run, terminal: Run) -> None:
    assert world("app", "update", "portal", "--api-key-auth-type", "apikey").code == 0
    assert world("auth-type", "update", "apikey", "--disable").code == 0
    ran = terminal("doctor", columns=80, NO_COLOR="1")
    assert ran.code == 1
    assert "gamcli auth-type update apikey --enable" in [line.strip() for line in ran.out.splitlines()]


def test_a_read_only_store_is_checked(diagnose: Run, world: Run, file: Path) -> None:
    assert world("key", "list").code == 0
    file.chmod(0o400)
    with suppress(OSError):
        assert diagnose("default-type")[0][0] == "ok"
