"""A terminal shows lists and pages that are longer than the screen in the user's pager."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

MARK = "sed s/^/paged:/"


@pytest.mark.usefixtures("many_keys")
def test_a_list_longer_than_the_terminal_goes_through_the_pager(terminal: Run) -> None:
    ran = terminal("key", "list", columns=80, PAGER=MARK)
    lines = ran.out.splitlines()
    assert (ran.code, len(lines)) == (0, 2002)
    assert all(line.startswith("paged:") for line in lines[:-1])
    assert lines[-1] == "gamcli: not shown: grants; to see all columns: --wide"


def test_a_page_of_the_manual_and_a_reference_go_through_the_pager(terminal: Run) -> None:
    assert "paged:" in terminal("help", "keys", PAGER=MARK).out
    assert "paged:" in terminal("help", "manifest", PAGER=MARK).out


@pytest.mark.usefixtures("many_keys")
@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--no-pager", "key", "list"], {"PAGER": MARK}),
        (["key", "list"], {"PAGER": MARK, "GAMCLI_NO_PAGER": "1"}),
        (["key", "list"], {"PAGER": MARK, "TERM": "dumb"}),
        (["key", "list"], {"PAGER": ""}),
        (["key", "list"], {"PAGER": "no-such-program"}),
        (["key", "list"], {"PAGER": "sed '"}),
        (["key", "list", "-o", "json"], {"PAGER": MARK}),
        (["key", "list", "--field", "id"], {"PAGER": MARK}),
        (["key", "list", "--limit", "20"], {"PAGER": MARK}),
    ],
    ids=str,
)
def test_other_output_does_not_go_through_the_pager(terminal: Run, words: list[str], changes: dict[str, str]) -> None:
    ran = terminal(*words, **changes)
    assert (ran.code, "paged:" in ran.out, "00000001" in ran.out) == (0, False, True)


@pytest.mark.usefixtures("many_keys")
def test_a_pipe_has_no_pager(program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", MARK)
    assert "paged:" not in program("key", "list").out


def test_the_exit_code_is_that_of_the_command(world: Run, terminal: Run, place: Path) -> None:
    users = [f"user{number}" for number in range(50)]
    (place / "users.csv").write_text("\n".join(["name", *users]), encoding="utf-8")
    rows = ["user,app,expires_in", *(f"{user},portal,1d" for user in users)]
    (place / "wanted.csv").write_text("\n".join(rows), encoding="utf-8")
    assert world("user", "create", "--from", "users.csv").code == 0
    assert world("key", "generate", "--from", "wanted.csv", "--out", "keys.csv").code == 0
    for pager in (MARK, "false"):
        assert terminal("key", "due", PAGER=pager).code == 7


@pytest.mark.usefixtures("many_keys")
def test_the_store_is_closed_while_the_pager_is_open(terminal: Run, file: Path, place: Path) -> None:
    script = place / "pager"
    script.write_text(f"#!/bin/sh\nls -l /proc/$PPID/fd | grep -c {file.name}\n", encoding="utf-8")
    script.chmod(0o755)
    assert terminal("key", "list", columns=200, PAGER=str(script)).out == "0\n"


@pytest.mark.skipif(not shutil.which("less"), reason="less is not installed")
@pytest.mark.usefixtures("many_keys")
@pytest.mark.parametrize("keys", [["q"], ["\x03", "q"]], ids=["q", "Ctrl-C"])
def test_quitting_the_pager_is_quiet(terminal: Run, keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGER", raising=False)
    monkeypatch.delenv("LESS", raising=False)
    ran = terminal("key", "list", columns=200, answers=[(":", key) for key in keys])
    assert ran.code == 0
    assert "00000001" in ran.out
    assert "00000100" not in ran.out
    assert "Traceback" not in ran.out
    assert "gamcli:" not in ran.out
