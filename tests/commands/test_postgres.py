"""The commands with a store on PostgreSQL, one after the other as a user types them."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import RunResult
from tests.conftest import PostgresServer

MANIFEST = '[user.carl]\nemail = "carl@example.org"\n'


@pytest.fixture
def pg(
    gamcli: Callable[..., RunResult], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RunResult]:
    monkeypatch.setenv("GAMCLI_STORE", postgres_url)
    assert gamcli("init").code == 0
    assert gamcli("app", "create", "portal", "--remote-rest", "--api-keys", "--scope", "gam_user_data").code == 0
    for name in ("ana", "bob", "eva"):
        assert gamcli("user", "create", name).code == 0
    return gamcli


def test_keys_are_generated_rotated_revoked_and_issued_from_a_file(pg: Callable[..., RunResult], place: Path) -> None:
    assert pg("key", "generate", "--user", "ana", "--app", "portal").code == 0
    (key,) = pg("key", "list", "-o", "json").json
    assert pg("key", "rotate", key["id"], "--overlap", "0").code == 0
    (new,) = (each for each in pg("key", "list", "-o", "json").json if each["id"] != key["id"])
    assert pg("key", "revoke", new["id"]).code == 0
    (place / "in.csv").write_text("user,app\nbob,portal\neva,portal\n")
    for _ in range(2):  # a repeated run issues nothing new
        assert pg("key", "generate", "--from", "in.csv", "--out", "out.csv").code == 0
        assert len((place / "out.csv").read_text().splitlines()) == 3
    listed = pg("key", "list", "-o", "json").json
    assert sorted((each["user"], each["status"]) for each in listed) == [
        ("ana", "replaced"), ("ana", "revoked"), ("bob", "active"), ("eva", "active"),
    ]  # fmt: skip


def test_a_manifest_is_applied_and_drift_is_reported(pg: Callable[..., RunResult], place: Path) -> None:
    (place / "gam.toml").write_text(MANIFEST)
    assert pg("apply", "gam.toml").code == 0
    assert pg("drift", "gam.toml").code == 0
    assert pg("user", "update", "carl", "--email", "other@example.org").code == 0
    assert pg("drift", "gam.toml").code == 6


def test_a_store_is_checked_and_copied_to_a_file_and_back(pg: Callable[..., RunResult], postgres_url: str) -> None:
    for words in (("audit", "verify"), ("doctor",), ("store", "check"), ("store", "migrate")):
        assert pg(*words).code == 0, words
    head = pg("store", "info", "-o", "json").json["head"]
    assert pg("store", "migrate", "--to", "copy.db").code == 0
    assert pg("--store", "copy.db", "store", "migrate", "--to", f"{postgres_url}_back").code == 0
    assert json.loads(pg("--store", f"{postgres_url}_back", "store", "info", "-o", "json").out)["head"] == head
    assert pg("--store", "copy.db", "store", "migrate", "--to", f"{postgres_url}_back").code == 5
    for verb in (("backup", "x.db"), ("restore", "x.db"), ("compact",)):
        assert pg("store", *verb).code == 2


def test_the_suggested_commands_restore_a_backup_and_keep_the_replaced_schema(
    pg: Callable[..., RunResult], postgres_url: str
) -> None:
    def run(*verb: str) -> int:
        line = shlex.split(pg("store", *verb).hint)
        return subprocess.run(line, check=False, capture_output=True, timeout=60).returncode

    assert pg("key", "generate", "--user", "ana", "--app", "portal").code == 0
    key = pg("key", "list", "--field", "id").out.strip()
    head = pg("audit", "verify", "--field", "head").out
    assert run("backup", "x.db") == 0
    assert pg("key", "revoke", key).code == 0
    assert pg("user", "create", "later").code == 0
    assert run("restore", "x.db") == 0
    assert pg("audit", "verify", "--field", "head").out == head
    assert pg("key", "show", key, "--field", "status").out == "active\n"
    assert run("restore", "x.db") != 0  # the schema of the first time is not overwritten
    assert pg("store", "check").code == 0
    assert pg("--store", f"{postgres_url}_replaced", "user", "show", "later").code == 0


def test_doctor_lists_only_checks_that_apply_to_a_database(pg: Callable[..., RunResult], place: Path) -> None:
    findings = pg("doctor", "-o", "json").json
    names = {finding["check"] for finding in findings}
    assert names >= {"store", "config", "clock", "idle-users"}
    assert not names & {"modes", "owner", "wal", "copies", "disk", "file-system", "log"}
    (place / "gamcli.toml").write_text("")
    messages = {finding["check"]: finding["message"] for finding in pg("doctor", "-o", "json").json}
    assert messages["modes"] == "no other user can change the settings"


def test_a_command_ends_with_8_when_the_database_is_stopped(
    pg: Callable[..., RunResult], postgres: PostgresServer, postgres_url: str
) -> None:
    with postgres.stopped():
        ran = pg("--store", f"{postgres_url}&connect_timeout=2", "user", "list")
    assert (ran.code, "check that the database is running" in ran.hint) == (8, True)


def test_a_database_that_is_away_is_8_and_a_password_in_the_url_is_2(gamcli: Callable[..., RunResult]) -> None:
    away = gamcli("--store", "postgresql://gam@127.0.0.1:1/gam", "user", "list")
    assert (away.code, "check that the database is running" in away.hint) == (8, True)
    refused = gamcli("--store", "postgresql://gam:geheim@127.0.0.1/gam", "user", "list")
    assert (refused.code, "geheim" in refused.err) == (2, False)
