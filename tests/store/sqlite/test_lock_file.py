"""The lock file: for the owner of the store alone, and never a link."""

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from gamcli.errors import StoreBusyError, StoreUnusableError
from gamcli.store import Store
from gamcli.store.sqlite import lock_file, open_lock


def test_a_lock_on_the_folder_stops_nobody(store: Store) -> None:
    store.close()
    descriptor = os.open(store.path.parent, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    Store.open(store.path, timeout=0).close()
    os.close(descriptor)


def test_the_lock_file_is_for_the_owner_alone_whatever_the_umask(store: Store) -> None:
    path = Path(f"{store.path}{lock_file.SUFFIX}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.close()
    path.unlink()
    before = os.umask(0)
    try:
        Store.open(store.path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_does_not_give_away_the_target_of_a_link(store: Store, tmp_path: Path) -> None:
    os.chown(store.path, 1234, 1235)
    target, link = tmp_path / "passwd", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    lock_file.give_to_owner(link, store.path)
    assert target.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_creates_the_lock_file_for_the_owner_of_the_store(store: Store) -> None:
    store.close()
    Path(f"{store.path}{lock_file.SUFFIX}").unlink()
    os.chown(store.path, 1234, 1235)
    Store.open(store.path).close()
    status = Path(f"{store.path}{lock_file.SUFFIX}").stat()
    assert (status.st_uid, status.st_gid) == (1234, 1235)


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "folder"])
def test_what_is_not_a_file_is_not_opened(store: Store, tmp_path: Path, kind: str) -> None:
    store.close()
    path = Path(f"{store.path}{lock_file.SUFFIX}")
    path.unlink()
    if kind == "link":
        (tmp_path / "target").write_text("mine", encoding="utf-8")
    if "link" in kind:
        path.symlink_to(tmp_path / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    Store.open(store.path).close()
    texts = [each.read_text(encoding="utf-8") for each in tmp_path.glob("target")]
    assert texts == (["mine"] if kind == "link" else [])


@pytest.mark.parametrize("content", ["notes", "SQLite format 3"])
def test_no_lock_file_is_created_next_to_a_file_that_is_not_a_store(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content, encoding="ascii")
    with pytest.raises(StoreUnusableError):
        Store.open(path)
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
    assert path.read_text(encoding="ascii") == content


def test_the_lock_is_on_the_file_next_to_the_store(store: Store) -> None:
    store.close()
    descriptor = os.open(f"{store.path}{lock_file.SUFFIX}", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(StoreBusyError), open_lock.lock_for_opening(store.path, 0):
        pass
    os.close(descriptor)
    with open_lock.lock_for_opening(store.path, 0) as is_used:
        assert not is_used


def test_opening_waits_until_the_store_is_replaced_and_no_longer_than_it_may(store: Store) -> None:
    with (
        open_lock.lock(store.path, exclusive=True, timeout=0),
        pytest.raises(StoreBusyError),
        open_lock.lock_for_opening(store.path, 0.05),
    ):
        pass
    descriptor = lock_file.open_lock_file(store.path)
    assert descriptor is not None
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    release = Timer(0.1, os.close, (descriptor,))
    release.start()
    with open_lock.lock_for_opening(store.path, 60) as is_open:
        assert is_open
    release.join()


_HOLD_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, int(sys.argv[3]), int(sys.argv[2]))
    print(flush=True)
    sys.stdin.read()
"""


def test_opening_waits_while_another_process_creates_or_removes_the_wal(store: Store) -> None:
    store.close()
    command = [sys.executable, "-c", _HOLD_LOCK, str(store.path), *map(str, open_lock.LOCK_BYTES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline()
        with pytest.raises(StoreUnusableError), open_lock.lock_for_opening(store.path, 0):
            pass
        release = Timer(0.2, process.stdin.close)
        release.start()
        with open_lock.lock_for_opening(store.path, 60) as is_open:
            assert not is_open
        release.join()
