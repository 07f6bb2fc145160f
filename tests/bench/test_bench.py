"""Every benchmark runs with the smallest numbers."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread
from time import perf_counter

import pytest

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


def echo(listener: socket.socket) -> None:
    client, _ = listener.accept()
    with client:
        while data := client.recv(4096):
            client.sendall(data)


def test_the_delaying_proxy_adds_its_delay_to_a_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=echo, args=(listener,), daemon=True).start()
        command = [sys.executable, str(BENCH / "delay.py"), str(listener.getsockname()[1]), "--milliseconds", "20"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as proxy:
            assert proxy.stdout is not None
            port = json.loads(proxy.stdout.readline())["port"]
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                began = perf_counter()
                for _ in range(5):
                    client.sendall(b"x" * 1000)
                    assert len(client.recv(1000, socket.MSG_WAITALL)) == 1000
                assert perf_counter() - began >= 5 * 0.020
            proxy.terminate()
