"""The file of a store: created and opened safely, with errors that say what to do."""

import hashlib
import os
import resource
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from gamcli.errors import (
    DamagedRowError,
    GamcliError,
    StoreBusyError,
    StoreError,
    StoreMissingError,
    StoreUnusableError,
    StoreVersionError,
    UsageError,
)
from gamcli.store import Store, audit, schema, users
from gamcli.store.sqlite.database import RETRY_STEP
from gamcli.store.sqlite.errors import translate_error


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def note(store: Store, target: str = "x") -> None:
    with store.writing() as tx:
        audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", target, "{}")


def notes(store: Store) -> list[int]:
    with store.reading() as tx:
        return [entry.seq for entry in audit.search(tx)]


def pragma(store: Store, name: str) -> object:
    with store.reading() as tx:
        row = tx.one(f"PRAGMA {name}")
        assert row is not None
        return row[0]


def test_a_new_store_is_for_its_owner_alone(store: Store, store_path: Path) -> None:
    note(store)
    assert mode(store_path.parent) == 0o700
    beside = {path.name: mode(path) for path in store_path.parent.iterdir()}
    assert beside == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db-lock"), 0o600)


def test_a_folder_that_is_there_already_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Store.create(tmp_path / "store.db").close()
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"),
        ("foreign_keys", 1),
        ("synchronous", 2),
        ("user_version", len(schema.MIGRATIONS)),
        ("application_id", schema.APPLICATION_ID),
        ("busy_timeout", 100),
    ],
)
def test_a_store_is_safe_against_power_cuts_and_loose_ends(store: Store, name: str, value: object) -> None:
    assert pragma(store, name) == value


def test_a_store_that_is_not_durable_leaves_the_disk_to_the_system(store: Store, store_path: Path) -> None:
    store.close()
    with Store.open(store_path, durable=False) as fast:
        assert pragma(fast, "synchronous") == 1


def test_what_was_written_is_there_after_reopening(store: Store, store_path: Path) -> None:
    note(store)
    store.close()
    for reopen in (Store.open, Store.create):
        with reopen(store_path) as again:
            assert notes(again) == [1]


def test_opening_and_reading_change_no_byte_of_the_file(store: Store, store_path: Path) -> None:
    note(store)
    store.close()
    before = content(store_path), store_path.stat().st_mtime_ns
    with Store.open(store_path) as again:
        assert notes(again) == [1]
    assert (content(store_path), store_path.stat().st_mtime_ns) == before
    assert {path.name for path in store_path.parent.iterdir()} == {"store.db", "store.db-lock"}


def make_nothing(_: Path) -> None: ...


def make_empty(path: Path) -> None:
    path.touch()


def make_text(path: Path) -> None:
    path.write_text("name,email\n" * 500, encoding="utf-8")


def make_foreign(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE track (title)")
    other.close()


def make_marked(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA application_id = 7")
    other.close()


def make_newer(path: Path) -> None:
    Store.create(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 1000")
    newer.close()


UNFIT: dict[str, tuple[Callable[[Path], None], type[StoreError], str]] = {
    "missing": (make_nothing, StoreMissingError, "init"),
    "empty": (make_empty, StoreMissingError, "init"),
    "folder": (Path.mkdir, StoreUnusableError, "/file/store.db"),
    "text": (make_text, StoreUnusableError, "--store PATH"),
    "foreign": (make_foreign, StoreUnusableError, "--store PATH"),
    "marked": (make_marked, StoreUnusableError, "--store PATH"),
    "newer": (make_newer, StoreVersionError, "upgrade gamcli"),
}


@pytest.mark.parametrize(("make", "error", "hint"), UNFIT.values(), ids=UNFIT.keys())
def test_what_is_not_a_store_is_reported_apart_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], error: type[StoreError], hint: str
) -> None:
    path = tmp_path / "file"
    make(path)
    before = content(path) if path.is_file() else None
    with pytest.raises(error) as caught:
        Store.open(path)
    assert str(path) in caught.value.message
    assert hint in str(caught.value.hint)
    assert (content(path) if path.is_file() else None) == before
    assert {each.name for each in tmp_path.iterdir()} <= {"file", "file-lock"}


@pytest.mark.parametrize("kind", ["folder", "text", "foreign", "marked", "newer"])
def test_making_a_store_does_not_take_over_what_is_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    UNFIT[kind][0](path)
    before = content(path) if path.is_file() else None
    with pytest.raises((StoreUnusableError, StoreVersionError)):
        Store.create(path)
    assert (content(path) if path.is_file() else None) == before


def test_the_hint_for_a_missing_store_makes_it_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError) as caught:
        Store.open(tmp_path / "my store.db")
    assert caught.value.hint == f"gamcli --store '{tmp_path}/my store.db' init"


