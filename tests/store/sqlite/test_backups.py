"""Copies of a store: consistent, complete or absent, readable by the owner only."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gamcli.errors import ConflictError, FailedError, StoreUnusableError
from gamcli.store import Store, audit
from gamcli.store.sqlite import backups, files
from gamcli.store.sqlite.connection import SIDECAR_SUFFIXES, open_readonly

WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
print("ready", flush=True)
while True:
    connection.execute("UPDATE repository SET created_at = created_at + 1")
"""


@pytest.fixture
def long(store: Store) -> Path:
    with store.writing() as tx:
        for number in range(3000):
            audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", str(number), f'{{"x":"{"x" * 2000}"}}')
    return store.path


def rows(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def beside(path: Path) -> set[str]:
    return {each.name for each in path.parent.iterdir()}


def test_a_copy_holds_all_that_the_store_holds(peopled: Store, tmp_path: Path) -> None:
    with backups.create_atomically(tmp_path / "copy.db") as part:
        counts = backups.copy(peopled.path, part)
    assert (counts["user"], counts["key"]) == (1, 1)
    assert rows(tmp_path / "copy.db") == rows(peopled.path)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def test_a_copy_ends_and_is_of_one_moment_while_another_process_writes(gam: object, long: Path, tmp_path: Path) -> None:
    assert gam
    steps = []

    def note(*_: object) -> None:
        steps.append(1)

    with subprocess.Popen([sys.executable, "-c", WRITER, str(long)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with backups.create_atomically(tmp_path / "copy.db") as part:
            backups.copy(long, part, note)
        writer.kill()
    pages = (tmp_path / "copy.db").stat().st_size // 4096
    assert len(steps) == -(-pages // backups.PAGES_PER_STEP)
    assert len(steps) > 1
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(peopled: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match="already exists"), backups.create_atomically(target):
        pass
    with backups.create_atomically(target, overwrite=True) as part:
        backups.copy(peopled.path, part)
        assert target.read_text(encoding="utf-8") == "mine"
    assert rows(target) == rows(peopled.path)


def test_one_who_was_faster_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with pytest.raises(ConflictError), backups.create_atomically(target):
        target.write_text("mine", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "mine"
    assert beside(target) == {"copy.db"}


@pytest.mark.parametrize("end", SIDECAR_SUFFIXES)
def test_no_copy_is_put_next_to_a_log_that_is_not_its_own(tmp_path: Path, end: str) -> None:
    (tmp_path / f"copy.db{end}").touch()
    with (
        pytest.raises(ConflictError, match="part of the copy"),
        backups.create_atomically(tmp_path / "copy.db", overwrite=True),
    ):
        pass


def test_what_goes_wrong_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    store.close()
    store.path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreUnusableError), backups.create_atomically(tmp_path / "copy.db") as part:
        backups.copy(store.path, part)
    assert beside(tmp_path / "copy.db") == {"gam"}


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="No such file"), backups.create_atomically(tmp_path / "no" / "copy.db"):
        pass


def test_a_copy_is_never_open_to_others_even_while_it_is_written(long: Path, tmp_path: Path) -> None:
    modes = set[int]()

    def look(*_: object) -> None:
        modes.update(stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir() if each.is_file())

    before = os.umask(0)
    try:
        with backups.create_atomically(tmp_path / "copy.db") as part:
            backups.copy(long, part, look)
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_what_becomes_a_copy_is_known_by_its_name(tmp_path: Path) -> None:
    with backups.temporary_file(tmp_path / "a b.db") as part:
        assert re.fullmatch(files.TEMPORARY_NAME, part.name)


def test_a_store_that_nobody_has_open_is_read_without_a_trace(peopled: Store) -> None:
    path = peopled.path
    peopled.close()
    before = path.read_bytes()
    with open_readonly(path) as connection:
        assert backups.count_rows(connection)["user"] == 1
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("DELETE FROM user")
    assert (path.read_bytes(), beside(path)) == (before, {"store.db", "store.db-lock"})


def test_behind_a_link_the_log_of_the_file_is_read(
    peopled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(peopled.path)
    assert backups.total_size(link) == backups.total_size(peopled.path) > peopled.path.stat().st_size
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_readonly(link) as connection:
        assert backups.count_rows(connection)["user"] == 1


def test_a_store_on_a_disk_that_cannot_be_written_is_read(peopled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = peopled.path
    peopled.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_readonly(path) as connection:
        assert backups.count_rows(connection)["user"] == 1
        assert beside(path) == {"store.db", "store.db-lock"}
