"""Maintenance of a store: information, and backups that are checked before they are reported."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gamcli.actions import Gam, maintenance, users
from gamcli.errors import FailedError, StoreMissingError, StoreUnusableError, UsageError
from gamcli.model.maintenance import StoreCheck
from gamcli.store import Store
from gamcli.store.sqlite import backups, checks

pytestmark = pytest.mark.needs_file


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "MAX_FULL_CHECK_BYTES", 0)


def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    real = backups.copy

    def copy(source: Path, part: Path) -> backups.RowCounts:
        found = real(source, part)
        with part.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * 4096 * 20)
        return found

    monkeypatch.setattr(backups, "copy", copy)


def test_info_describes_the_file_of_the_store(gam: Gam) -> None:
    users.create(gam, "ana", {})
    found = maintenance.info(gam)
    assert (found.users, found.keys, found.audit_entries, found.mode) == (1, 0, 2, "0600")
    assert found.size == gam.store.path.stat().st_size
    assert found.wal_size == Path(f"{gam.store.path}-wal").stat().st_size
    assert len(found.head) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_backup_reports_what_it_holds(gam: Gam, target: Path, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a case
    if not whole:
        small(monkeypatch)
    users.create(gam, "ana", {})
    made = maintenance.backup(gam.store.path, target)
    assert (made.users, made.audit_entries, made.head) == (1, 2, maintenance.info(gam).head)
    assert (made.path, made.size) == (str(target), target.stat().st_size)
    assert made.checked == ("pages" if whole else "counts")
    with Store.open(target) as copy, copy.reading() as tx:
        assert list(tx.each("SELECT name FROM user")) == [("ana",)]


def test_a_large_store_is_fully_checked_on_request(gam: Gam, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    assert maintenance.backup(gam.store.path, target, check_all_pages=True).checked == "pages"


@pytest.mark.parametrize("large", [True, False])
def test_a_damaged_backup_is_not_saved(
    gam: Gam,
    target: Path,
    large: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maintenance.backup(gam.store.path, target)
    before = target.read_bytes()
    if large:
        small(monkeypatch)
    spoilt(monkeypatch)
    with pytest.raises(StoreUnusableError, match="failed the check") as caught:
        maintenance.backup(gam.store.path, target, overwrite=True)
    assert "gamcli store check" in str(caught.value.hint)
    assert target.read_bytes() == before
    assert {each.name for each in target.parent.iterdir()} == {"gam", "backup.db"}


TAMPERED = {
    "'audit log': entry 1 was changed": "UPDATE audit SET target = 'other'",
    "'records': 1 violations of: one repository": "DELETE FROM repository",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_backup_of_a_tampered_store_is_written_and_reported(gam: Gam, target: Path, what: str) -> None:
    with gam.store.writing() as tx:
        tx.run(TAMPERED[what])
    with pytest.raises(StoreUnusableError, match=f"a complete copy, but the store .* {what}") as caught:
        maintenance.backup(gam.store.path, target)
    assert caught.value.hint == "gamcli store check"
    assert next(each.what for each in checks.check_content(target) if not each.ok) in caught.value.message
    assert {each.name for each in target.parent.iterdir()} == {"gam", "backup.db"}


def test_a_backup_of_a_tampered_store_replaces_no_earlier_backup(gam: Gam, target: Path) -> None:
    maintenance.backup(gam.store.path, target)
    before = target.read_bytes()
    with gam.store.writing() as tx:
        tx.run("UPDATE audit SET target = 'other'")
    with pytest.raises(StoreUnusableError, match=r"kept the earlier .*: the store .* 'audit log': entry 1") as caught:
        maintenance.backup(gam.store.path, target, overwrite=True)
    assert caught.value.hint == "gamcli store backup OTHER"
    assert target.read_bytes() == before


def test_a_tampered_store_is_streamed_and_then_reported(gam: Gam, target: Path) -> None:
    with gam.store.writing() as tx:
        tx.run("UPDATE audit SET target = 'other'")
    with pytest.raises(StoreUnusableError, match="wrote the backup"):  # noqa: SIM117 - it is raised at its end
        with maintenance.stream_backup(gam.store.path) as (_, file):
            target.write_bytes(file.read())
    assert [each.name for each in checks.check_content(target) if not each.ok] == ["audit log"]


def test_a_backup_cannot_replace_the_store_itself(gam: Gam, target: Path) -> None:
    target.symlink_to(gam.store.path)
    for over in (False, True):
        with pytest.raises(UsageError, match="the store itself"):
            maintenance.backup(gam.store.path, target, overwrite=over)


def test_a_streamed_backup_equals_a_backup_file(gam: Gam, target: Path) -> None:
    maintenance.backup(gam.store.path, target)
    with maintenance.stream_backup(gam.store.path) as (made, file):
        suffixes = {each.name.removeprefix("store.db") for each in gam.store.path.parent.iterdir()}
        assert suffixes == {"", "-wal", "-shm", "-lock"}
        assert file.read() == target.read_bytes()
    assert made.path == "-"


def test_a_store_in_a_read_only_directory_is_streamed_by_a_temporary_file(
    gam: Gam, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, passing = gam.store.path, tmp_path / "passing"
    gam.store.close()
    maintenance.backup(path, target)
    passing.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    real, folders = backups.temporary_file, []

    def part_of(location: Path) -> AbstractContextManager[Path]:
        folders.append(location.parent)
        return real(location)

    monkeypatch.setattr(backups, "temporary_file", part_of)
    with maintenance.stream_backup(path) as (_, file):
        assert file.read() == target.read_bytes()
    assert folders == [passing]

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with (
        pytest.raises(FailedError, match=r"cannot write to .* found no temporary directory") as caught,
        maintenance.stream_backup(path),
    ):
        pass
    assert caught.value.hint == "set TMPDIR to a writable directory"


@pytest.mark.parametrize("do", [maintenance.check, lambda path: maintenance.backup(path, path.parent / "x.db")])
def test_a_missing_store_is_reported(tmp_path: Path, do: Callable[[Path], object]) -> None:
    with pytest.raises(StoreMissingError):
        do(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_check_is_named_in_the_error() -> None:
    well, bad = StoreCheck("format", ok=True, what="good"), StoreCheck("pages", ok=False, what="torn")
    maintenance.require_ok([well], "it", "look")
    with pytest.raises(StoreUnusableError, match="'pages': torn"):
        maintenance.require_ok([well, bad, bad], "it", "look")


def test_check_runs_the_checks_of_the_store(gam: Gam) -> None:
    assert maintenance.check(gam.store.path) == checks.check_store(gam.store.path)
