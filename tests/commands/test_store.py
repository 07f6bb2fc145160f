"""`gamcli store`: what it says, its exit codes, and what a shell makes of it."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from gamcli.store import schema

Run = Callable[..., Any]


def test_info_shows_the_facts_in_every_format(world: Run, file: Path) -> None:
    found = world("store", "info", "-o", "json").json
    assert (found["path"], found["mode"], found["users"], found["apps"]) == (str(file), "0600", 1, 1)
    assert world("store", "info", "--field", "users").out == "1\n"
    assert "users          1\n" in world("store", "info").out
    assert world("store", "info", "-o", "csv").out.startswith("path,mode,size,wal_size,version,guid,")


def test_check_of_a_store_that_is_valid_is_0(world: Run) -> None:
    found = world("store", "check")
    assert (found.code, found.err) == (0, "gamcli: all checks passed\n")
    assert "✓  pages " in found.out
    assert all(each["ok"] for each in world("store", "check", "-o", "json").json)


def test_check_of_a_damaged_store_is_8_and_an_answer(world: Run, file: Path) -> None:
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xa5" * 4096)
    found = world("store", "check")
    assert found.code == 8
    assert "✗  pages " in found.out
    assert "checks failed" in found.err
    shown = json.loads(world("store", "check", "-o", "json").out)
    assert {each["mend"] for each in shown if each["name"] == "pages"} == {"gamcli store restore FILE --replace"}


@pytest.mark.parametrize(
    ("damage", "command"),
    [
        ("PRAGMA user_version = 0", "user list"),
        ("PRAGMA user_version = 2", "user list"),
        ("PRAGMA user_version = -1", "user list"),
        ("UPDATE user SET name = CAST(x'ff41' AS TEXT)", "user list"),
        ("UPDATE user SET created_at = 9223372036854775807", "user list"),
        ("UPDATE user SET attributes = '[]'", "user show ana"),
        ("DELETE FROM app_use", "app list"),
        ("UPDATE audit SET seq = 9223372036854775807 WHERE seq = 3", "user create eva"),
    ],
)
def test_what_other_commands_refuse_is_found_by_check(world: Run, sql: Run, damage: str, command: str) -> None:
    sql(damage)
    assert world("store", "check").code == 8
    assert world(*command.split()).code == 8


def test_a_damaged_password_hash_is_found_by_check_and_hides_nothing(world: Run, sql: Run) -> None:
    sql("UPDATE user SET password_hash = 'x'")
    assert world("store", "check").code == 8
    assert (world("export").code, world("user", "show", "ana").code) == (0, 0)


@pytest.mark.parametrize(
    "command", ["user list", "user show ana", "key show KEY", "key explain KEY", "export", "plan x.toml"]
)
def test_a_damaged_row_is_named_with_its_store_and_table(
    world: Run, sql: Run, file: Path, key_id: str, place: Path, command: str
) -> None:
    (place / "x.toml").write_text('[user.ana]\nfirst_name = "Ana"\n')
    sql("UPDATE user SET attributes = 'x'")
    ((guid,),) = sql("SELECT guid FROM user")
    damage = f"invalid attributes in row '{guid}' of table 'user'"
    found = world(*command.replace("KEY", key_id).split())
    assert (found.code, found.hint) == (8, "gamcli store check")
    assert f"error: the store {file} is damaged: {damage}\n" in found.err
    assert damage in world("store", "check").out
    assert world("app", "list").code == 0


def test_damaged_details_of_an_entry_are_listed_and_found_by_verify(world: Run, sql: Run) -> None:
    sql("UPDATE audit SET details = '{' WHERE seq = 2")
    assert world("audit", "list", "-o", "json").json[1]["details"] == "{"
    assert world("audit", "list").code == 0
    assert world("audit", "verify").code == 8
    assert "✗  audit log  " in world("store", "check").out


def test_check_of_no_store_is_8_without_an_answer(gamcli: Run, file: Path) -> None:
    found = gamcli("store", "check")
    assert (found.code, found.out) == (8, "")
    assert found.hint == f"gamcli --store {file} init"


def test_a_backup_is_reported_in_a_line_or_as_a_record(world: Run, place: Path) -> None:
    found = world("store", "backup", "b.db")
    assert (found.out, found.err) == ("", "gamcli: wrote b.db: 0 keys, 1 user, 1 application; every page checked\n")
    assert stat.S_IMODE((place / "b.db").stat().st_mode) == 0o600
    assert world("--store", "b.db", "user", "list", "--field", "name").out == "ana\n"
    assert world("store", "backup", "c.db", "-o", "json").json["checked"] == "pages"


def test_a_backup_over_an_earlier_one_is_5_unless_asked(world: Run) -> None:
    assert world("store", "backup", "b.db").code == 0
    found = world("store", "backup", "b.db")
    assert (found.code, found.hint) == (5, "choose another file, or --replace")
    assert world("store", "backup", "b.db", "--replace").code == 0


def test_a_folder_is_not_a_backup_file(world: Run, place: Path) -> None:
    (place / "backups").mkdir()
    ran = world("store", "backup", "backups", "--replace")
    assert (ran.code, ran.hint) == (5, "gamcli store backup backups/store.db")
    assert "error: backups is a folder\n" in ran.err


def test_a_large_backup_says_what_was_not_checked(world: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gamcli.actions.maintenance.MAX_FULL_CHECK_BYTES", 0)
    found = world("store", "backup", "b.db")
    assert "; counts checked\n" in found.err
    assert "to check every page: gamcli --store b.db store check\n" in found.err
    assert "every page" in world("store", "backup", "c.db", "--full").err


def test_a_backup_to_stdout_can_be_piped(world: Run, line: list[str], place: Path) -> None:
    assert world("store", "backup", "b.db").code == 0
    piped = subprocess.run([*line, "store", "backup", "-"], capture_output=True, check=True, timeout=60)
    assert piped.stdout == (place / "b.db").read_bytes()
    assert piped.stderr == b"gamcli: wrote 0 keys, 1 user, 1 application; every page checked\n"


def test_a_backup_of_a_store_with_a_broken_audit_log_is_8_and_kept(
    world: Run, line: list[str], place: Path, sql: Run
) -> None:
    sql("DELETE FROM audit WHERE seq = 2")
    found = world("store", "backup", "b.db")
    assert (found.code, found.hint) == (8, "gamcli store check")
    assert "entry 2 was removed" in found.err
    piped = subprocess.run([*line, "store", "backup", "-"], capture_output=True, check=False, timeout=60)
    assert (piped.returncode, piped.stdout) == (8, (place / "b.db").read_bytes())
    assert piped.stderr.startswith(b"gamcli: error: wrote the backup, a complete copy, but the store")


def test_a_backup_to_stdout_is_not_a_record_and_no_text(world: Run, terminal: Run) -> None:
    assert world("store", "backup", "-", "-o", "json").code == 2
    assert "a backup cannot be written to a terminal" in terminal("store", "backup", "-").out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes file systems")
def test_a_full_disk_leaves_no_part_of_a_backup(world: Run, place: Path) -> None:
    disk = place / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], check=False).returncode:
        pytest.skip("no file systems here")
    try:
        disk.chmod(0o700)
        assert world("store", "backup", "disk/b.db").code == 0
        (disk / "other").write_bytes(b"x" * 40_000)
        found = world("store", "backup", "disk/b.db", "--replace")
        assert (found.code, found.err) == (
            1,
            f"gamcli: error: the disk of {disk} is full\ngamcli: hint: free some space\n",
        )
        assert {each.name for each in disk.iterdir()} == {"b.db", "other"}
        assert world("--store", "disk/b.db", "store", "check").code == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


VERSION = len(schema.MIGRATIONS)
OLD = Path(__file__).parent.parent / "store" / "kept" / "2.sql"


@pytest.fixture
def old(file: Path) -> Path:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    return file


def test_restore_says_where_the_store_of_before_lies(world: Run, file: Path) -> None:
    assert world("store", "backup", "b.db").code == 0
    assert world("user", "create", "eva").code == 0
    found = world("store", "restore", "b.db", "--replace")
    first, second = found.err.splitlines()
    assert (found.code, first) == (0, f"gamcli: restored {file} from b.db: 0 keys, 1 user, 1 application")
    kept = second.removeprefix("gamcli: the replaced store is in ")
    assert world("user", "list", "--field", "name").out == "ana\n"
    assert world("store", "restore", kept, "--replace", "-o", "json").json["users"] == 2
    assert world("user", "list", "--field", "name").out == "ana\neva\n"


def test_restore_over_a_store_is_5_unless_asked(world: Run) -> None:
    assert world("store", "backup", "b.db").code == 0
    found = world("store", "restore", "b.db")
    assert (found.code, found.hint) == (5, "add --replace to replace it; it is kept under another name")


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_restore_while_a_server_runs_is_8(world: Run, line: list[str], place: Path, sql: Run, journal: str) -> None:
    """Also when another program has turned off the WAL."""
    assert world("store", "backup", "b.db").code == 0
    assert sql(f"PRAGMA journal_mode = {journal}") == [(journal,)]
    words = [*line, "serve", "--port", "0", "--ready-file", "ready"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=place) as server:
        while not (place / "ready").exists():
            assert server.poll() is None
            sleep(0.02)
        found = world("store", "restore", "b.db", "--replace")
        assert (found.code, found.hint) == (8, "stop that process, then try again")
        server.terminate()
    assert world("store", "restore", "b.db", "--replace").code == 0


def test_a_dry_run_of_restore_changes_nothing(world: Run, file: Path) -> None:
    assert world("store", "backup", "b.db").code == 0
    assert world("user", "create", "eva").code == 0
    shown = world("store", "restore", "b.db", "--replace", "--dry-run", "-o", "json").json["changes"]
    assert [(each["action"], each["kind"], each["name"]) for each in shown] == [
        ("update", "store", str(file)),
        ("delete", "user", "eva"),
    ]
    assert world("user", "list", "--field", "name").out == "ana\neva\n"
    shown = world("--store", "new.db", "store", "restore", "b.db", "--dry-run", "-o", "json").json["changes"]
    assert shown[0]["action"] == "create"
    assert not Path("new.db").exists()


def test_migrate_says_what_it_did_and_that_it_is_done(gamcli: Run, old: Path) -> None:
    shown = gamcli("store", "migrate", "--dry-run").out
    assert shown == f"~ store {old}\n    version  2 -> {VERSION}\n"
    assert gamcli("store", "migrate").err == (
        f"gamcli: migrated {old} from version 2 to {VERSION}\ngamcli: backup: {old}.v2-backup\n"
    )
    assert gamcli("store", "migrate").err == f"gamcli: the store already has schema version {VERSION}\n"
    assert gamcli("store", "migrate", "--dry-run", "-o", "json").json["changes"] == []


def test_any_command_brings_a_store_up_to_date_and_says_so(gamcli: Run, old: Path) -> None:
    found = gamcli("user", "list", "--field", "name")
    assert found.out == "ana\neva\nMaría José\n"
    assert found.err == f"gamcli: upgraded the store from version 2; backup: {old}.v2-backup\n"
    assert gamcli("user", "list", "--field", "name").err == ""


def test_restore_of_an_older_backup_says_so(world: Run, place: Path) -> None:
    with closing(sqlite3.connect(place / "b.db")) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    found = world("store", "restore", "b.db", "--replace", "--accept-reactivating", "5")
    assert f"gamcli: migrated the backup from version 2 to {VERSION}\n" in found.err


def test_compact_says_how_much_room_it_gave_back(world: Run, file: Path, many_keys: int, sql: Run) -> None:
    assert many_keys
    sql("DELETE FROM key")
    shown = world("store", "compact", "--dry-run", "-o", "json").json["changes"][0]
    assert (shown["action"], shown["kind"]) == ("update", "store")
    told = shown["fields"][0]
    found = world("store", "compact", "-o", "json").json
    assert found["bytes_before"] >= told["old"]
    assert found["bytes_after"] == file.stat().st_size < told["old"]
    assert world("store", "compact", "--dry-run", "-o", "json").json["changes"] == []
    assert world("store", "compact").err.startswith(f"gamcli: compacted {file} from ")


def test_compact_while_others_write_is_8(world: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gamcli.store.sqlite.replace.TIMEOUT", 0.0)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert world("store", "compact").code == 8


def test_prune_deletes_what_is_expired(world: Run, token: str, sql: Run) -> None:
    assert world("token", "revoke", token).code == 0
    sql(
        """INSERT INTO token SELECT id + 1, digest, user_guid, client_id, key, scopes, issued_at, expires_at, NULL, NULL
        FROM token"""
    )
    assert world("token", "prune").err == "gamcli: deleted 0 tokens and 0 sessions, inactive for longer than 30d\n"
    assert "\ngamcli: total: 1 token and 0 sessions\n" in world("token", "prune", "--older-than", "0", "--dry-run").err
    shown = world("token", "prune", "--older-than", "0", "--dry-run", "-o", "json").json["changes"]
    assert [(each["action"], each["kind"], each["fields"]) for each in shown] == [
        ("delete", "token", [{"field": "tokens", "old": 1, "new": None}])
    ]
    found = world("token", "prune", "--older-than", "0")
    assert found.err == "gamcli: deleted 1 token and 0 sessions, inactive for longer than 0\n"
    assert world("token", "list", "--field", "status").out == "active\n"
    assert world("token", "prune", "--older-than", "0", "-o", "json").json["tokens"] == 0
    assert world("token", "prune", "--older-than", "0", "--dry-run", "-o", "json").json["changes"] == []


def test_a_backup_is_restored_from_stdin(world: Run, shell: Run, place: Path) -> None:
    assert world("store", "info").code == 0
    ran = shell("gamcli store backup - | gamcli --store other.db store restore -")
    assert ran.code == 0, ran.err
    assert f"restored {place / 'other.db'} from stdin: 0 keys, 1 user, 1 application" in ran.err
    ran = shell("echo nothing | gamcli --store third.db store restore -")
    assert ran.code == 8
    assert not (place / "third.db").exists()


def test_the_process_that_uses_the_store_is_named(world: Run, file: Path) -> None:
    assert world("store", "backup", "backup.db").code == 0
    wait = "import sys; store = Store.open(Path(sys.argv[1])); print(flush=True); input()"
    wait = f"from pathlib import Path; from gamcli.store import Store; {wait}"
    with subprocess.Popen(
        [sys.executable, "-c", wait, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        ran = world("store", "restore", "backup.db", "--replace")
        assert f"is in use by another process (PID {other.pid})\n" in ran.err
        other.communicate(b"\n")


def test_a_restore_that_brings_revoked_keys_back_is_5(world: Run, key_id: str) -> None:
    assert world("store", "backup", "monday.db").code == 0
    world("key", "revoke", key_id)
    world("user", "block", "ana")
    world("app", "rotate-secret", "portal", "--overlap", "0", "--out", "secret")
    ran = world("store", "restore", "monday.db", "--replace")
    assert (ran.code, ran.hint) == (5, "add --accept-reactivating 3 to confirm, or use --revoke-again")
    assert f"gamcli:   key {key_id} of ana for portal, revoked now: gamcli key revoke {key_id}" in ran.err
    assert "gamcli:   user ana, blocked now: gamcli user block ana" in ran.err
    assert "client secret portal, rotated now" in ran.err
    assert world("store", "restore", "monday.db", "--replace", "--accept-reactivating", "2").code == 5
    shown = world("store", "restore", "monday.db", "--replace", "--dry-run")
    assert shown.code == 0
    assert key_id in shown.err
    assert world("key", "show", key_id, "--field", "status").out == "revoked\n"
    accepted = world("store", "restore", "monday.db", "--replace", "--accept-reactivating", "3")
    assert (accepted.code, f"revoked now: gamcli key revoke {key_id}" in accepted.err) == (0, True)
    assert world("key", "show", key_id, "--field", "status").out == "active\n"


def test_a_restore_can_revoke_again(world: Run, key_id: str) -> None:
    assert world("store", "backup", "monday.db").code == 0
    world("key", "revoke", key_id)
    world("user", "block", "ana")
    world("app", "disable", "portal")
    assert world("store", "restore", "monday.db", "--replace", "--revoke-again").code == 0
    assert world("key", "show", key_id, "--field", "status").out == "revoked\n"
    assert world("user", "show", "ana", "--field", "blocked").out == "true\n"
    assert world("app", "show", "portal", "--field", "enabled").out == "false\n"
    assert world("store", "check").code == 0


def test_revoking_again_leaves_what_was_disabled_disabled_and_keeps_the_client_secrets(
    world: Run, key_id: str, sql: Run
) -> None:
    assert world("store", "backup", "monday.db").code == 0
    world("key", "disable", key_id)
    world("user", "disable", "ana")
    secret = world("app", "rotate-secret", "portal", "--overlap", "0").out
    digests = sql("SELECT secret_digest, retiring_digest, retiring_until FROM app WHERE name = 'portal'")
    shown = world("store", "restore", "monday.db", "--replace", "--dry-run").err
    assert f"disabled now: gamcli key disable {key_id}" in shown
    assert "user ana, disabled now: gamcli user disable ana" in shown
    assert world("store", "restore", "monday.db", "--replace", "--revoke-again").code == 0
    assert secret
    assert sql("SELECT secret_digest, retiring_digest, retiring_until FROM app WHERE name = 'portal'") == digests
    assert sql("SELECT enabled, blocked FROM user WHERE name = 'ana'") == [(0, 0)]
    assert sql("SELECT end_status, disabled_at IS NULL FROM key WHERE id = ?", key_id) == [(None, 0)]


def test_revoking_again_also_ends_what_was_rotated_with_an_overlap(world: Run, key_id: str, sql: Run) -> None:
    assert world("store", "backup", "monday.db").code == 0
    assert world("key", "rotate", key_id, "--overlap", "7d").code == 0
    retires_at = world("key", "show", key_id, "--field", "retires_at").out
    world("app", "rotate-secret", "portal", "--overlap", "24h", "--out", "secret")
    digests = sql("SELECT secret_digest, retiring_digest, retiring_until FROM app WHERE name = 'portal'")
    ran = world("store", "restore", "monday.db", "--replace")
    assert (ran.code, ran.hint.split()[:3]) == (5, ["add", "--accept-reactivating", "2"])
    assert f"key {key_id} of ana for portal, retiring now: gamcli key rotate {key_id} --overlap 7d" in ran.err
    assert "client secret portal, retiring now: gamcli app rotate-secret portal --overlap 24h" in ran.err
    ran = world("store", "restore", "monday.db", "--replace", "--revoke-again")
    assert (ran.code, f"warning: key {key_id} of ana for portal retires" in ran.err) == (0, True)
    assert "to issue another one: gamcli key generate --user ana --app portal" in ran.err
    assert world("key", "show", key_id, "--field", "retires_at").out == retires_at
    assert sql("SELECT secret_digest, retiring_digest, retiring_until FROM app WHERE name = 'portal'") == digests
    assert world("audit", "list", "--action", "key.retire", "--field", "target").out == f"{key_id}\n"
    assert world("key", "generate", "--user", "ana", "--app", "portal").code == 0
    assert world("store", "check").code == 0


def test_a_dry_run_of_restore_lists_what_only_the_present_store_holds(world: Run, key_id: str) -> None:
    assert world("store", "backup", "monday.db").code == 0
    world("user", "create", "eva")
    world("app", "create", "shop", "--out", "secret")
    new = world("key", "rotate", key_id, "--overlap", "7d", "--field", "id").out.strip()
    plan = world("store", "restore", "monday.db", "--replace", "--dry-run", "-o", "json").json
    lost = {(change["kind"], change["name"]) for change in plan["changes"] if change["action"] == "delete"}
    assert lost == {("user", "eva"), ("app", "shop"), ("key", new)}


def test_stores_of_another_repository_and_an_earlier_version_are_compared(world: Run, place: Path) -> None:
    with closing(sqlite3.connect(place / "b.db")) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    found = world("store", "restore", "b.db", "--replace")
    assert (found.code, "  the backup is of another repository" in found.err) == (5, True)
    count = found.hint.split()[2]
    found = world("store", "restore", "b.db", "--replace", "--accept-reactivating", count)
    assert (found.code, "warning: the backup is of another repository" in found.err) == (0, True)


def test_a_present_store_of_an_earlier_version_is_compared(world: Run, file: Path, key_id: str) -> None:
    assert world("store", "backup", "monday.db").code == 0
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    file.chmod(0o600)
    found = world("store", "restore", "monday.db", "--replace")
    assert f"key {key_id} of ana for portal, deleted now" in found.err
    assert sorted(each.name for each in file.parent.iterdir() if "part" in each.name) == []
