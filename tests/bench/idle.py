"""
Measure what ten thousand idle connections do to a server: `python tests/bench/idle.py`.

A real `gamcli serve` listens on loopback, and one process opens connections and sends nothing. Reported are how many
connections the server kept, refused with 503 or reset; whether an earlier client is still served; the memory and
threads of the server; and whether a new client is served once the idle connections are closed.
"""

import json
import resource
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

ASKED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
EVERY = 100
"""The first client sends a request again after every N connections."""

SPARE = 100
"""File descriptors that this process needs in addition to its connections."""

PATIENCE = 60.0
"""The contract closes an idle connection after 30 s."""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, int]]:
    ready = folder / "ready.json"
    line = [sys.executable, "-m", "gamcli", "--quiet", "serve", "--ephemeral", "--port=0", f"--ready-file={ready}"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb")) as process:
        try:
            while not ready.exists():
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.01)
            yield json.loads(ready.read_bytes())["url"], process.pid
        finally:
            process.terminate()


def of_process(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")))


def answered(client: HTTPConnection) -> float:
    began = time.monotonic()
    client.request("GET", "/healthz")
    with client.getresponse() as response:
        response.read()
        assert response.status == 200
    return (time.monotonic() - began) * 1000


def became(client: socket.socket) -> str:
    client.settimeout(0)
    try:
        data = client.recv(4096)
    except BlockingIOError:
        return "kept"
    except ConnectionResetError:
        return "reset"
    return "refused with 503" if b" 503 " in data else "reset"


def opened(
    stack: ExitStack, address: tuple[str, int], count: int, before: HTTPConnection
) -> tuple[list[socket.socket], list[float]]:
    found, took = [], []
    for number in range(count):
        found.append(stack.enter_context(socket.create_connection(address, timeout=30)))
        if number % EVERY == 0:
            took.append(answered(before))
    return found, took


def waited(address: tuple[str, int]) -> float:
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        with socket.create_connection(address, timeout=10) as client:
            client.sendall(ASKED)
            try:
                if b" 200 " in client.recv(4096):
                    return time.monotonic() - began
            except ConnectionResetError:
                pass
        time.sleep(0.1)
    raise TimeoutError("no new client is answered")


def main(count: int) -> Iterator[str]:
    with TemporaryDirectory() as folder, serving(Path(folder)) as (url, pid), ExitStack() as stack:
        parts = urlsplit(url)
        address = (str(parts.hostname), int(parts.port or 0))
        before = HTTPConnection(*address, timeout=30)
        yield f"a request before          {answered(before):8.1f} ms"
        rest, threads = of_process(pid, "VmRSS"), of_process(pid, "Threads")
        began = time.monotonic()
        idle, took = opened(stack, address, count, before)
        yield f"{count} connections opened in {time.monotonic() - began:.1f} s"
        yield f"requests among them       {sorted(took)[len(took) // 2]:8.1f} ms, the slowest {max(took):.1f} ms"
        time.sleep(1)
        for what, number in Counter(map(became, idle)).most_common():
            yield f"  {what:22}  {number:8}"
        yield f"memory of the server      {rest / 1024:8.1f} MB, then {of_process(pid, 'VmRSS') / 1024:.1f} MB"
        yield f"threads of the server     {threads:8}, then {of_process(pid, 'Threads')}"
        yield f"a new client is answered  {waited(address):8.1f} s after that"
        yield f"threads in the end        {of_process(pid, 'Threads'):8}"
        log = (Path(folder) / "log").read_text()
        yield f"tracebacks in its log     {log.count('Traceback'):8}"


def run() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000, help="how many, as far as ulimit -n allows")
    options = parser.parse_args().connections
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(options, hard - SPARE)
    if count < options:
        sys.stdout.write(f"ulimit -n is {hard}: {count} connections instead of {options}\n")
    for line in main(count):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run()