@pytest.mark.parametrize("name", ["x" * 300, "plain/store.db"])
@pytest.mark.parametrize("reach", [Store.open, Store.create])
def test_a_path_where_no_store_can_be_is_reported(tmp_path: Path, name: str, reach: Callable[[Path], Store]) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(StoreError) as caught:
        reach(tmp_path / name)
    assert str(tmp_path) in caught.value.message


def test_a_store_that_may_not_be_written_is_reported_with_the_fix(
    store: Store, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    with Store.open(store_path) as opened:
        assert opened.is_read_only
        assert notes(opened) == []
        with pytest.raises(StoreUnusableError, match="cannot be written") as caught:
            note(opened)
    assert "check the mode" in str(caught.value.hint)


def test_a_store_that_may_not_be_read_is_reported_with_the_fix(
    store_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    refused = sqlite3.OperationalError("unable to open database file")
    refused.sqlite_errorname = "SQLITE_CANTOPEN"
    assert "cannot be written" in translate_error(refused, store_path).message
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.R_OK)
    error = translate_error(refused, store_path)
    assert error.message == f"the store {store_path} cannot be read"
    assert error.hint == f"check the mode and the owner of {store_path} and its folder"
    assert "cannot be written" in translate_error(refused, store_path.with_name("new.db")).message


def test_a_store_whose_wal_others_change_at_each_attempt_is_busy(store_path: Path) -> None:
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorname = "SQLITE_PROTOCOL"
    assert isinstance(translate_error(error, store_path), StoreBusyError)


def test_a_store_that_turns_read_only_is_reported(store: Store) -> None:
    with store.reading() as tx:
        tx.one("PRAGMA query_only = ON")
    with pytest.raises(StoreUnusableError, match="cannot be written") as caught:
        note(store)
    assert "mode" in str(caught.value.hint)


def test_a_full_disk_is_reported_and_nothing_is_changed(store: Store) -> None:
    with store.reading() as tx:
        tx.one("PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnusableError, match="is full") as caught:
        note(store, "x" * 1_000_000)
    assert "free some space" in str(caught.value.hint)
    assert notes(store) == []


def test_a_damaged_page_is_reported(store: Store, store_path: Path) -> None:
    for _ in range(50):
        note(store, "x" * 2000)
    store.close()
    with store_path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (store_path.stat().st_size - 4096))
    with pytest.raises(StoreUnusableError, match="is damaged") as caught, Store.open(store_path) as damaged:
        notes(damaged)
    assert "restore a backup" in str(caught.value.hint)


def test_a_text_that_cannot_be_decoded_is_damage_and_not_quoted(store: Store, store_path: Path) -> None:
    note(store, "secret")
    with store.writing() as tx:
        tx.run("UPDATE audit SET target = CAST(x'736563726574ff' AS TEXT)")
    with pytest.raises(DamagedRowError) as caught, store.reading() as tx:
        tx.one("SELECT target FROM audit")
    assert caught.value.message == f"the store {store_path} is damaged: a text is not valid UTF-8"


def test_a_mistake_of_ours_is_reported_as_a_failure_of_the_store(store: Store) -> None:
    with pytest.raises(StoreUnusableError, match="failed: no such table: nowhere") as caught, store.writing() as tx:
        tx.run("DELETE FROM nowhere")
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_a_store_that_another_holds_is_busy(store: Store, store_path: Path) -> None:
    with Store.open(store_path, timeout=0.05) as other, store.writing():
        assert notes(other) == []
        with pytest.raises(StoreBusyError, match="in use by another process") as caught:
            note(other)
    assert caught.value.hint == "try again in a moment"
    note(store)
    assert notes(store) == [1]


def test_a_change_waits_for_another_one_longer_than_one_attempt(store: Store, store_path: Path) -> None:
    begun = Event()

    def write_slowly() -> None:
        with Store.open(store_path) as other, other.writing():
            begun.set()
            sleep(3 * RETRY_STEP)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write_slowly)
        assert begun.wait(10)
        note(store)
        written.result(10)
    assert notes(store) == [1]


def test_a_library_that_is_too_old_is_reported_before_the_file_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_text(tmp_path / "file")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreVersionError, match=r"needs 3\.37\.0 or later"):
        Store.open(tmp_path / "file")


def test_a_change_that_raises_is_undone(store: Store) -> None:
    def fail() -> None:
        with store.writing() as tx:
            audit.add(tx, "2026-03-01T12:00:00Z", "", "", "", "")
            raise UsageError("no")

    with pytest.raises(UsageError):
        fail()
    note(store)
    assert notes(store) == [1]


def test_a_reader_sees_one_state_whatever_others_write(store: Store, store_path: Path) -> None:
    with Store.open(store_path) as other, other.reading() as tx:
        assert list(audit.search(tx)) == []
        note(store)
        assert list(audit.search(tx)) == []
    assert notes(store) == [1]


