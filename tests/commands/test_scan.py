"""`gamcli scan`."""

import csv
import io
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gamcli.rules.credentials import mint_api_key, mint_client_secret

Run = Callable[..., Any]

FIELDS = "file line column commit kind id status live user app last_used_at fingerprint cut_short length"
FOREIGN = mint_api_key(Random(9).randbytes)[1].reveal()


@pytest.fixture
def leaked(api_key: str, place: Path) -> str:
    (place / "a.py").write_text(f"import os\nKEY = '{api_key}'\n", encoding="ascii")
    return api_key[7:15]


@pytest.fixture
def client_secret(world: Run, place: Path) -> str:
    secret: str = world("app", "rotate-secret", "portal", "--overlap", "0").out.strip()
    (place / "b.env").write_text(f"SECRET={secret}", encoding="ascii")
    return secret


def test_an_active_key_is_reported_with_its_owner_and_needs_attention(world: Run, leaked: str) -> None:
    found = world("scan", ".")
    assert found.code == 7
    assert found.out == (
        f"WHERE     KIND  ID        STATUS  USER  APP     USED\na.py:2:8  key   {leaked}  active  ana   portal  -\n"
    )
    assert found.err == (
        "gamcli: 1 found, 1 active; searched 1 file, 1 kB\n"
        f"gamcli: to revoke active keys: gamcli key revoke {leaked} --reason leaked\n"
    )


def test_a_record_has_the_fields_that_scripts_rely_on(world: Run, leaked: str, client_secret: str) -> None:
    found = world("scan", ".", "-o", "json")
    records = json.loads(found.out)
    assert [" ".join(each) for each in records] == [FIELDS] * 2
    assert [(each["file"], each["kind"], each["id"], each["live"]) for each in records] == [
        ("a.py", "API key", leaked, True),
        ("b.env", "client secret", None, True),
    ]
    lines = [json.loads(line) for line in world("scan", ".", "-o", "jsonl").out.splitlines()]
    assert lines == records
    rows = [*csv.reader(io.StringIO(world("scan", ".", "-o", "csv").out))]
    assert " ".join(rows[0]) == FIELDS
    assert len(rows) == 3
    assert world("scan", ".", "--field", "status").out == "active\nactive\n"
    sarif = world("scan", ".", "-o", "sarif")
    assert [each["level"] for each in json.loads(sarif.out)["runs"][0]["results"]] == ["error"] * 2
    assert (found.code, sarif.code) == (7, 7)
    assert client_secret not in found.out + sarif.out
    assert "gamkey_" not in found.out + sarif.out


def test_an_active_client_secret_is_identified_by_its_application(world: Run, client_secret: str) -> None:
    found = world("scan", "b.env")
    assert found.code == 7
    assert "gamcli: to replace an active client secret: gamcli app rotate-secret portal --overlap 0\n" in found.err
    assert world("app", "rotate-secret", "portal", "--overlap", "0").code == 0
    assert world("scan", "b.env").code == 0
    assert client_secret not in found.out


def test_an_inactive_key_does_not_change_the_exit_code(world: Run, leaked: str) -> None:
    assert world("key", "revoke", leaked).code == 0
    found = world("scan", ".", "-o", "json").json
    assert (found[0]["status"], found[0]["live"]) == ("revoked", False)


def test_without_findings_stdout_is_empty(world: Run, place: Path) -> None:
    (place / "a.py").write_text("gamkey_", encoding="ascii")
    found = world("scan", ".")
    assert (found.code, found.out) == (0, "")
    assert found.err == "gamcli: nothing found; searched 1 file, 1 kB\n"
    assert world("scan", ".", "-o", "json").json == []
    assert world("--quiet", "scan", ".").err == ""


def test_a_key_of_another_store_is_a_warning(world: Run, place: Path) -> None:
    (place / "a.py").write_text(FOREIGN, encoding="ascii")
    found = world("scan", ".")
    assert found.code == 0
    assert "foreign" in found.out
    assert "gamcli: 1 found, 1 foreign; searched 1 file, 1 kB\n" in found.err
    assert "gamcli: warning: foreign credentials are not in this store, but may be valid in another one\n" in found.err


