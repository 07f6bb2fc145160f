"""Files that are made: for their owner alone, never through a link, a mode that was there is kept."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_the_files_of_an_open_store_are_its_owners_alone(world: Run, file: Path, line: list[str]) -> None:
    assert world("key", "list").code == 0
    seen: dict[str, int] = {}
    process = subprocess.Popen(
        [*line, "serve", "--port", "0", "--ready-file", "ready.json", "--log-file", "log"],
        stderr=subprocess.PIPE,
        umask=0,
    )
    try:
        assert process.stderr is not None
        assert b"serving" in process.stderr.readline()
        seen = {path.name: path.stat().st_mode & 0o777 for path in file.parent.glob("store.db*")}
        assert [Path(name).stat().st_mode & 0o777 for name in ("ready.json", "log")] == [0o644, 0o600]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert set(seen.values()) == {0o600}
    assert {"store.db", "store.db-wal", "store.db-shm"} <= seen.keys()


def test_the_config_file_of_a_user_is_theirs_alone(gamcli: Run) -> None:
    before = os.umask(0)
    try:
        assert gamcli("config", "set", "quiet", "false").code == 0
    finally:
        os.umask(before)
    (path,) = Path(os.environ["HOME"]).rglob("config.toml")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_there_keeps_its_mode(gamcli: Run, place: Path) -> None:
    for mode in (0o600, 0o644):
        (place / "gamcli.toml").write_text("", encoding="utf-8")
        (place / "gamcli.toml").chmod(mode)
        assert gamcli("config", "set", "quiet", "false", "--project").code == 0
        assert (place / "gamcli.toml").stat().st_mode & 0o777 == mode


def test_a_left_over_of_a_killed_run_gives_way(gamcli: Run, place: Path, tmp_path: Path) -> None:
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
        ("app", "rotate-secret", "portal", "--overlap", "0", "--out", "link"),
        ("plan", "gam.toml", "--out", "link"),
        ("apply", "gam.toml", "--secrets-out", "link"),
        ("store", "backup", "link"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_no_output_is_written_through_a_link(world: Run, place: Path, words: tuple[str, ...], target: str) -> None:
    (place / "in.csv").write_text("user,app\nana,portal\n", encoding="utf-8")
    (place / "gam.toml").write_text('[[key]]\nuser = "ana"\napp = "portal"\n', encoding="utf-8")
    (place / "there").write_text("as it was", encoding="utf-8")
    (place / "link").symlink_to(target)
    assert world(*words).code in (1, 5)
    assert (place / "there").read_text(encoding="utf-8") == "as it was"
    assert not (place / "nowhere").exists()
    assert (place / "link").is_symlink()
