"""Replacing a store: at every moment there is one complete file, and no other process has it open."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from gamcli.errors import StoreBusyError, StoreUnusableError
from gamcli.store import Store, audit
from gamcli.store.sqlite import checks, open_lock, replace

HOLDER = """
import sys
from pathlib import Path
from gamcli.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print("open", flush=True)
    sys.stdin.read()
"""
"""Has the store open, and does nothing."""

DYING = """
import os, signal, sys
from pathlib import Path
from gamcli.store.sqlite import replace
path, new, kept, left = *map(Path, sys.argv[1:4]), int(sys.argv[4])

def hook(event, _):
    global left
    if event in ("os.rename", "os.link", "os.remove", "sqlite3.connect", "open"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
replace.replace_store(path, new, kept)
left = 1000
print("done")
"""
"""Replaces a store, and is killed before the step with that number."""


def note(path: Path, target: str) -> None:
    with Store.create(path) as store, store.writing() as tx:
        audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", target, "{}")


def noted(path: Path) -> list[str]:
    with Store.open(path) as store, store.reading() as tx:
        return [entry.target for entry in audit.search(tx)]


@pytest.fixture
def two(store_path: Path) -> tuple[Path, Path, Path]:
    other, kept = store_path.with_name("new.db"), store_path.with_name("kept.db")
    note(store_path, "old")
    note(other, "new")
    return store_path, other, kept


@contextmanager
def held(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.communicate()


def leave_log(path: Path, target: str) -> None:
    program = (
        "import os, sys; from pathlib import Path; from gamcli.store import Store, audit\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "with store.writing() as tx: audit.add(tx, '2026-03-01T12:00:00Z', 'x', 'test.note', sys.argv[2], '{}')\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path), target], check=True)
    assert Path(f"{path}-wal").stat().st_size > 0


def test_the_new_one_takes_the_place_and_the_old_one_is_kept(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    assert replace.replace_store(path, new, kept)
    assert (noted(path), noted(kept), new.exists()) == (["new"], ["old"], False)


def test_who_opens_by_a_link_takes_turns_with_who_replaces_the_file(two: tuple[Path, Path, Path]) -> None:
    path, _, _ = two
    link = path.parent.with_name("link.db")
    link.symlink_to(path)
    with open_lock.lock(path, exclusive=True, timeout=0.0), pytest.raises(StoreBusyError):
        Store.open(link, timeout=0.0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_store_that_root_replaces_still_belongs_to_its_owner(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    os.chown(path, 1234, 1235)
    assert replace.replace_store(path, new, kept)
    for each in (path, kept):
        assert (each.stat().st_uid, each.stat().st_gid) == (1234, 1235)


def test_where_there_was_none_nothing_is_kept(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    path.unlink()
    assert not replace.replace_store(path, new, kept)
    assert (noted(path), kept.exists()) == (["new"], False)


def test_what_was_in_the_log_alone_is_kept_with_the_old_one(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    leave_log(path, "late")
    replace.replace_store(path, new, kept)
    assert (noted(path), noted(kept)) == (["new"], ["old", "late"])
    names = {each.name for each in path.parent.iterdir() if not each.name.endswith("-lock")}
    assert names == {"store.db", "kept.db"}


def test_a_damaged_store_is_kept_with_its_log(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    leave_log(path, "late")
    log = Path(f"{path}-wal").read_bytes()
    path.write_bytes(b"x" * 5000)
    Path(f"{path}-shm").unlink()
    Path(f"{path}-wal").write_bytes(log[:20] + b"\0" * 100)
    replace.replace_store(path, new, kept)
    assert noted(path) == ["new"]
    assert kept.read_bytes() == b"x" * 5000


def test_a_log_without_its_store_does_not_become_part_of_the_new_one(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    leave_log(path, "late")
    path.unlink()
    replace.replace_store(path, new, kept)
    assert noted(path) == ["new"]


def test_a_store_that_another_process_has_open_stays(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    with held(path):
        with pytest.raises(StoreBusyError, match="in use"):
            replace.replace_store(path, new, kept)
        assert (noted(path), noted(new)) == (["old"], ["new"])
    assert replace.replace_store(path, new, kept)


def test_a_damaged_store_that_a_server_still_has_open_stays_too(two: tuple[Path, Path, Path]) -> None:
    path, new, kept = two
    with held(path):
        with path.open("r+b") as file:
            file.write(b"x" * 4096)
        with pytest.raises(StoreBusyError):
            replace.replace_store(path, new, kept)


@pytest.mark.parametrize("logged", [False, True])
def test_anyone_who_is_killed_in_the_meantime_leaves_one_of_the_two_whole(
    two: tuple[Path, Path, Path],
    logged: bool,  # noqa: FBT001 - a case
) -> None:
    path, new, kept = two
    if logged:
        leave_log(path, "late")
    before, after = ["old", "late"] if logged else ["old"], ["new"]
    seen = []
    for step in range(30):
        folder = path.parent / f"round{step}"
        folder.mkdir(mode=0o700)
        copied = [folder / each.name for each in (path, new, kept)]
        for each in path.parent.glob("*.db*"):
            (folder / each.name).write_bytes(each.read_bytes())
            (folder / each.name).chmod(0o600)
        words = [sys.executable, "-c", DYING, *map(str, copied), str(step)]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
        seen.append(noted(copied[0]))
        assert {each.name for each in checks.check_store(copied[0]) if not each.ok} == {
            "records"
        }  # it has no repository
        if done.stdout:
            break
    assert done.stdout
    assert seen == [before] * seen.count(before) + [after] * seen.count(after)
    assert seen.count(before) > 2


def test_nobody_opens_a_store_while_it_is_replaced(two: tuple[Path, Path, Path]) -> None:
    path, _, _ = two
    with open_lock.lock(path, exclusive=True, timeout=0):
        began = monotonic()
        with pytest.raises(StoreBusyError):
            Store.open(path, timeout=0.05)
        assert monotonic() - began >= 0.05
        with pytest.raises(StoreBusyError), open_lock.lock(path, exclusive=True, timeout=0):
            pass
    Store.open(path).close()


def test_those_who_open_a_store_do_not_wait_for_each_other(two: tuple[Path, Path, Path]) -> None:
    path, _, _ = two
    with (
        open_lock.lock_for_opening(path, 0),
        open_lock.lock_for_opening(path, 0),
        pytest.raises(StoreBusyError),
        open_lock.lock(path, exclusive=True, timeout=0),
    ):
        pass


def test_an_invalid_store_reached_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match="cannot replace the store"):
        replace.require_unused(tmp_path)


def test_where_files_have_one_name_only_the_old_one_is_copied(
    two: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    path, new, kept = two
    replace.replace_store(path, new, kept)
    assert (noted(path), noted(kept), kept.stat().st_mode & 0o777) == (["new"], ["old"], 0o600)


def test_compacting_gives_room_back_and_keeps_everything(store: Store) -> None:
    with store.writing() as tx:
        tx.run("CREATE TABLE large (x BLOB)")
        tx.run("INSERT INTO large VALUES (zeroblob(1000000))")
    with store.writing() as tx:
        audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", "kept", "{}")
        tx.run("DROP TABLE large")
    replace.compact(store.path)
    assert store.path.stat().st_size < 500_000
    assert Path(f"{store.path}-wal").stat().st_size == 0
    assert noted(store.path) == ["kept"]


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN; SELECT * FROM audit"])
def test_compacting_reports_when_others_are_at_work(store: Store, begin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replace, "TIMEOUT", 0.0)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        for statement in begin.split("; "):
            other.execute(statement).fetchall()
        with pytest.raises(StoreBusyError):
            replace.compact(store.path)
