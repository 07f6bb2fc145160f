"""`gamcli store`: what it says, its exit codes, and what a shell makes of it."""

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_info_shows_the_facts_in_every_format(world: Run, file: Path) -> None:
    """Sizes in bytes."""
    found = world("store", "info", "-o", "json").json
    assert (found["path"], found["mode"], found["users"], found["apps"]) == (str(file), "0600", 1, 1)
    assert world("store", "info", "--field", "users").out == "1\n"
    assert "users          1\n" in world("store", "info").out
    assert world("store", "info", "-o", "csv").out.startswith("path,mode,size,wal_size,version,guid,")


def test_check_of_a_store_that_is_well_is_0(world: Run) -> None:
    """A line a check."""
    found = world("store", "check")
    assert (found.code, found.err) == (0, "gamcli: all is well\n")
    assert "✓  pages " in found.out
    assert all(each["ok"] for each in world("store", "check", "-o", "json").json)


def test_check_of_a_damaged_store_is_8_and_an_answer(world: Run, file: Path) -> None:
    """With the mend of each."""
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xa5" * 4096)
    found = world("store", "check")
    assert found.code == 8
    assert "✗  pages " in found.out
    assert "checks found something wrong" in found.err
    shown = json.loads(world("store", "check", "-o", "json").out)
    assert {each["mend"] for each in shown if each["name"] == "pages"} == {"gamcli store restore FILE --replace"}


def test_check_of_no_store_is_8_without_an_answer(gamcli: Run, file: Path) -> None:
    """As for every command."""
    found = gamcli("store", "check")
    assert (found.code, found.out) == (8, "")
    assert found.hint == f"gamcli --store {file} init"


def test_a_backup_is_told_in_a_line_or_as_a_record(world: Run, place: Path) -> None:
    """And is a store like the other."""
    found = world("store", "backup", "b.db")
    assert (found.out, found.err) == (
        "",
        "gamcli: wrote b.db: 0 keys, 1 user, 1 application; every page checked\n",
    )
    assert stat.S_IMODE((place / "b.db").stat().st_mode) == 0o600
    assert world("--store", "b.db", "user", "list", "--field", "name").out == "ana\n"
    assert world("store", "backup", "c.db", "-o", "json").json["checked"] == "pages"


def test_a_backup_over_an_earlier_one_is_5_unless_asked(world: Run) -> None:
    """And says how."""
    assert world("store", "backup", "b.db").code == 0
    found = world("store", "backup", "b.db")
    assert (found.code, found.hint) == (5, "choose another file, or --replace")
    assert world("store", "backup", "b.db", "--replace").code == 0


def test_a_large_backup_says_what_was_not_checked(world: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to type to have it checked."""
    monkeypatch.setattr("gamcli.actions.care.CHECKED_WHOLE", 0)
    found = world("store", "backup", "b.db")
    assert "; counts checked\n" in found.err
    assert "to check every page: gamcli --store b.db store check\n" in found.err
    assert "every page" in world("store", "backup", "c.db", "--full").err


def test_a_backup_to_stdout_can_be_piped(world: Run, line: list[str], place: Path) -> None:
    """The bytes are those of the file."""
    assert world("store", "backup", "b.db").code == 0
    piped = subprocess.run([*line, "store", "backup", "-"], capture_output=True, check=True, timeout=60)
    assert piped.stdout == (place / "b.db").read_bytes()
    assert piped.stderr == b"gamcli: wrote 0 keys, 1 user, 1 application; every page checked\n"


def test_a_backup_to_stdout_is_no_record_and_no_text(world: Run, terminal: Run) -> None:
    """Neither is mixed with the other."""
    assert world("store", "backup", "-", "-o", "json").code == 2
    assert "a backup is no text for a terminal" in terminal("store", "backup", "-").out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes file systems")
def test_a_full_disk_leaves_no_part_of_a_backup(world: Run, place: Path) -> None:
    """It is told, with the exit code of any other failure, and an earlier backup stays."""
    disk = place / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], check=False).returncode:
        pytest.skip("no file systems here")
    try:
        disk.chmod(0o700)
        assert world("store", "backup", "disk/b.db").code == 0
        (disk / "other").write_bytes(b"x" * 60_000)
        found = world("store", "backup", "disk/b.db", "--replace")
        assert (found.code, found.err) == (
            1,
            f"gamcli: error: the disk of {disk} is full\ngamcli: hint: make room\n",
        )
        assert {each.name for each in disk.iterdir()} == {"b.db", "other"}
        assert world("--store", "disk/b.db", "store", "check").code == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)
