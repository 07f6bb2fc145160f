"""Project files that others wrote, deleted working directories, and input without an end."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamcli.commands import config_files

Run = Callable[..., Any]

NOT_A_USER = 54_321

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

READING: tuple[tuple[str, ...], ...] = (("config", "list"), ("doctor",))
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("app", "list"),
    ("scan", "."),
    ("config", "path"),
    ("config", "set", "quiet", "true", "--project"),
)


@pytest.fixture
def project(world: Run, place: Path) -> Path:
    assert world("app", "list").code == 0
    path = place / "gamcli.toml"
    path.write_text("[gamcli]\nquiet = true\n", encoding="utf-8")
    return path


@needs_root
def test_a_project_file_of_another_user_is_refused(gamcli: Run, project: Path) -> None:
    os.chown(project, NOT_A_USER, -1)
    for words in (("config", "list"), ("app", "list"), ("config", "set", "quiet", "false", "--project")):
        found = gamcli(*words)
        assert (found.code, found.out) == (2, "")
        assert found.err == (
            f"gamcli: error: {project} is owned by the user with the ID {NOT_A_USER}, "
            "who could select another store\n"
            f"gamcli: hint: check the file, then take ownership: chown 0 {project}\n"
        )
    os.chown(project, 1, -1)
    assert "is owned by the user daemon" in gamcli("app", "list").err


@needs_root
def test_doctor_reports_a_foreign_project_file_and_does_not_change_it(gamcli: Run, project: Path) -> None:
    os.chown(project, NOT_A_USER, -1)
    project.chmod(0o666)
    found = gamcli("doctor", "--fix")
    assert found.code == 1
    assert "is owned by the user with the ID" in found.out
    assert project.stat().st_mode & 0o777 == 0o666


@needs_root
def test_the_sudo_user_is_trusted_by_root_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(project, NOT_A_USER, -1)
    monkeypatch.setenv("SUDO_UID", str(NOT_A_USER))
    assert config_files.find_foreign_owner(project) is None
    monkeypatch.setattr(os, "geteuid", lambda: NOT_A_USER + 1)  # sudo -u another user
    assert config_files.find_foreign_owner(project) == NOT_A_USER


@needs_root
def test_a_link_of_another_user_is_refused_and_the_file_of_the_sudo_user_is_not(
    gamcli: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = project.rename(project.with_name("own.toml"))
    project.symlink_to(own)
    os.chown(project, NOT_A_USER, -1, follow_symlinks=False)
    assert gamcli("app", "list").code == 2
    monkeypatch.setenv("SUDO_UID", str(NOT_A_USER))
    assert gamcli("app", "list").code == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 20_000 + "]" * 20_000, "it is nested too deeply"),
        ("[gamcli]\nquiet = " + "[" * 20_000 + "]" * 20_000, "it is nested too deeply"),
        ("[gamcli]\n" + "a." * 20_000 + "b = 1", "it is nested too deeply"),
        ("[gamcli]\nserve.port = " + "9" * 5000, "a number has too many digits"),
        ("[gamcli]\nserve.port = 0x" + "f" * 5000, "a number has too many digits"),
        ("[gamcli]\nserve.port = 0b" + "1" * 50_000, "a number has too many digits"),
        ("[gamcli]\noutput = '" + "x" * 5000 + "'", f"invalid value '{'x' * 200}...'"),
        ("[gamcli]\n" + "x" * 5000 + " = 1", f"gamcli.{'x' * 60}: unknown setting"),
        ("#" * (config_files.MAX_FILE_BYTES + 1), "it is larger than 1 MiB"),
        ("\ud800", "can't decode byte"),
    ],
)
def test_a_hostile_project_file_is_an_error_without_a_traceback(
    gamcli: Run, project: Path, text: str, reason: str
) -> None:
    project.write_bytes(text.encode("utf-8", "surrogatepass"))
    for words in READING:
        found = gamcli(*words)
        assert found.code in (1, 2)
        assert reason in re.sub(r"\s+", " ", found.err + found.out)
        assert len(found.err) < 1000
    for words in COMMANDS:
        assert gamcli(*words).code in (0, 2)


def test_a_byte_order_mark_in_a_config_file_is_dropped(gamcli: Run, project: Path) -> None:
    project.write_bytes(b"\xef\xbb\xbf" + project.read_bytes())
    assert gamcli("config", "get", "quiet").out == "true\n"


def test_a_deleted_working_directory_has_no_project_file(shell: Run, world: Run) -> None:
    assert world("app", "list").code == 0
    for words in ("app list", "config list", "config path", "doctor -o json", "key list", "audit head"):
        found = shell(f"mkdir gone && cd gone && rmdir ../gone && gamcli {words}")
        assert found.code == 0, found.err
    found = shell("mkdir gone && cd gone && rmdir ../gone && gamcli config path --project")
    assert found.code == 1
    assert found.err.startswith("gamcli: error: the working directory no longer exists\n")
    found = shell("mkdir gone && cd gone && rmdir ../gone && gamcli --store x.db app list")
    assert found.code == 2
    for words in ("plan x.toml", "config set --project quiet true"):
        found = shell(f"mkdir -p gone && cd gone && rmdir ../gone && gamcli {words}")
        assert found.code == 1
        assert found.err.startswith("gamcli: error: the working directory no longer exists\n"), words
    found = shell("mkdir -p gone && cd gone && rmdir ../gone && gamcli --store x.db app list")
    assert "the working directory no longer exists, and the path of the store, x.db, is relative" in found.err


@pytest.mark.parametrize("words", ["conformance --world /dev/zero http://127.0.0.1:1", "user create --from /dev/zero"])
def test_input_without_an_end_is_refused(world: Run, words: str) -> None:
    found = world(*words.split())
    assert found.code == 2
    assert "larger than 1 MiB" in found.err or "it is an endless device" in found.err
