"""The servers that `serve.py` measures: separate processes on loopback, with their cost as Linux reports it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread

from tests.conftest import PostgresServer, find_postgres

OIDC = Path(__file__).with_name("oidc")
DELAY = Path(__file__).with_name("delay.py")
NPM_SECONDS = 300
START_SECONDS = 30
MICROSECONDS_A_TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its port, and the process that it is or that looks after it."""

    port: int
    pid: int
    token: str = ""

    def processes(self) -> list[Path]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [Path(f"/proc/{pid}") for pid in (self.pid, *children)]

    def cpu_microseconds(self) -> float:
        fields = [(each / "stat").read_text().rpartition(")")[2].split() for each in self.processes()]
        return MICROSECONDS_A_TICK * sum(int(each[11]) + int(each[12]) for each in fields)

    def peak_megabytes(self) -> list[float]:
        fields = [(each / "status").read_text().partition("VmHWM:")[2].split()[0] for each in self.processes()]
        return [int(each) / 1024 for each in fields]


class Bare(BaseHTTPRequestHandler):
    """The least that the standard library does for a POST: read it, answer a constant in one write."""

    protocol_version = "HTTP/1.1"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 268\r\n\r\n" + b"x" * 268

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(self.answer)


class BareServer(ThreadingHTTPServer):
    """The server of the standard library, quiet about clients that hang up."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None: ...


@contextmanager
def process(line: list[str], **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    env = {**os.environ, **environment}
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as made:
        try:
            yield made
        finally:
            made.terminate()
            made.wait(START_SECONDS)


def read_ready(made: "subprocess.Popen[bytes]") -> dict[str, object]:
    assert made.stdout is not None
    line = made.stdout.readline()
    assert line, f"{made.args!r} does not start"
    return dict(json.loads(line))


@contextmanager
def bare() -> Iterator[Running]:
    with process([sys.executable, __file__]) as made:
        yield Running(int(str(read_ready(made)["port"])), made.pid)


@contextmanager
def gamcli(store: Path | str, *options: str, ready: Path | None = None) -> Iterator[Running]:
    ready = ready or Path(store).with_suffix(".ready")
    ready.unlink(missing_ok=True)
    line = [sys.executable, "-m", "gamcli", "--quiet", "--store", str(store), "serve"]
    with process([*line, "--port=0", f"--ready-file={ready}", *options]) as made:
        wait(made, ready.exists)
        yield Running(int(json.loads(ready.read_bytes())["url"].rpartition(":")[2]), made.pid)


@contextmanager
def uvicorn(store: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "uvicorn", "--no-proxy-headers", "--no-access-log", f"--port={port}"]
    with process([*line, "gamcli.server.asgi:app"], GAMCLI_STORE=str(store)) as made:
        wait(made, lambda: listens(port))
        yield Running(port, made.pid)


@contextmanager
def oidc_provider(packages: Path, store: Path, client: tuple[str, str]) -> Iterator[Running]:
    line = ["node", str(packages / "server.js"), str(store), *client]
    with process(line, NODE_ENV="production") as made:
        found = read_ready(made)
        yield Running(int(str(found["port"])), made.pid, str(found["token"]))


@contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """Yield the port of a proxy that adds a delay to every round trip, of which its processor time is a part."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        delaying_proxy(listener.getsockname()[1], milliseconds) as proxy,
    ):
        Thread(target=echo, args=(listener,), daemon=True).start()
        direct = measure_round_trip(listener.getsockname()[1])
        excess = measure_round_trip(proxy) - direct - milliseconds
    with delaying_proxy(port, max(0.0, milliseconds - excess)) as proxy:
        yield proxy


@contextmanager
def delaying_proxy(port: int, milliseconds: float) -> Iterator[int]:
    line = [sys.executable, str(DELAY), str(port), "--milliseconds", str(milliseconds)]
    with process(line) as made:
        yield int(str(read_ready(made)["port"]))


def echo(listener: socket.socket) -> None:
    """Send back what each connection sends, one connection after the other, until the listener is closed."""
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while data := client.recv(4096):
                    client.sendall(data)


def measure_round_trip(port: int, rounds: int = 200) -> float:
    """Return the median time of a round trip to an echo server, in ms."""
    times = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(rounds):
            began = time.perf_counter()
            client.sendall(b"x" * 500)
            client.recv(500, socket.MSG_WAITALL)
            times.append(1000 * (time.perf_counter() - began))
    return median(times)


@contextmanager
def postgres() -> Iterator[tuple[PostgresServer, Running]]:
    if find_postgres() is None:
        raise SkippedError("PostgreSQL is not installed")
    with closing(PostgresServer(fsync=True)) as server:
        pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        yield server, Running(server.port, pid)


class SkippedError(Exception):
    """A server that cannot be had on this machine, and why."""


def oidc_packages(folder: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise SkippedError("node and npm are not here")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "server.js"):
        shutil.copy(OIDC / name, folder / name)
    if not (folder / "node_modules" / ".package-lock.json").exists():
        try:
            subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, check=True, timeout=NPM_SECONDS)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            raise SkippedError(f"npm ci failed: {error}") from error
    try:
        subprocess.run(
            ["node", "-e", "import('better-sqlite3').then((m) => new m.default(':memory:'))"],
            cwd=folder,
            capture_output=True,
            check=True,
            timeout=START_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise SkippedError(
            f"better-sqlite3 does not work here: {error.stderr.decode(errors='replace')[-300:]}"
        ) from error


def wait(made: "subprocess.Popen[bytes]", until: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not until():
        assert made.poll() is None, f"{made.args!r} has ended"
        assert time.monotonic() < end, f"{made.args!r} does not start"
        time.sleep(0.01)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    server = BareServer(("127.0.0.1", 0), Bare)
    sys.stdout.write(f'{{"port": {server.server_port}}}\n')
    sys.stdout.flush()
    server.serve_forever()
