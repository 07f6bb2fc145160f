"""A store that may only be read: everything that changes nothing works, and no file is created."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamcli.store import Store

Run = Callable[..., Any]

READING = {
    "plan m.toml": 0,
    "drift m.toml": 6,
    "export": 0,
    "app list": 0,
    "app show portal": 0,
    "user list": 0,
    "user show ana": 0,
    "auth-type list": 0,
    "key list": 0,
    "key verify --api-key-file key": 0,
    "key explain --api-key-file key": 0,
    "key due --within 14d": 0,
    "token list": 0,
    "audit list": 0,
    "audit verify": 0,
    "audit head": 0,
    "audit export": 0,
    "store info": 0,
    "store check": 0,
    "init": 0,
}
WRITING = ("user create eva", "app disable portal", "serve --port 0", "token prune --older-than 0s", "apply m.toml")


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in folder.iterdir()}


@pytest.fixture
def locked(world: Run, file: Path, place: Path, api_key: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert world("app", "list").code == 0
    monkeypatch.chdir(place)
    (place / "key").write_text(api_key, encoding="utf-8")
    (place / "m.toml").write_text("[app.portal]\ndescription = 'x'\n", encoding="utf-8")
    folder = place.parent / "read-only"
    folder.mkdir(mode=0o700)
    shutil.copy(file, folder / "store.db")
    (folder / "store.db").chmod(0o400)
    folder.chmod(0o500)
    return folder / "store.db"


@pytest.mark.parametrize("is_served", [False, True])
def test_what_changes_nothing_works(
    gamcli: Run,
    locked: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_served: bool,  # noqa: FBT001 - a case
) -> None:
    locked.parent.chmod(0o700)
    locked.chmod(0o600)
    holder = Store.open(locked) if is_served else None
    if holder is not None:
        with holder.writing() as tx:
            tx.run("UPDATE user SET first_name = 'María'")
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: real(path, mode) and not (mode & os.W_OK and str(locked.parent) in str(path))
    )
    monkeypatch.setenv("GAMCLI_STORE", str(locked))
    before = contents(locked.parent)
    assert {words: gamcli(*words.split()).code for words in READING} == READING
    shown = gamcli("user", "show", "ana", "--field", "first_name").out
    assert shown.strip() == ("María" if is_served else "Ana")
    for words in WRITING:
        ran = gamcli(*words.split())
        assert (ran.code, ran.out) == (8, "")
        assert "cannot be written" in ran.err
    after = contents(locked.parent)
    assert after.keys() == before.keys()
    assert after["store.db"] == before["store.db"]
    if holder is not None:
        holder.close()


LIST = "import sys; from gamcli.commands import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give up capabilities")
def test_a_store_of_mode_0400_is_read(locked: Path) -> None:
    before = contents(locked.parent)
    weak = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    words = [*weak, sys.executable, "-c", LIST, "--store", str(locked), "audit", "verify"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(locked.parent) == before


def test_a_change_while_it_is_read_is_noticed(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    with Store.open(locked) as store, store.reading():
        pass
    with Store.open(locked) as store, pytest.raises(Exception, match="was overwritten"), store.reading():
        os.utime(locked, (1, 1))


def test_an_older_store_cannot_be_upgraded(gamcli: Run, locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked.chmod(0o600)
    with sqlite3.connect(locked) as connection:
        connection.execute("DELETE FROM migration WHERE version > 3")
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    ran = gamcli("--store", str(locked), "app", "list")
    assert ran.code == 8
    assert "has version 3 and must be upgraded, but cannot be written" in ran.err


READ_ONLY_MOUNT = ["unshare", "-rm", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && "$@"']


@pytest.mark.parametrize("words", WRITING)
def test_a_read_only_file_system_is_the_reason(world: Run, file: Path, place: Path, words: str) -> None:
    assert world("app", "list").code == 0
    (place / "m.toml").write_text("[app.portal]\ndescription = 'x'\n", encoding="utf-8")
    mount = [*READ_ONLY_MOUNT, str(file.parent)]
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount file systems")
    line = [*mount, sys.executable, "-m", "gamcli", "--store", str(file), *words.split()]
    ran = subprocess.run(line, capture_output=True, check=False, text=True, cwd=place)
    assert (ran.returncode, ran.stdout) == (8, "")
    problem, hint = ran.stderr.splitlines()
    assert problem == f"gamcli: error: the store {file} cannot be written: its file system is mounted read-only"
    assert hint == (
        f"gamcli: hint: make {file.parent} writable with mount -o remount,rw, or choose another file with --store PATH"
    )
