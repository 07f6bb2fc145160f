"""The checks of a store: each finds its problem, damage is a result, and `doctor` agrees."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gamcli.actions import Gam
from gamcli.actions import doctor as diagnosis
from gamcli.errors import StoreBusyError, StoreMissingError, StoreUnusableError, StoreVersionError
from gamcli.model.doctor import WRONG, DoctorFacts
from gamcli.model.maintenance import StoreCheck
from gamcli.rules import doctor as rules
from gamcli.store import Store, schema
from gamcli.store.sqlite import backups, checks, doctor, file_checks, files
from gamcli.store.sqlite.connection import open_readonly


@pytest.fixture
def lived_in(gam: Gam, peopled: Store) -> Path:
    assert gam.store is peopled
    peopled.close()
    return peopled.path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def wrong(expected: list[StoreCheck]) -> dict[str, str]:
    assert all((each.mend is None) == each.ok for each in expected)
    return {each.name: each.what for each in expected if not each.ok}


def test_a_store_as_gamcli_writes_it_is_valid(lived_in: Path) -> None:
    found = checks.check_store(lived_in)
    assert wrong(found) == {}
    assert [each.name for each in found] == [
        "format", "pages", "schema", "references", "audit log", "sessions", "records", "mode of the store",
        "mode of the lock file", "mode of the folder", "owner", "file system",
    ]  # fmt: skip
    assert {each.name for each in lived_in.parent.iterdir()} == {"store.db", "store.db-lock"}


def test_a_store_that_is_open_elsewhere_is_checked_too(peopled: Store, gam: Gam) -> None:
    assert gam.store is peopled
    found = checks.check_store(peopled.path)
    assert wrong(found) == {}
    assert {"mode of the wal file", "mode of the shm file"} <= {each.name for each in found}


BROKEN = {
    "references": ("PRAGMA foreign_keys = OFF", "DELETE FROM user"),
    "audit log": ("UPDATE audit SET target = 'other' WHERE seq = 1",),
    "one repository": ("DELETE FROM repository",),
    "count of their grants": ("DELETE FROM app_use",),
    "client secrets": ("UPDATE app SET secret_digest = x'00'",),
    "keys stored as SHA-256": ("UPDATE key SET digest = x'00'",),
    "tokens stored as SHA-256": (
        "INSERT INTO token (id, digest, user_guid, client_id, scopes, issued_at) VALUES (1, x'00', '', '', '', 1)",
    ),
    "1 session of deleted applications or users": (
        "INSERT INTO session SELECT 1, guid, 'gone', 'local', NULL, '', '[]', NULL FROM user LIMIT 1",
    ),
    "2 sessions of deleted applications or users": (
        "INSERT INTO session SELECT 1, 'gone', client_id, 'local', NULL, '', '[]', NULL FROM app LIMIT 1",
        "INSERT INTO session SELECT 2, 'gone', 'gone', 'local', NULL, '', '[]', NULL FROM app LIMIT 1",
        "INSERT INTO session SELECT 3, guid, client_id, 'local', NULL, '', '[]', NULL FROM app, user LIMIT 1",
    ),
    "with a session": (
        "INSERT INTO refresh_token (session, counter, token, digest, expires_at) VALUES (1, 1, 1, x'00', 1)",
    ),
    "each migration": ("DELETE FROM migration",),
    "a text in user is not valid UTF-8": ("UPDATE user SET name = CAST(x'ff41' AS TEXT)",),
    "a text in key is not valid UTF-8": ("UPDATE key SET label = CAST(x'eda080' AS TEXT)",),
    "a timestamp in key is out of range": ("UPDATE key SET created_at = 9223372036854775807",),
    "a timestamp in app is out of range": (
        "UPDATE app SET retiring_until = 253402300800000000, retiring_digest = secret_digest",
    ),
    "a timestamp in app_use is out of range": ("UPDATE app_use SET last_used_at = -1",),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_gamcli_would_not_have_written_is_found(lived_in: Path, what: str) -> None:
    change(lived_in, *BROKEN[what])
    found = wrong(checks.check_store(lived_in))
    if what in ("references", "audit log"):
        assert what in found
    elif "of deleted applications" in what:
        assert found["sessions"] == what
    else:
        assert what in found["records"]


@pytest.mark.parametrize("place", range(1, 6))
def test_damage_in_any_part_is_an_answer(lived_in: Path, place: int) -> None:
    size = lived_in.stat().st_size
    with lived_in.open("r+b") as file:
        file.seek(size * place // 6 // 4096 * 4096)
        file.write(b"\xa5" * 4096)
    found = checks.check_store(lived_in)
    assert wrong(found)
    assert all("\n" not in each.what for each in found)


def test_damage_that_cannot_even_be_reported_is_an_answer(lived_in: Path) -> None:
    whole = lived_in.read_bytes()
    for name in (b"key_by_user", b"token_by_session", b"CREATE TABLE app"):
        for letter in (b"\xff", b"\x80", b"\xc3"):
            lived_in.write_bytes(whole.replace(name, letter * len(name), 1))
            assert wrong(checks.check_store(lived_in))


def test_a_store_without_a_log_is_found_until_it_is_opened(lived_in: Path) -> None:
    change(lived_in, "PRAGMA journal_mode = DELETE")
    assert [*wrong(checks.check_store(lived_in))] == ["log"]
    assert wrong(checks.check_content(lived_in)) == {}
    Store.open(lived_in).close()
    assert wrong(checks.check_store(lived_in)) == {}


def test_what_is_not_a_store_is_not_asked_for_its_log(lived_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(lived_in, "PRAGMA journal_mode = DELETE")
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda *_: False)
        assert checks.check_journal(lived_in) == []
    change(lived_in, "PRAGMA application_id = 1")
    assert checks.check_journal(lived_in) == []


def test_what_is_not_a_store_is_an_answer_too(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"x" * 8192)
    assert list(wrong(checks.check_content(path))) == ["format"]
    with pytest.raises(StoreMissingError):
        checks.check_store(tmp_path / "none.db")


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_header_that_reports_an_earlier_version_is_found(lived_in: Path, version: int) -> None:
    change(lived_in, f"PRAGMA user_version = {version}", "UPDATE audit SET target = 'other' WHERE seq = 1")
    found = wrong(checks.check_content(lived_in))
    assert [*found] == ["format", "audit log", "records"]
    assert found["format"] == f"its header has version {version}, but its last migration is {len(schema.MIGRATIONS)}"


def test_a_header_without_a_version_is_found(lived_in: Path) -> None:
    change(lived_in, "PRAGMA user_version = -1")
    assert "version -1" in wrong(checks.check_content(lived_in))["format"]
    change(lived_in, "PRAGMA user_version = 0", "DROP TABLE migration")
    assert "version 0" in wrong(checks.check_content(lived_in))["format"]


def test_a_newer_store_is_an_answer(lived_in: Path) -> None:
    change(lived_in, "PRAGMA user_version = 1000")
    assert "version 1000" in wrong(checks.check_store(lived_in))["format"]


def test_an_older_store_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    change(
        path,
        *schema.MIGRATIONS[0].split(";\n"),
        f"PRAGMA application_id = {schema.APPLICATION_ID}",
        "PRAGMA user_version = 1",
    )
    path.chmod(0o600)
    assert [each.name for each in checks.check_content(path) if each.ok] == ["format", "pages", "references"]


@pytest.mark.parametrize(("end", "mode"), [("", 0o644), ("-wal", 0o640), ("", 0o620)])
def test_what_others_may_reach_is_found_with_the_fix(lived_in: Path, end: str, mode: int) -> None:
    path = Path(f"{lived_in}{end}")
    path.touch()
    path.chmod(mode)
    (bad,) = (each for each in file_checks.check_files(lived_in, os.geteuid()) if not each.ok)
    assert bad.what == f"{mode:04o}: other users can access {path}"
    assert bad.mend == f"chmod 600 {path}"


def test_behind_a_link_the_file_and_its_folder_are_judged(lived_in: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(lived_in)
    (tmp_path / "folder").symlink_to(lived_in.parent)
    Path(f"{lived_in}-shm").touch(0o644)
    lived_in.parent.chmod(0o777)
    for path in (tmp_path / "link.db", tmp_path / "folder" / "store.db"):
        mends = [each.mend for each in file_checks.check_files(path, os.geteuid()) if not each.ok]
        assert mends == [f"chmod 600 {lived_in}-shm", f"chmod go-w {lived_in.parent}"]


def test_a_folder_that_others_may_write_is_found(lived_in: Path) -> None:
    lived_in.parent.chmod(0o777)
    (bad,) = (each for each in file_checks.check_files(lived_in, os.geteuid()) if not each.ok)
    assert bad.mend == f"chmod go-w {lived_in.parent}"


@pytest.mark.parametrize(
    ("mode", "safe"), [(0o700, True), (0o777, False), (0o1777, True), (0o1770, True), (0o770, False)]
)
def test_check_and_doctor_agree_about_a_folder(lived_in: Path, mode: int, safe: bool) -> None:  # noqa: FBT001
    lived_in.parent.chmod(mode)
    (folder,) = (each for each in file_checks.check_files(lived_in, os.geteuid()) if each.name == "mode of the folder")
    (facts,) = (each for each in files.find_files(lived_in) if each.role == "folder")
    assert (folder.ok, facts.unsafe_mode_bits == 0) == (safe, safe)
    remark = {0o1777: ": other users can create files in it", 0o1770: ": other users can enter it"}
    if safe:
        assert folder.what == f"{mode:04o}{remark.get(mode, '')}"
        assert bool(facts.shared_access) == (mode in remark)


@pytest.mark.parametrize("uid", [0, 1, 2])
def test_check_and_doctor_agree_about_owners(lived_in: Path, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    found = [each._replace(uid=1) for each in files.find_files(lived_in)]
    monkeypatch.setattr(files, "find_files", lambda _: iter(found))
    (owner,) = (each for each in file_checks.check_files(lived_in, uid) if each.name == "owner")
    facts = DoctorFacts(datetime.now(UTC), uid, str(lived_in), files=tuple(found))
    statuses = {each.status for each in rules.run_checks(facts) if each.check == "owner"}
    assert owner.ok == (WRONG not in statuses)
    assert ("is owned by user" in owner.what) == (statuses != {"ok"})


def test_check_and_doctor_agree_about_copies(lived_in: Path) -> None:
    copy = lived_in.with_name("store.db.old")
    copy.touch(mode=0o644)
    copy.chmod(0o644)
    (bad,) = (each for each in file_checks.check_files(lived_in, os.geteuid()) if not each.ok)
    assert (bad.name, bad.mend) == ("mode of a copy", f"chmod 600 {copy}")


@pytest.mark.parametrize(
    ("name", "is_network"),
    [
        ("nfs4", True),
        ("cifs", True),
        ("vboxsf", True),
        ("virtiofs", True),
        ("fuse.sshfs", True),
        ("fuseblk", False),
        ("ext4", False),
        ("tmpfs", False),
    ],
)
def test_check_and_doctor_agree_about_the_file_system(
    lived_in: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, is_network: bool
) -> None:
    monkeypatch.setattr(files, "find_file_system", lambda _: name)
    (found,) = (each for each in file_checks.check_files(lived_in, os.geteuid()) if each.name == "file system")
    assert (found.ok, found.what.startswith(f"{name}: a network")) == (True, is_network)
    _, findings = diagnosis.diagnose(DoctorFacts(datetime.now(UTC), os.geteuid(), str(lived_in)))
    assert [each.status for each in findings if each.check == "file-system"] == ["warn" if is_network else "ok"]


@pytest.mark.parametrize("version", [0, 1, 2, -1, 6])
def test_check_and_doctor_agree_about_a_wrong_version(lived_in: Path, version: int, now: datetime) -> None:
    change(lived_in, f"PRAGMA user_version = {version}")
    assert "format" in wrong(checks.check_content(lived_in))
    with pytest.raises((StoreUnusableError, StoreVersionError)):
        doctor.load_contents(lived_in, now)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("DROP INDEX key_by_user", "the index key_by_user is missing"),
        ("DROP TABLE adoption", "the table adoption is missing"),
        (
            "CREATE TRIGGER late AFTER INSERT ON token BEGIN DELETE FROM token; END",
            "another program added the trigger late",
        ),
        ("CREATE TABLE note (text)", None),
        ("CREATE INDEX key_by_label ON key (label)", None),
        ("ANALYZE", None),
    ],
)
def test_check_and_doctor_agree_about_the_schema(lived_in: Path, now: datetime, sql: str, problem: str | None) -> None:
    change(lived_in, sql)
    assert wrong(checks.check_content(lived_in)).get("schema") == problem
    if problem is None:
        assert doctor.load_contents(lived_in, now)[2] is not None
    else:
        with pytest.raises(StoreUnusableError, match=problem):
            doctor.load_contents(lived_in, now)


@pytest.mark.parametrize("is_writable", [True, False])
def test_check_and_doctor_agree_about_a_missing_wal(
    lived_in: Path,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    is_writable: bool,  # noqa: FBT001
) -> None:
    change(lived_in, "PRAGMA journal_mode = DELETE")
    if not is_writable:
        monkeypatch.setattr(os, "access", lambda *_: False)
    contents = doctor.load_contents(lived_in, now)[2]
    assert contents is not None
    assert (checks.check_journal(lived_in) == [], contents.uses_wal) == (not is_writable, not is_writable)


def test_a_copy_with_other_counts_is_found(lived_in: Path) -> None:
    with open_readonly(lived_in) as connection:
        counts = backups.count_rows(connection)
    assert wrong(checks.check_counts(lived_in, counts)) == {}
    (short,) = checks.check_counts(lived_in, {**counts, "key": 2})
    assert (short.ok, short.what) == (False, "1 of 2 in key")
    lived_in.write_bytes(b"x" * 4096)
    assert [each.ok for each in checks.check_counts(lived_in, counts)] == [False]


def test_a_busy_store_is_not_damage(lived_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "TIMEOUT", 0.0)
    with closing(sqlite3.connect(lived_in, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError):
            checks.check_store(lived_in)


@pytest.mark.parametrize("place", ["checks.open_readonly", "file_header.read_version"])
def test_a_full_disk_is_not_damage_either(lived_in: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
        raise error

    monkeypatch.setattr(f"gamcli.store.sqlite.{place}", fail)
    with pytest.raises(StoreUnusableError, match="is full"):
        checks.check_store(lived_in)