def test_without_a_store_any_finding_is_exit_code_7(world: Run, leaked: str) -> None:
    found = world("scan", ".", "--no-store", "-o", "json")
    assert found.code == 7
    (record,) = json.loads(found.out)
    assert (record["id"], record["status"], record["live"], record["user"]) == (leaked, "unknown", None, None)
    assert "gamcli: no store was checked, so the status of these credentials is unknown\n" in found.err
    assert "1 found; searched" in found.err


def test_a_missing_default_store_is_not_required(
    gamcli: Run, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GAMCLI_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (place / "a.py").write_text(FOREIGN, encoding="ascii")
    found = gamcli("scan", ".")
    assert found.code == 7
    assert "unknown" in found.out
    assert not (tmp_path / "data").exists()


def test_a_named_store_must_exist(gamcli: Run, place: Path) -> None:
    (place / "a.py").write_text(FOREIGN, encoding="ascii")
    assert gamcli("scan", ".").code == 8
    assert gamcli("--store", "nothing.db", "scan", ".").code == 8
    assert gamcli("scan", ".", "--no-store").code == 7


def test_known_findings_can_be_ignored(world: Run, leaked: str, client_secret: str) -> None:
    assert client_secret
    fingerprints = world("scan", ".", "--field", "fingerprint").out.split()
    found = world("scan", ".", "--ignore", leaked)
    assert found.code == 7
    assert "1 found, 1 active, 1 ignored" in found.err
    found = world("scan", ".", "--ignore", leaked, "--ignore", fingerprints[1])
    assert (found.code, found.out) == (0, "")
    assert "nothing found, 2 ignored" in found.err


def test_a_stream_is_searched(program: Run, api_key: str) -> None:
    found = program("scan", "-", stdin=f"one\nGET /?key={api_key}\n".encode())
    assert found.code == 7
    assert "stdin:2:11" in found.out
    assert program("scan", "-", stdin=b"").code == 0


@pytest.fixture
def repository(leaked: str, place: Path) -> Path:
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main"]
    lines = (["init", "-q"], ["add", "."], ["commit", "-qm", "one"])
    for words in lines:
        subprocess.run([*git, *words], check=True)
    (place / "a.py").write_text("import os\n", encoding="ascii")
    subprocess.run([*git, "commit", "-qam", "two"], check=True)
    assert leaked
    return place


def test_a_history_reports_the_commit_of_a_leak(world: Run, repository: Path, leaked: str) -> None:
    first = subprocess.check_output(["git", "rev-list", "--max-parents=0", "HEAD"], text=True).strip()
    assert world("scan", ".").code == 0
    found = world("scan", "--git")
    assert found.code == 7
    assert f"{first[:10]}:a.py:2:8  key   {leaked}  active" in found.out
    assert re.search(r"1 found, 1 active; searched \d+ objects of git, 1 kB", found.err)
    (record,) = json.loads(world("scan", "--git", str(repository), "-o", "json").out)
    assert record["commit"] == first


def test_staged_files_are_searched(world: Run, repository: Path, api_key: str) -> None:
    assert world("scan", "--staged").code == 0
    (repository / "c.py").write_text(api_key, encoding="ascii")
    subprocess.run(["git", "add", "."], check=True)
    found = world("scan", "--staged", "--field", "file")
    assert (found.code, found.out) == (7, "c.py\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "missing argument 'PATH'"),
        (("--git", "--staged"), "--git and --staged cannot be combined"),
        (("--git", "a", "b"), "only one repository can be scanned at a time"),
        (("--git", "-"), "only one repository can be scanned at a time"),
        (("nothing",), "cannot read nothing"),
        ((".", "--yes"), "--reason, --yes and --dry-run require --revoke"),
        ((".", "--dry-run"), "--reason, --yes and --dry-run require --revoke"),
        ((".", "--reason", "x"), "--reason, --yes and --dry-run require --revoke"),
        ((".", "--revoke", "--no-store"), "--revoke requires a store"),
        (("--git",), "cannot open the git repository at ."),
        ((".", "-o", "toml"), "invalid value"),
        ((".", "--field", "secret"), "unknown field 'secret'"),
    ],
)
def test_an_invalid_command_line_is_refused(world: Run, words: tuple[str, ...], message: str) -> None:
    found = world("scan", *words)
    assert found.code == 2
    assert message in found.err
    assert found.hint


