"""
Measure what ten thousand silent connections do to a server: `python tests/bench/idle.py`.

A real `gamcli serve` listens on loopback. One process opens connections from 127.0.0.1 and sends nothing, while another
requests grants over new connections from the same address and from 127.0.0.2, before the flood, during it and after it.
Reported are how long the grants took, for the client and within the server; what became of the silent connections; and
the processor time, memory and threads of the server. Each grant is answered within 100 ms.

The flood has a rate, by default at most 4,000 connections per second, which replaces all connections of an address up
to 15 times per second. Without one, the opener takes a processor as a whole: on a machine with two, the server and the
client that measures share the other one, and the figures show how the system schedules them. `--rate 0` measures that
as well. So does a busy machine: there the slowest grant within the server is the figure to look at.
"""

import json
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"
FLOODER = "127.0.0.1"
SOURCES = (FLOODER, "127.0.0.2")
PROMISED = 100.0
"""Milliseconds within which every grant is answered."""

SPARE = 100
"""File descriptors that a process needs in addition to its connections."""


class Serving(NamedTuple):
    """A server that runs, and the form of a grant."""

    address: tuple[str, int]
    pid: int
    form: str


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    ready = folder / "ready.json"
    line = [sys.executable, "-m", "gamcli", "serve", "--ephemeral", "--port=0", f"--ready-file={ready}"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=(folder / "log").open("wb"), text=True) as process:
        try:
            while not ready.exists():
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.01)
            assert process.stdout is not None
            names = {f"GAM_{name.upper()}": name for name in ("client_id", "client_secret", "api_key")}
            form = {"grant_type": "password", "authentication_type_name": "apikey"}
            while not form.keys() >= set(names.values()):
                variable, _, value = shlex.split(process.stdout.readline())[0].partition("=")
                if variable in names:
                    form[names[variable]] = value
            parts = urlsplit(json.loads(ready.read_bytes())["url"])
            address = (str(parts.hostname), int(parts.port or 0))
            yield Serving(address, process.pid, urlencode(form))
        finally:
            process.terminate()


def of_process(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")))


def grant_milliseconds(server: Serving, source: str) -> float:
    """Exchange an API key over a new connection from the address `source`."""
    began = time.monotonic()
    client = HTTPConnection(*server.address, timeout=30, source_address=(source, 0))
    try:
        client.request("POST", "/oauth/gam/v2.0/access_token", server.form, {"Content-Type": FORM})
        with client.getresponse() as response:
            response.read()
            assert response.status == 200, response.status
    finally:
        client.close()
    return (time.monotonic() - began) * 1000


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def logged_milliseconds(log: Path) -> list[float]:
    """Return how long the server took for each grant, from the request to the response."""
    return [float(each) for each in re.findall(r" POST \S+/access_token 200 ([0-9.]+)ms", log.read_text())]


def became(client: socket.socket) -> str:
    client.settimeout(0)
    try:
        data = client.recv(4096)
    except BlockingIOError:
        return "kept"
    except ConnectionResetError:
        return "reset"
    return "refused with 503" if b" 503 " in data else "closed for a newer one"


def flood(address: tuple[str, int], count: int, rate: float, parent: Connection) -> None:
    """Open silent connections, `rate` per second (0 = as fast as possible), and report what became of them."""
    with ExitStack() as stack:
        opened, due = [], time.monotonic()
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection(address, timeout=30)))
            due = max(due + 1 / rate, time.monotonic()) if rate else 0.0  # a delay is not made up for by a burst
            time.sleep(max(due - time.monotonic(), 0))
        parent.send("opened")
        parent.recv()
        parent.send(Counter(map(became, opened)).most_common())


def measure(server: Serving, went_on: Callable[[], bool]) -> dict[str, list[float]]:
    """Request grants from each address in turn as long as `went_on`, at least once."""
    took: dict[str, list[float]] = {source: [] for source in SOURCES}
    while True:
        for source, found in took.items():
            found.append(grant_milliseconds(server, source))
        if not went_on():
            return took


def describe(when: str, took: dict[str, list[float]]) -> Iterator[str]:
    for source, found in took.items():
        whose = "the same address" if source == FLOODER else "another address"
        text = f"{len(found):5} grants, median {median(found):5.1f} ms, slowest {max(found):5.1f} ms"
        yield f"{when:7} {whose:17} {text}{'' if max(found) <= PROMISED else ': MORE THAN PROMISED'}"


def main(count: int, rate: float, seconds: float) -> Iterator[str]:
    with TemporaryDirectory() as folder, serving(Path(folder)) as server:
        memory, threads = of_process(server.pid, "VmRSS"), of_process(server.pid, "Threads")
        yield from describe("before", measure(server, until(seconds)))
        here, there = Pipe()
        process = Process(target=flood, args=(server.address, count, rate, there))
        began, used = time.monotonic(), processor_seconds(server.pid)
        process.start()
        yield from describe("during", measure(server, lambda: not here.poll()))
        took, used = time.monotonic() - began, processor_seconds(server.pid) - used
        yield f"{count} silent connections opened in {took:.1f} s; the server ran for {used / took:.0%} of the time"
        yield from describe("after", measure(server, until(seconds)))
        here.recv()
        here.send("report")
        for what, number in here.recv():
            yield f"  {what:22}  {number:8}"
        process.join()
        log = Path(folder) / "log"
        yield f"slowest in the server     {max(logged_milliseconds(log)):8.1f} ms"
        yield f"memory of the server      {memory / 1024:8.1f} MB, then {of_process(server.pid, 'VmRSS') / 1024:.1f} MB"
        yield f"threads of the server     {threads:8}, then {of_process(server.pid, 'Threads')}"
        yield f"tracebacks in its log     {log.read_text().count('Traceback'):8}"


def until(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def run() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000, help="how many, as far as ulimit -n allows")
    parser.add_argument(
        "--rate", type=float, default=4000.0, help="at most this many are opened per second; 0 = as fast as possible"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure before and after the flood")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(options.connections, hard - SPARE)
    if count < options.connections:
        sys.stdout.write(f"ulimit -n is {hard}: {count} connections instead of {options.connections}\n")
    for line in main(count, options.rate, options.seconds):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run()
