"""No file is open to others even for a moment, whatever the umask: every place that makes one is watched."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

PUBLIC = {"gamcli.toml", "gam.toml"}
"""Names of files that hold no secret, and may be read by others: never written."""

WATCH = """
import json, os, sys, stat
os.umask(0)
made = []
real = os.open
def watched(path, flags, mode=0o777, **more):
    fresh = bool(flags & os.O_CREAT) and not os.path.lexists(path)
    descriptor = real(path, flags, mode, **more)
    if fresh:
        made.append([os.fsdecode(path), stat.S_IMODE(os.fstat(descriptor).st_mode)])
    return descriptor
os.open = watched
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and isinstance(arguments[1], str):
        if set(arguments[1]) & set("wax") and not os.path.lexists(arguments[0]):  # 0666, as the umask lets it
            made.append([os.fsdecode(arguments[0]), 0o666])
    if event == "os.mkdir" and (arguments[1] if arguments[1] != -1 else 0o777) & 0o022:
        made.append([os.fsdecode(arguments[0]), arguments[1]])
sys.addaudithook(hook)
from gamcli.commands import main
runs = json.load(sys.stdin)
codes = [main(words) for words in runs]
sys.stdout.flush()
with open(sys.argv[1], "w") as report:
    json.dump([codes, made[:]], report)
"""
"""Runs command lines and writes down each file that comes to be, with the mode that it has from the first moment."""


@pytest.fixture
def watched(place: Path) -> Callable[..., dict[str, int]]:
    """Return what runs command lines with umask 0, and returns the modes of what they made, by name."""

    def run(*lines: list[str]) -> dict[str, int]:
        report = place.parent / "report.json"
        found = subprocess.run(
            [sys.executable, "-c", WATCH, str(report)], input=json.dumps(lines), text=True, capture_output=True,
            timeout=60, check=True,
        )  # fmt: skip
        codes, made = json.loads(report.read_text())
        assert set(codes) == {0}, found.stderr
        report.unlink()
        return {Path(path).name: mode for path, mode in made if Path(path) != report}

    return run


def modes_below(*folders: Path) -> dict[Path, int]:
    """Return the permissions of all that lies there."""
    return {path: path.stat().st_mode & 0o777 for folder in folders for path in folder.rglob("*")}


def test_no_command_makes_a_file_that_others_can_read(
    watched: Callable[..., dict[str, int]], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a folder; what holds no secret may be read, and written by nobody else."""
    (place / "in.csv").write_text("user,app\nana,gate\n", encoding="utf-8")
    (place / "gam.toml").write_text('[user.ben]\n[[key]]\nuser = "ben"\napp = "portal"\n', encoding="utf-8")
    (place / "gam.toml").chmod(0o644)
    monkeypatch.setenv("GITHUB_OUTPUT", str(place / "github"))
    for folder in ("data", "tmp"):
        (place / folder).mkdir(mode=0o755)
    monkeypatch.setenv("TMPDIR", str(place / "tmp"))
    monkeypatch.setenv("GAMCLI_STORE", str(place / "data" / "deep" / "store.db"))
    pair = ["--user", "ana", "--app", "portal"]
    made = watched(
        ["init"],
        ["app", "create", "portal", "--scope", "gam_user_data", "--remote-rest", "--api-keys", "--out", "secret"],
        ["app", "create", "gate", "--scope", "gam_user_data", "--remote-rest", "--api-keys", "-o", "github"],
        ["user", "create", "ana"],
        ["key", "generate", *pair, "--out", "key.env", "-o", "env"],
        ["key", "generate", "--from", "in.csv", "--out", "keys.csv"],
        ["app", "rotate-secret", "portal", "--out", "rotated"],
        ["plan", "gam.toml", "--out", "saved.plan"],
        ["apply", "gam.toml", "--secrets-out", "secrets.json"],
        ["export", "--update", "gam.toml"],
        ["config", "set", "quiet", "false"],
        ["config", "set", "output", "table", "--project"],
        ["init", "--dry-run"],
        ["quickstart"],
    )
    assert {"store.db", "secret", "key.env", "keys.csv", "rotated", "github"} <= made.keys()
    loose = {name: oct(mode) for name, mode in made.items() if mode & 0o077 and name not in PUBLIC}
    assert loose == {}
    open_ = {path: oct(mode) for path, mode in modes_below(place, tmp_path / "home").items() if mode & 0o022}
    assert open_ == {}
    readable = {
        path.name
        for path, mode in modes_below(place / "data", tmp_path / "home").items()
        if mode & 0o077 and path.name != "deep"
    }
    assert readable == set()
    assert (place / "data" / "deep").stat().st_mode & 0o777 == 0o700
    assert (place / "gamcli.toml").stat().st_mode & 0o777 == 0o644


def test_the_files_of_an_open_store_are_its_owners_alone(world: Run, file: Path, line: list[str]) -> None:
    """The log and the shared memory as well, which SQLite makes; the ready file holds no secret."""
    assert world("key", "list").code == 0
    seen: dict[str, int] = {}
    process = subprocess.Popen(
        [*line, "serve", "--port", "0", "--ready-file", "ready.json"], stderr=subprocess.PIPE, umask=0
    )
    try:
        assert process.stderr is not None
        assert b"serving" in process.stderr.readline()
        seen = {path.name: path.stat().st_mode & 0o777 for path in file.parent.glob("store.db*")}
        assert Path("ready.json").stat().st_mode & 0o777 == 0o644
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert set(seen.values()) == {0o600}
    assert {"store.db", "store.db-wal", "store.db-shm"} <= seen.keys()


def test_a_file_that_was_there_keeps_its_mode(gamcli: Run, place: Path) -> None:
    """A config file that its owner closed stays closed, and one that is read by others stays read."""
    for mode in (0o600, 0o644):
        (place / "gamcli.toml").write_text("", encoding="utf-8")
        (place / "gamcli.toml").chmod(mode)
        assert gamcli("config", "set", "quiet", "false", "--project").code == 0
        assert (place / "gamcli.toml").stat().st_mode & 0o777 == mode


def test_a_left_over_of_a_killed_run_gives_way(gamcli: Run, place: Path, tmp_path: Path) -> None:
    """In a container every run has the same number; what a link there names is not written."""
    target = tmp_path / "target"
    target.write_text("as it was", encoding="utf-8")
    (place / f".gamcli.toml.{os.getpid()}").symlink_to(target)
    assert gamcli("config", "set", "quiet", "false", "--project").code == 0
    assert target.read_text(encoding="utf-8") == "as it was"


@pytest.mark.parametrize(
    "words",
    [
        ("app", "create", "gate", "--out", "link"),
        ("key", "generate", "--user", "ana", "--app", "portal", "--out", "link"),
        ("key", "generate", "--from", "in.csv", "--out", "link"),
        ("app", "rotate-secret", "portal", "--out", "link"),
        ("plan", "gam.toml", "--out", "link"),
        ("apply", "gam.toml", "--secrets-out", "link"),
        ("store", "backup", "link"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_no_output_is_written_through_a_link(world: Run, place: Path, words: tuple[str, ...], target: str) -> None:
    """Neither into a file that is there, nor into one that would come to be."""
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    (place / "gam.toml").write_text('[[key]]\nuser = "ana"\napp = "portal"\n', encoding="utf-8")
    (place / "there").write_text("as it was", encoding="utf-8")
    (place / "link").symlink_to(target)
    assert world(*words).code in (1, 5)
    assert (place / "there").read_text(encoding="utf-8") == "as it was"
    assert not (place / "nowhere").exists()
    assert (place / "link").is_symlink()