def test_active_keys_are_revoked_after_confirmation(world: Run, leaked: str, sql: Run) -> None:
    refused = world("scan", ".", "--revoke")
    assert refused.code == 5
    assert "this permanently invalidates 1 active key" in refused.err
    assert refused.hint == "add --yes to confirm"
    found = world("scan", ".", "--revoke", "--yes", "-o", "json").json
    assert [(each["id"], each["status"], each["live"]) for each in found] == [(leaked, "revoked", False)]
    assert world("key", "show", leaked, "--field", "reason").out == "leaked\n"
    assert sql("SELECT target FROM audit WHERE action = 'key.revoke'") == [(leaked,)]
    assert world("scan", ".", "--revoke").code == 0


def test_the_reason_of_a_revocation_can_be_given(world: Run, leaked: str) -> None:
    assert world("scan", ".", "--revoke", "--yes", "--reason", "in a paste").code == 0
    assert world("key", "show", leaked, "--field", "reason").out == "in a paste\n"


def test_an_active_client_secret_stays_after_revocation(world: Run, leaked: str, client_secret: str) -> None:
    assert leaked
    assert client_secret
    found = world("scan", ".", "--revoke", "--yes")
    assert found.code == 7
    assert "2 found, 1 active" in found.err
    assert "to revoke active keys" not in found.err


def test_a_terminal_shows_the_keys_and_asks_for_confirmation(world: Run, terminal: Run, leaked: str) -> None:
    found = terminal("scan", ".", "--revoke", answers=[("continue?", "n")])
    assert found.code == 1
    assert f"{leaked}  ana for portal, never used: leaked" in found.out
    assert world("scan", ".").code == 7
    assert terminal("scan", ".", "--revoke", answers=[("continue?", "y")]).code == 0
    assert world("scan", ".").code == 0


def test_a_dry_run_shows_the_keys_to_revoke_and_changes_nothing(world: Run, leaked: str) -> None:
    found = world("scan", ".", "--revoke", "--dry-run", "-o", "json").json
    assert [each["key"] for each in found["invalidates"]] == [leaked]
    assert (found["changes"][0]["action"], found["changes"][0]["kind"]) == ("update", "key")
    assert world("scan", ".").code == 7
    assert world("scan", ".", "--revoke", "--dry-run", "-o", "sarif").code == 2


def test_the_suggested_command_stays_short_with_many_keys(world: Run, place: Path) -> None:
    for number in range(12):
        assert world("user", "create", f"u{number}").code == 0
    keys = [world("key", "generate", "--user", f"u{number}", "--app", "portal").out for number in range(12)]
    (place / "ten").write_text("".join(keys[:10]), encoding="ascii")
    (place / "twelve").write_text("".join(keys), encoding="ascii")
    assert f"gamcli key revoke {' '.join(key[7:15] for key in keys[:10])} --reason" in world("scan", "ten").err
    assert "gamcli key revoke KEY... --reason leaked" in world("scan", "twelve").err


