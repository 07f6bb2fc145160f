"""Every benchmark runs with the smallest numbers."""

import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.bench import servers

BENCH = Path(__file__).parent
SECONDS = 100
PARTS = {"delay", "load", "servers"}
"""Modules that the benchmarks share."""

SMALLEST = {
    "audit": "--entries 100 --keys 10",
    "backup": "--keys 20 --rounds 1 --seconds 0.1 --connections 1",
    "bulk": "--keys 10",
    "fixture": "--rounds 1",
    "idle": "--connections 10 --seconds 0.1",
    "manifest": "--rounds 1 --sizes 50",
    "provision": "--rounds 1 --objects 31",
    "nodes": "--brief",
    "prune": "--tokens 100 --connections 1 --seconds 0.1",
    "scan": "--megabytes 1 --rounds 1",
    "serve": "--seconds 0.1 --rounds 1 --connections 1 --keys 10 --servers stdlib --asgi --alone",
    "startup": "--rounds 1",
    "store": "--keys 10 --rounds 1",
}


def test_every_bench_is_run_here() -> None:
    assert {path.stem for path in BENCH.glob("*.py")} - {Path(__file__).stem} == {*SMALLEST, *PARTS}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_bench_runs_to_its_end(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / f"{name}.py"), *SMALLEST[name].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_delaying_proxy_adds_its_delay_to_a_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=servers.echo, args=(listener,), daemon=True).start()
        with servers.delayed(listener.getsockname()[1], 5) as port:
            assert servers.measure_round_trip(port, rounds=5) >= 0.9 * 5
