"""Files that must be new and whole."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from gamcli.errors import ConflictError, FailedError
from gamcli.system import new_files


def test_a_new_file_is_whole_and_for_its_owner_alone(place: Path) -> None:
    path = place / "secrets.env"
    new_files.write_new_file(str(path), "é=1\n", "--out")
    assert (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777) == ("é=1\n", 0o600)
    assert [*place.iterdir()] == [path]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_already_is_never_written_over(place: Path, kind: str) -> None:
    path = place / "there"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(place / "nowhere")
    with pytest.raises(ConflictError):
        new_files.require_new(str(path), "--out")
    with pytest.raises(ConflictError) as caught:
        new_files.write_new_file(str(path), "text", "--out")
    assert (caught.value.message, caught.value.hint) == (f"the file {path} already exists", "use --out with a new file")
    assert [*place.iterdir()] == [path]


def test_a_file_that_cannot_be_written_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FailedError, match="No such file or directory"):
        new_files.write_new_file(str(place / "no" / "file"), "text", "--out")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FailedError, match="No space left on device"):
        new_files.write_new_file(str(place / "file"), "text", "--out")
    assert [*place.iterdir()] == []


def test_a_file_system_without_links_will_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    new_files.write_new_file(str(place / "file"), "text", "--out")
    assert [(each.name, each.read_text()) for each in place.iterdir()] == [("file", "text")]
    with pytest.raises(ConflictError):
        new_files.write_new_file(str(place / "file"), "other", "--out")


def test_the_temporary_file_of_a_running_process_stays_and_the_process_too(place: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        running, ended = (place / f".keys.{number}.gamcli.part" for number in (process.pid, 2**22 + 1))
        running.touch()
        ended.touch()
        new_files.write_new_file(str(place / "new"), "text", "--out")
        assert [*place.glob(".*")] == [running]
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


def test_what_is_there_gives_way_when_it_may(place: Path) -> None:
    path = place / "there"
    path.write_text("earlier", encoding="utf-8")
    new_files.write_new_file(str(path), "later", "--out", overwrite=True)
    assert (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777) == ("later", 0o600)
    assert [*place.iterdir()] == [path]