def test_suggested_commands_name_the_store(
    program: Run, file: Path, leaked: str, client_secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client_secret
    monkeypatch.delenv("GAMCLI_STORE")
    told = program("--store", str(file), "scan", ".").err
    assert f"gamcli --store {file} key revoke {leaked} --reason leaked\n" in told
    assert f"gamcli --store {file} app rotate-secret portal --overlap 0\n" in told


def test_the_gitleaks_rules_find_the_same_credentials(gamcli: Run) -> None:
    document = tomllib.loads(gamcli("scan", "--rules", "gitleaks").out)
    assert document["extend"] == {"useDefault": True}
    rules = {rule["id"]: rule for rule in document["rules"]}
    client = mint_client_secret(Random(3).randbytes).reveal()
    for name, text in (("gam-api-key", FOREIGN), ("gam-client-secret", client)):
        found = re.search(rules[name]["regex"], f'"%3D{text}"')
        assert found
        assert found[0] == text
        assert not re.search(rules[name]["regex"], text[:-1])
        assert not re.search(rules[name]["regex"], f"{text}x")
        assert [text.startswith(each) for each in rules[name]["keywords"]] == [True]


def test_the_pre_commit_hook_runs_an_existing_command(world: Run) -> None:
    text = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entry = re.search(r"entry: gamcli (.+)", text)
    assert entry
    assert "pass_filenames: false" in text
    assert "cannot open the git repository" in world(*entry[1].split()).err


def test_a_key_that_is_cut_short_is_named_and_revoked_by_its_id_only(world: Run, api_key: str, place: Path) -> None:
    (place / "log").write_text(f"x\nkey={api_key[:30]}...\n", encoding="ascii")
    key_id = api_key[7:15]
    found = world("scan", "log")
    assert found.code == 7
    assert f"log:2:5  key   {key_id}  active, truncated  ana   portal" in found.out
    assert f"gamcli: looks like key {key_id}, truncated: 30 of 54 characters\n" in found.err
    assert f"gamcli key revoke {key_id} --reason leaked" in found.err
    (record,) = json.loads(world("scan", "log", "-o", "json").out)
    assert (record["cut_short"], record["length"], record["live"]) == (True, 30, True)
    assert "truncated after 30 characters" in world("scan", "log", "-o", "sarif").out
    assert world("scan", "log", "--revoke", "--yes").code == 7  # anyone may know an ID
    assert world("key", "show", key_id, "--field", "status").out == "active\n"


@pytest.mark.parametrize("noun", [("user", "ana"), ("app", "portal")])
def test_a_key_of_a_deleted_user_or_application_is_named_from_the_audit_log(
    world: Run, leaked: str, noun: tuple[str, str]
) -> None:
    assert world(noun[0], "delete", noun[1], "--accept-invalidating", "1").code == 0
    found = world("scan", ".")
    assert found.code == 0
    assert f"{leaked}  deleted  ana   portal" in found.out
    assert "foreign" not in found.out + found.err


def test_what_could_not_be_read_makes_the_exit_code_1(world: Run, place: Path) -> None:
    (place / "a.gz").write_bytes(b"\x1f\x8b\x08 damaged")
    found = world("scan", ".")
    assert (found.code, found.out) == (1, "")
    assert "gamcli: warning: cannot read a.gz completely: it is damaged or truncated\n" in found.err
    assert "searched 1 file, 1 kB; 1 archive member could not be read\n" in found.err
    assert "gamcli: error: the scan is incomplete" in found.err
    assert world("scan", ".", "--allow-partial").code == 0
    assert world("scan", ".", "--no-archives").code == 0


def test_an_active_key_outweighs_what_could_not_be_read(world: Run, leaked: str, place: Path) -> None:
    (place / "a.gz").write_bytes(b"\x1f\x8b\x08 damaged")
    found = world("scan", ".")
    assert found.code == 7
    assert leaked in found.out


def test_a_shallow_clone_is_incomplete(world: Run, place: Path) -> None:
    commit = "-c user.name=n -c user.email=n@n commit -q --allow-empty -m 1"
    for words in ("init -q .", commit, commit):
        subprocess.run(["git", *words.split()], check=True)
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{place}", "shallow"], check=True)
    assert world("scan", "--git", "shallow").code == 1
    assert world("scan", "--git", "shallow", "--allow-partial").code == 0
    assert world("scan", "--git").code == 0


@pytest.mark.parametrize("words", [[""], [".", ""], ["--git", ""], ["--staged", ""]])
def test_an_empty_path_is_refused(world: Run, words: list[str]) -> None:
    found = world("scan", *words)
    assert (found.code, found.err) == (
        2, "gamcli: error: PATH is empty\ngamcli: hint: specify a PATH\n",
    )  # fmt: skip


def test_a_key_issued_in_bulk_is_named_from_the_audit_log_after_its_user_is_deleted(world: Run, place: Path) -> None:
    assert world("user", "create", "eva").code == 0
    (place / "in.csv").write_text("user,app\neva,portal\n", encoding="ascii")
    assert world("key", "generate", "--from", "in.csv", "--out", "keys.csv").code == 0
    assert world("user", "delete", "eva", "--accept-invalidating", "1").code == 0
    (record,) = world("scan", "keys.csv", "-o", "json").json
    assert (record["status"], record["user"], record["app"]) == ("deleted", "eva", "portal")
