"""An open store whose files are removed, replaced or overwritten is unusable: nothing is acknowledged and then lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from gamcli.errors import StoreUnusableError
from gamcli.store import Store, audit
from gamcli.store.sqlite import backups, replace
from gamcli.store.sqlite.checks import check_store
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.doctor import load_contents

HOLDER = """
import sys
from pathlib import Path
from gamcli.store import Store, audit

store = Store.open(Path(sys.argv[1]))
with store.writing() as tx:
    audit.add(tx, "2026-03-01T12:00:00Z", "x", "test.note", "held", "{}")
print("open", flush=True)
sys.stdin.read()
store.close()
"""
"""Writes to the store and keeps it open."""


def note(store: Store, target: str) -> None:
    with store.writing() as tx:
        audit.add(tx, "2026-03-01T12:00:00Z", "x", "test.note", target, "{}")


def notes(path: Path) -> list[str]:
    with Store.open(path) as store, store.reading() as tx:
        return [entry.target for entry in audit.search(tx)]


@contextmanager
def held(path: Path) -> Iterator[None]:
    words = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield
        process.communicate()


def remove(path: Path) -> None:
    path.unlink()


def swap(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [remove, swap])
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_store_whose_wal_or_index_is_gone_is_unusable_until_it_is_opened_again(
    store: Store, suffix: str, harm: Callable[[Path], None]
) -> None:
    note(store, "before")
    harm(Path(f"{store.path}{suffix}"))
    for begin in (store.reading, store.writing, store.dry_run):
        with pytest.raises(StoreUnusableError, match=f"its file .*{suffix} was removed or replaced"), begin():
            pass
    with pytest.raises(StoreUnusableError):
        store.read_without_transaction(lambda _: None)
    with pytest.raises(StoreUnusableError):
        store.begin()
    store.close()
    assert notes(store.path) == ["before"]


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_is_committed_to_a_removed_wal_is_not_acknowledged(store: Store, by_hand: bool) -> None:  # noqa: FBT001 - a case
    def lose_wal() -> None:
        with store.writing() as tx:
            audit.add(tx, "2026-03-01T12:00:00Z", "x", "test.note", "late", "{}")
            Path(f"{store.path}-wal").unlink()

    def lose_wal_by_hand() -> None:
        store.begin()
        Path(f"{store.path}-wal").unlink()
        store.commit()

    with pytest.raises(StoreUnusableError, match="removed or replaced"):
        (lose_wal_by_hand if by_hand else lose_wal)()


def test_a_store_whose_wal_is_truncated_is_unusable_and_stays_intact(store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        note(store, "copied to the database")
        other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        for number in range(40):
            note(store, f"lost{number}")
        os.truncate(f"{store.path}-wal", 0)
        for begin in (store.writing, store.reading):
            with pytest.raises(StoreUnusableError, match=r"its file .*-wal was truncated by another"), begin():
                pass
        with pytest.raises(StoreUnusableError, match="truncated"):
            store.read_without_transaction(lambda _: None)
    store.close()
    assert notes(store.path) == ["copied to the database"]
    assert [each.name for each in check_store(store.path) if not each.ok] == ["records"]  # without a repository


@pytest.mark.parametrize("copy", [shutil.copy, shutil.copy2], ids=["written now", "with the time of the other file"])
def test_a_store_that_is_overwritten_in_place_is_unusable(
    store: Store, tmp_path: Path, copy: Callable[[Path, Path], object]
) -> None:
    note(store, "before")
    other = tmp_path / "other.db"
    shutil.copy(store.path, other)
    os.utime(other, (0, 0))
    note(store, "after")
    copy(other, store.path)
    for _ in range(2):
        with pytest.raises(StoreUnusableError, match="was overwritten by another program"), store.reading():
            pass


def test_checkpoints_of_others_are_no_harm(store: Store) -> None:
    with Store.open(store.path) as other:
        for number in range(4):
            note(other, f"other{number}")
            note(store, f"own{number}")
            with closing(sqlite3.connect(store.path, isolation_level=None)) as third:
                mode = ("PASSIVE", "TRUNCATE", "RESTART", "FULL")[number]
                third.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            with store.reading(), other.reading():
                pass
        replace.compact(store.path)
        note(store, "last")
    shutil.copy(store.path, store.path.with_name("copy.db"))
    shutil.copy(store.path.with_name("copy.db"), store.path)
    with pytest.raises(StoreUnusableError, match="overwritten"), store.reading():
        pass


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_checkpoint_while_another_connection_looks_at_the_files_is_no_harm(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """The checkpoint is made and seen by others after this connection has read the status of the database."""
    calls, read_status = count(1), os.stat

    def read_status_before_a_checkpoint(path: Any, **options: Any) -> os.stat_result:  # noqa: ANN401 - as os.stat
        status = read_status(path, **options)
        if path == os.fspath(store.path) and next(calls) == call:
            checkpoint("second")
        return status

    with Store.open(store.path) as other:

        def checkpoint(target: str) -> None:
            note(other, target)
            sleep(0.02)  # longer than the resolution of the modification time
            other.read_without_transaction(lambda tx: tx.one("PRAGMA wal_checkpoint"))
            with other.reading():
                pass

        checkpoint("first")
        monkeypatch.setattr(os, "stat", read_status_before_a_checkpoint)
        for _ in range(2):
            with store.reading():
                pass
    assert next(calls) > call


def test_many_checkpoints_in_another_process_are_no_harm(store: Store) -> None:
    writer = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint = 2")
for number in range(2000):
    connection.execute("UPDATE migration SET at = ?", (number,))
"""
    with subprocess.Popen([sys.executable, "-c", writer, str(store.path)]) as process:
        while process.poll() is None:
            store.read_without_transaction(lambda tx: tx.one("SELECT at FROM migration"))
    assert process.returncode == 0


