"""`gamcli serve -- CMD`, with real processes and ports."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[bytes]"]

REQUEST_SCRIPT = """
import os, urllib.error, urllib.request
try:
    urllib.request.urlopen(os.environ["GAM_URL"] + "/oauth/gam/v2.0/userinfo")
except urllib.error.HTTPError as error:
    print(error.code)
"""

WAIT_SCRIPT = """
import signal, sys, time
def on_signal(number, _):
    print(number, flush=True)
    sys.exit(number + 30)
signal.signal(signal.SIGTERM, on_signal)
signal.signal(signal.SIGINT, on_signal)
print("ready", flush=True)
time.sleep(60)
"""

COUNT_SCRIPT = """
import os, signal, sys, time
heard, told = os.pipe()
os.set_blocking(told, False)
signal.signal(signal.SIGINT, lambda *_: None)
signal.set_wakeup_fd(told)
print("ready", flush=True)
signal.pause()
time.sleep(0.3)
print("heard " * len(os.read(heard, 100)))
sys.exit(5)
"""
"""Counts each delivery of a signal; a Python handler may run once for several."""


@pytest.fixture
def start(line: list[str]) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        running.append(subprocess.Popen([*line, *words], stdout=pipe, stderr=pipe, start_new_session=True))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_a_program_can_use_the_server(world: Run, program: Run) -> None:
    assert world("app", "list").code == 0
    ran = program("serve", "--port", "0", "--base-path", "/shop/", "--", sys.executable, "-c", REQUEST_SCRIPT)
    assert (ran.code, ran.out) == (0, "401\n")
    assert "/shop while " in ran.err
    assert "GET /shop/oauth/gam/v2.0/userinfo 401" in ran.err


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill $$", 143)])
def test_the_server_exits_with_the_code_of_the_program(world: Run, program: Run, script: str, code: int) -> None:
    assert world("app", "list").code == 0
    assert program("serve", "--port", "0", "--", "sh", "-c", script).code == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_forwarded_to_the_program(world: Run, start: Start, number: signal.Signals) -> None:
    assert world("app", "list").code == 0
    process = start("serve", "--port", "0", "--", sys.executable, "-c", WAIT_SCRIPT)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (out.decode(), process.returncode) == (f"{int(number)}\n", number + 30)


def test_ctrl_c_of_a_terminal_reaches_the_program_once(world: Run, terminal: Run) -> None:
    assert world("app", "list").code == 0
    answers = [("ready", "\x03")]
    ran = terminal("serve", "--port", "0", "--", sys.executable, "-c", COUNT_SCRIPT, answers=answers)
    assert ran.code == 5
    assert ran.out.count("heard") == ran.out.count("^C")


@pytest.mark.parametrize("word", ["no-such-program", "./no-such-file", "/", ""])
def test_exit_code_127_for_a_missing_program(world: Run, place: Path, word: str) -> None:
    ran = world("serve", "--port", "0", "--ready-file", "ready.json", "--", word)
    assert (ran.code, ran.out) == (127, "")
    assert f"'{word}'" in ran.err
    assert ran.hint.startswith("put the program and its arguments after --")
    assert not (place / "ready.json").exists()


def test_exit_code_127_for_a_file_that_cannot_be_run(world: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "odd").write_bytes(b"\x7fODD")
    (place / "odd").chmod(0o755)
    assert "cannot run " in world("serve", "--port", "0", "--", "./odd").err.partition("error: ")[2]
    monkeypatch.setenv("GAMCLI_OUTPUT", "json")
    ran = world("serve", "--port", "0", "--", "no-such-program")
    assert ran.code == 127
    assert json.loads(ran.err)["error"]["code"] == "not_found"


def test_options_after_the_program_belong_to_it(world: Run, program: Run) -> None:
    assert world("app", "list").code == 0
    for dashes in ([], ["--"]):
        ran = program("serve", "--port", "0", *dashes, "echo", "--port", "--help", "x y")
        assert (ran.code, ran.out) == (0, "--port --help x y\n")


def test_the_program_does_not_run_if_the_port_is_in_use(world: Run, place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = world("serve", "--port", str(taken.getsockname()[1]), "--", "touch", "ran")
    assert ran.code == 1
    assert not (place / "ran").exists()


def test_the_ready_file_exists_when_the_program_runs(world: Run, program: Run, place: Path) -> None:
    assert world("app", "list").code == 0
    script = 'cat ready.json; echo "$GAM_URL"'
    ran = program("serve", "--port", "0", "--ready-file", str(place / "ready.json"), "--", "sh", "-c", script)
    told, url = ran.out.splitlines()
    assert json.loads(told)["url"] == url
    assert "GAM_URL" not in os.environ
