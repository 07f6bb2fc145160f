"""Cleanup before a signal ends the program."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from gamcli.system import signals

Run = Callable[..., Any]


@pytest.mark.parametrize("number", signals.TERMINATION_SIGNALS)
def test_an_interrupted_backup_leaves_no_partial_file(world: Run, line: list[str], place: Path, number: int) -> None:
    assert world("key", "list").code == 0
    (place / "slow.py").write_text(SLOW_DISK, encoding="utf-8")
    words = [line[0], "slow.py", "store", "backup", "b.db"]
    with subprocess.Popen(words, cwd=place, stderr=subprocess.PIPE) as process:
        while not [*place.glob(".b.db.*.part")]:
            assert process.poll() is None
            sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == -number
    assert [each.name for each in place.iterdir()] == ["slow.py"]


SLOW_DISK = """
import sys, time
from gamcli.commands import main
from gamcli.store.sqlite import files
files.sync = lambda path: time.sleep(60)
sys.exit(main(sys.argv[1:]))
"""
"""Backups to a slow disk."""


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.cleanup_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_interrupt_the_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    signals_sent: list[int] = []
    real = os.kill
    steps: list[str] = []

    def work() -> None:
        with signals.cleanup_on_signals():
            try:
                real(os.getpid(), signal.SIGTERM)
                steps.append("never")
            finally:
                real(os.getpid(), signal.SIGHUP)
                steps.append("cleaned up")

    monkeypatch.setattr(os, "kill", lambda _, number: signals_sent.append(number))
    with pytest.raises(KeyboardInterrupt):
        work()
    assert (steps, signals_sent) == (["cleaned up"], [signal.SIGTERM])