@pytest.mark.parametrize("harm", [remove, swap])
@pytest.mark.parametrize("suffixes", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_command_beside_a_server_that_lost_its_wal_changes_nothing(
    store: Store, suffixes: tuple[str, ...], harm: Callable[[Path], None]
) -> None:
    path = store.path
    store.close()
    with held(path):
        Store.open(path, timeout=0).close()
        for suffix in suffixes:
            if harm is swap and suffix == "-wal":
                Path(f"{path}-wal").unlink()
                Path(f"{path}-wal").touch()
            elif harm is remove:
                Path(f"{path}{suffix}").unlink()
        if harm is remove or "-wal" in suffixes:
            with pytest.raises(StoreUnusableError, match="its WAL was removed or replaced"):
                Store.open(path, timeout=0.05)
    assert notes(path) == ["held"]


@pytest.mark.parametrize("lost", ["-wal", "-shm", ""])
def test_check_doctor_and_backup_report_what_an_open_store_has_lost(store: Store, lost: str, tmp_path: Path) -> None:
    path, copy = store.path, tmp_path / "copy.db"
    store.close()
    copy.touch()
    with held(path):
        if lost:
            Path(f"{path}{lost}").unlink()
        else:
            path.write_bytes(path.read_bytes())
        with pytest.raises(StoreUnusableError, match=r"removed or replaced|overwritten") as caught:
            load_contents(path, datetime.now(tz=UTC))
        first = check_store(path)[0]
        assert (first.name, first.ok, first.what) == ("open files", False, caught.value.message)
        with pytest.raises(StoreUnusableError, match=r"removed or replaced|overwritten"):
            backups.copy(path, copy)
        assert not lost or not Path(f"{path}{lost}").exists()


def test_closing_a_second_connection_releases_no_lock_of_the_first(store: Store) -> None:
    with store.writing() as tx:
        audit.add(tx, "2026-03-01T12:00:00Z", "x", "test.note", "first", "{}")
        Store.open(store.path).close()
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('DELETE FROM audit')"
        words = [sys.executable, "-c", script, str(store.path)]
        done = subprocess.run(words, stderr=subprocess.PIPE, check=False)
        assert b"database is locked" in done.stderr
    with open_readonly(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (1,)
