"""One store and several processes: each committed change survives the others."""

import subprocess
import sys
from pathlib import Path

import pytest

from gamcli.store import Store, audit

WRITER = """
import sys
from pathlib import Path
from gamcli.store import Store, audit

with Store.create(Path(sys.argv[1])) as store:
    for number in range(int(sys.argv[3])):
        with store.writing() as tx:
            audit.add(tx, "2026-03-01T12:00:00Z", sys.argv[2], "test.note", str(number), "{}")
        print(number, flush=True)
"""
"""Writes entries one by one and prints the number of each once it is kept."""


def start(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def entries(path: Path) -> list[tuple[int, str, str]]:
    with Store.open(path) as store, store.reading() as tx:
        assert audit.verify(tx) == audit.load_head(tx)
        return [(entry.seq, entry.actor, entry.target) for entry in audit.search(tx)]


def test_processes_that_write_at_once_leave_no_gap_and_lose_nothing(store_path: Path) -> None:
    started = [start(store_path, name, 25) for name in ("one", "two", "three")]
    faults = [process.communicate(timeout=60)[1] for process in started]
    assert faults == ["", "", ""]
    found = entries(store_path)
    assert [seq for seq, _, _ in found] == list(range(1, 76))
    for name in ("one", "two", "three"):
        assert [target for _, actor, target in found if actor == name] == [str(number) for number in range(25)]


@pytest.mark.parametrize("acknowledged", [1, 20])
def test_what_was_acknowledged_survives_a_killed_process(store_path: Path, acknowledged: int) -> None:
    with start(store_path, "victim", 1_000_000) as process:
        assert process.stdout is not None
        for _ in range(acknowledged):
            last = process.stdout.readline()
        process.kill()
        told = [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    kept = [int(target) for _, _, target in entries(store_path)]
    assert kept == list(range(len(kept)))
    assert kept[-1] >= int((told or [last])[-1])