def test_rows_that_were_left_unread_hold_no_old_state(store: Store, store_path: Path) -> None:
    for _ in range(3):
        note(store)
    with store.reading() as tx:
        left = tx.each("SELECT seq FROM audit")
        assert next(left) == (1,)
    with Store.open(store_path) as other:
        note(other)
    assert notes(store) == [1, 2, 3, 4]
    with pytest.raises(sqlite3.Error):
        next(left)


def test_rows_within_a_change_are_read_until_the_outermost_ends(store: Store) -> None:
    for _ in range(3):
        note(store)
    with store.writing() as tx:
        rows = tx.each("SELECT seq FROM audit ORDER BY seq")
        assert next(rows) == (1,)
        note(store)
        assert next(rows) == (2,)


def test_a_closed_store_is_reported(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnusableError):
        note(store)


def test_one_store_serves_many_threads(store: Store) -> None:
    def write() -> None:
        for _ in range(20):
            note(store)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes(store) == list(range(1, 81))


@pytest.mark.parametrize("name", ["\udcff", "ana\ud800"])
def test_a_text_that_is_no_unicode_is_reported(store: Store, name: str) -> None:
    with pytest.raises(GamcliError), store.reading() as tx:
        users.get(tx, name)


def test_a_store_without_a_log_has_one_again_once_it_is_opened(store: Store, store_path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with Store.open(store_path) as opened:
        assert pragma(opened, "journal_mode") == "wal"


def test_an_empty_database_is_not_a_store_until_it_is_made_one(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with pytest.raises(StoreMissingError) as caught:
        Store.open(path)
    assert caught.value.hint == f"gamcli --store {path} init"
    with Store.create(path) as store, store.reading() as tx:
        assert len(list(tx.each("SELECT version FROM migration"))) == len(schema.MIGRATIONS)


def test_an_empty_file_and_missing_folders_become_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.db"
    before = os.umask(0)
    try:
        Store.create(path).close()
        (path.parent / "y.db").touch(0o644)
        Store.create(path.parent / "y.db").close()
    finally:
        os.umask(before)
    modes = [each.stat().st_mode & 0o777 for each in (path.parent.parent, path.parent, path, path.parent / "y.db")]
    assert modes == [0o700, 0o700, 0o600, 0o600]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_whose_file_was_taken_away_is_reported(store: Store, store_path: Path, replaced: bool) -> None:  # noqa: FBT001 - a case
    other = store_path.with_name("other.db")
    Store.create(other).close()
    if replaced:
        other.replace(store_path)
    else:
        store_path.unlink()
    for begin in (store.reading, store.writing):
        with pytest.raises(StoreUnusableError, match="removed or replaced"), begin():
            pass


def test_a_second_connection_is_not_opened_to_another_file(store: Store, store_path: Path) -> None:
    other = store_path.with_name("other.db")
    Store.create(other).close()
    other.replace(store_path)
    before = {path.name: path.read_bytes() for path in store_path.parent.iterdir()}
    with pytest.raises(StoreUnusableError, match="removed or replaced"), store.open_again(durable=True, timeout=1):
        pass
    assert {path.name: path.read_bytes() for path in store_path.parent.iterdir()} == before


def test_too_many_open_files_are_not_called_a_wrong_mode(store: Store) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
    try:
        with pytest.raises(StoreUnusableError, match="too many open files") as caught, Store.open(store.path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.hint == "raise ulimit -n"


def version(store: Store) -> object:
    return store.read_without_transaction(lambda tx: tx.data_version())


def test_the_data_version_changes_with_every_commit_of_any_connection_and_with_nothing_else(store: Store) -> None:
    path = store.path
    with Store.open(path) as reader, Store.open(path) as other:
        seen = [version(reader)]
        for writer in (other, reader, store, other):
            note(writer)
            seen.append(version(reader))
            assert version(reader) == seen[-1]
        with closing(sqlite3.connect(path)) as foreign:
            foreign.execute("PRAGMA wal_checkpoint(RESTART)")
            assert version(reader) == seen[-1]
            foreign.execute("BEGIN")
            foreign.execute("CREATE TABLE foreign_rows (id)")
            assert version(reader) == seen[-1]
            foreign.commit()
        seen.append(version(reader))
        with suppress(ZeroDivisionError), other.writing() as tx:
            audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", "x", "{}")
            assert version(reader) == seen[-1]
            _ = 1 / 0
        assert version(reader) == seen[-1]
    assert len(set(seen)) == len(seen)


def test_the_data_version_of_a_file_takes_no_statement(store: Store) -> None:
    statements: list[str] = []
    with Store.open(store.path) as reader:
        reader._connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]  # noqa: SLF001 - counts
        version(reader)
    assert statements == []
