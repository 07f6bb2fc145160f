"""`gamcli doctor`: what is wrong around a store and in it, as a user brings it about."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from contextlib import suppress
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
def found(gamcli: Run, place: Path) -> Run:
    place.parent.chmod(0o700)  # what pytest made

    def ask(check: str, *words: str, before: tuple[str, ...] = ()) -> list[tuple[str, str, str | None]]:
        ran = gamcli(*before, "doctor", "-o", "json", *words)
        rows = json.loads(ran.out)
        assert ran.code == int(any(row["status"] == "wrong" for row in rows))
        for row in rows:
            require_mend(row["mend"])
        return [(row["status"], row["message"], row["mend"]) for row in rows if row["check"] == check]

    return ask


def require_mend(mend: str | None) -> None:
    words = shlex.split(mend or "")
    if words[:1] == ["gamcli"]:
        rows = complete.read_table()
        path, _, _ = complete.parse_words(rows, words[1:])
        known = {row.text for row in rows if row.path == path}
        assert path or words[1:] == ["--version"]
        assert {word for word in words if word.startswith("--") and word not in ("--store", "--config")} <= known


def test_a_store_in_daily_use_is_in_order(found: Run, world: Run, api_key: str) -> None:
    assert api_key
    rows = world("doctor", "-o", "json").json
    assert [row["check"] for row in rows if row["status"] != "ok"] == ["lasting-keys"]
    assert found("lasting-keys") == [
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


def test_people_see_what_is_wrong_first(world: Run, file: Path) -> None:
    assert world("key", "list").code == 0
    file.chmod(0o644)
    ran = world("doctor")
    assert ran.code == 1
    assert ran.out.startswith(f"doctor  {file}  1 wrong, ")
    assert f"chmod go-rwx {file}" in [line.strip() for line in ran.out.splitlines()]
    assert ran.err == ""


def test_without_a_store_the_fix_is_to_make_one(found: Run, tmp_path: Path) -> None:
    assert found("store") == [("wrong", f"there is no store at {tmp_path / 'store.db'}", "gamcli init")]
    assert found("store", before=("--store", "x y.db"))[0][2] == "gamcli --store 'x y.db' init"
    assert found("disk") == [("ok", "enough disk space", None)]
    assert found("clock") == []


def test_behind_a_link_the_file_and_its_folder_are_judged_and_fixed(
    found: Run, world: Run, file: Path, place: Path
) -> None:
    assert world("key", "list").code == 0
    folder = place.parent / "real"
    folder.mkdir(mode=0o700)
    file.rename(folder / "r.db").chmod(0o644)
    folder.chmod(0o777)
    file.symlink_to(folder / "r.db")
    assert [mend for _, _, mend in found("modes")] == [f"chmod go-w {folder}", f"chmod go-rwx {folder / 'r.db'}"]
    assert world("doctor", "--fix").code == 0
    assert [each.stat().st_mode & 0o777 for each in (folder, folder / "r.db")] == [0o755, 0o600]


def test_a_damaged_store_is_reported_and_stays_as_it_is(found: Run, world: Run, file: Path) -> None:
    assert world("key", "list").code == 0
    damaged = file.read_bytes()[:5000] + b"\xff" * 100_000
    file.write_bytes(damaged)
    assert found("store")[0][0] == "wrong"
    file.write_bytes(b"no store at all, but some text" * 10)
    assert found("store")[0][2] == "gamcli store check"


def test_a_newer_and_an_older_store_are_reported(found: Run, world: Run, sql: Run) -> None:
    assert world("key", "list").code == 0
    sql("PRAGMA user_version = 99")
    assert found("store")[0][::2] == ("wrong", "gamcli --version")
    sql("PRAGMA user_version = 1")
    assert found("store")[0][::2] == ("wrong", "gamcli store check")
    sql("DELETE FROM migration WHERE version > 1")
    assert found("store")[0][::2] == ("warn", "gamcli store migrate")
    assert sql("PRAGMA user_version") == [(1,)]


def test_open_modes_are_found_and_closed(found: Run, world: Run, file: Path) -> None:
    copy = file.with_name("store.db.old")
    copy.write_bytes(b"")
    for path, mode in ((file, 0o644), (copy, 0o660), (file.parent, 0o777)):
        path.chmod(mode)
    assert [each[2] for each in found("modes")] == [
        f"chmod go-w {file.parent}", f"chmod go-rwx {file}", f"chmod go-rwx {copy}",
    ]  # fmt: skip
    ran = world("doctor", "--fix")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        f"gamcli: chmod 755 {file.parent}", f"gamcli: chmod 600 {file}", f"gamcli: chmod 600 {copy}",
    ]  # fmt: skip
    assert found("modes")[0][0] == "ok"
    assert world("doctor", "--fix").err == ""


def test_a_mode_that_cannot_be_changed_stays_wrong(
    found: Run, world: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    file.chmod(0o644)
    monkeypatch.setattr(os, "fchmod", refuse)
    ran = world("doctor", "--fix")
    assert ran.code == 1
    assert ran.err == f"gamcli: warning: cannot change the mode of {file}: Operation not permitted\n"
    assert found("modes")[0][0] == "wrong"


def test_what_secrets_were_written_to_is_known(found: Run, world: Run, place: Path) -> None:
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    assert world("key", "generate", "--from", "in.csv", "--out", "keys.csv").code == 0
    (place / "keys.csv").chmod(0o644)
    assert found("modes") == [
        (
            "wrong",
            f"other users can read the output of keys {place / 'keys.csv'} (mode 644)",
            f"chmod go-rwx {place}/keys.csv",
        )
    ]
    (place / "keys.csv").unlink()
    assert found("modes")[0][0] == "ok"


def test_a_link_is_not_followed_to_change_a_mode(found: Run, world: Run, file: Path) -> None:
    target = file.with_name("target")
    target.touch(mode=0o644)
    target.chmod(0o644)
    file.with_name("store.db.link").symlink_to(target)
    world("doctor", "--fix")
    assert target.stat().st_mode & 0o777 == 0o644
    assert found("modes")[0][0] == "wrong"


def test_a_log_without_its_store_is_found(found: Run, file: Path) -> None:
    Path(f"{file}-wal").write_bytes(b"x")
    Path(f"{file}-wal").chmod(0o600)
    assert found("wal")[0][::2] == ("wrong", f"mv {file}-wal {file}-wal.lost")


def test_a_clock_that_was_set_back_is_found(found: Run, world: Run, ago: Callable[[timedelta], Gam]) -> None:
    assert world("key", "list").code == 0
    actions.generate(ago(timedelta(days=-1)), KeySpec("ana", "portal"))
    assert found("clock")[0][::2] == ("wrong", "date -u")


def test_what_shuts_keys_out_is_found(found: Run, world: Run, key_id: str) -> None:
    assert key_id
    for words in (["auth-type", "update", "apikey", "--disable"], ["app", "update", "portal", "--no-remote-rest"]):
        assert world(*words).code == 0
    for check in ("default-type", "auth-types", "remote-rest"):
        ((status, _, mend),) = found(check)
        assert (status, mend is None) == ("wrong", False) if mend else (status, mend) == ("ok", None)
        assert world(*shlex.split(mend or "gamcli key list")[1:]).code == 0
        assert found(check)[0][0] == "ok"


def test_a_setting_that_hides_another_is_found(
    found: Run, world: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world("config", "set", "output", "json").code == 0
    assert world("config", "set", "output", "csv", "--project").code == 0
    assert found("shadowed")[0][::2] == ("warn", "gamcli config unset output")
    monkeypatch.setenv("GAMCLI_OUTPUT", "csv")
    assert [each[2] for each in found("shadowed")] == ["unset GAMCLI_OUTPUT"]
    assert world("config", "unset", "output").code == 0
    assert found("shadowed")[0][0] == "ok"
    monkeypatch.setenv("GAMCLI_OUTPUT", "table")
    ((_, message, _),) = found("shadowed")
    assert message == f"output is 'table' from GAMCLI_OUTPUT, which overrides 'csv' from {place / 'gamcli.toml'}"


@pytest.mark.parametrize(
    ("text", "variable"),
    [("[gamcli", ""), ("[gamcli]\nnope = 1", ""), ("", "x"), ("[gamcli]\nnope = 1", "x")],
)
def test_settings_that_cannot_be_read_are_a_finding(
    found: Run, place: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str
) -> None:
    if text:
        (place / "gamcli.toml").write_text(text, encoding="utf-8")
        (place / "gamcli.toml").chmod(0o644)
    if variable:
        monkeypatch.setenv("GAMCLI_SERVE_PORT", variable)
    assert found("config")[0][0] == "wrong"


def test_a_config_file_that_is_named_and_missing_is_a_finding(found: Run) -> None:
    assert "config set store" in str(found("config", before=("--config", "no.toml"))[0][2])


def test_a_credential_where_none_belongs_is_found(
    found: Run, api_key: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY", f"--key={api_key}")
    monkeypatch.setenv("GAM_CLIENT_SECRET", "one of its own")
    assert [each[2] for each in found("environment")] == ["unset DEPLOY", "unset GAM_CLIENT_SECRET"]
    config = place / "gamcli.toml"
    config.write_text(f"# {api_key}\n", encoding="utf-8")
    config.chmod(0o644)
    ((status, message, mend),) = found("modes")
    assert (status, mend) == ("wrong", f"chmod go-rwx {config}")
    assert api_key[8:] not in message
    config.write_text("# nothing\n", encoding="utf-8")
    assert found("modes")[0][0] == "ok"


def test_certificates_are_looked_at_when_they_are_named(found: Run, place: Path) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name, days in (("good", 90), ("soon", 10)):
        words = ["-subj", "/CN=gam", "-days", str(days), "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*make, *words], check=True, capture_output=True)
    (place / "good.key").chmod(0o600)
    (place / "soon.key").chmod(0o644)
    assert [each[0] for each in found("tls", "--tls-cert", "good.pem", "--tls-cert", "soon.pem")] == ["warn"]
    assert found("tls", "--tls-cert", "good.pem", "--tls-key", "good.key")[0][0] == "ok"
    assert found("modes", "--tls-key", "soon.key")[0][2] == f"chmod go-rwx {place / 'soon.key'}"
    told = [each[1] for each in found("tls", "--tls-cert", "good.key", "--tls-cert", "no.pem")]
    assert told == ["good.key: not a certificate in PEM format", "no.pem: no such file or directory"]
    told = [each[1:] for each in found("tls", "--tls-key", "no.key", "--tls-key", ".", "--tls-key", "/dev/null")]
    assert told == [
        ("no.key: no such file or directory", "ls -l no.key"),
        (".: is a directory", "ls -l ."),
        ("/dev/null: not a regular file", "ls -l /dev/null"),
    ]


def test_the_fixes_of_keys_that_last_leave_none(found: Run, world: Run, api_key: str) -> None:
    for told in (
        "application 'portal' has no API key timeout",
        f"{api_key[7:15]} was issued before its application had a timeout",
    ):
        ((status, message, mend),) = found("lasting-keys")
        assert (status, message) == ("warn", f"1 active key never expires; {told}")
        assert world(*shlex.split(str(mend))[1:]).code == 0
    assert found("lasting-keys")[0][0] == "ok"


def test_the_fix_of_orphaned_tokens_leaves_none(found: Run, world: Run, sql: Run) -> None:
    assert world("key", "list").code == 0
    for number in (1, 2, 3):
        sql(
            "INSERT INTO token (id, digest, user_guid, client_id, scopes, issued_at) VALUES (?, x'', '', '', '', 1)",
            number,
        )
    ((status, message, mend),) = found("orphaned-tokens")
    assert (status, message[:8]) == ("warn", "2 tokens")
    assert world(*shlex.split(str(mend))[1:]).code == 0
    assert found("orphaned-tokens")[0][0] == "ok"


def test_a_terminal_of_eighty_columns_shows_each_fix_in_one_line(world: Run, terminal: Run) -> None:
    assert world("auth-type", "update", "apikey", "--disable").code == 0
    ran = terminal("doctor", columns=80, NO_COLOR="1")
    assert ran.code == 1
    assert "gamcli auth-type update apikey --enable" in [line.strip() for line in ran.out.splitlines()]


def test_a_store_that_is_only_read_is_looked_into(found: Run, world: Run, file: Path) -> None:
    assert world("key", "list").code == 0
    file.chmod(0o400)
    with suppress(OSError):
        assert found("default-type")[0][0] == "ok"
