"""
How many grants and userinfo a second, against a bare `http.server` in the same run: `python tests/bench/serve.py`.

Every grant is a row that survives a killed process (WAL, `synchronous=NORMAL`); every request is logged, to /dev/null.
The bare server answers the same POST with a constant. Each server and the load run in processes of their own, on
loopback alone; the servers take turns within each round, so that whatever else the machine does meets all of them.
"""

import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from gamcli.actions import Gam, apps, keys, repository, users
from gamcli.rules.credentials import Secret
from gamcli.server.http import Options, Server
from gamcli.store import Store

CLIENT_ID = "c" * 32
CLIENT_SECRET = "s" * 40
LOAD = Path(__file__).with_name("load.py")
GRANT_PATH = "/oauth/gam/v2.0/access_token"
SPAWN = get_context("spawn")


class Bare(BaseHTTPRequestHandler):
    """The least that the standard library does for a POST: read it, answer a constant in one write."""

    protocol_version = "HTTP/1.1"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 268\r\n\r\n" + b"x" * 268

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(self.answer)


class BareServer(ThreadingHTTPServer):
    """The server of the standard library, quiet about clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


def serve_bare(ready: Connection, _: Path) -> None:
    """Serve constants and send the port to `ready`."""
    server = BareServer(("127.0.0.1", 0), Bare)
    ready.send(server.server_port)
    server.serve_forever()


def serve_gam(ready: Connection, path: Path) -> None:
    """Serve the store at `path` and send the port to `ready`."""
    with Store.open(path, durable=False) as store, Path(os.devnull).open("w", encoding="utf-8", buffering=1) as log:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "bench")
        server = Server(gam, Options(log=lambda line: print(line, file=log)))
        ready.send(server.port)
        server.run()


@contextmanager
def running(serve: Callable[[Connection, Path], None], path: Path) -> Iterator[int]:
    """Run `serve` in a process of its own and give its port."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(theirs, path), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def fill(path: Path) -> str:
    """Make a store with one user, one application and one key, and return the key."""
    with Store.create(path) as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "bench")
        repository.initialise(gam)
        users.create(gam, "ana", {"email": "ana@example.org", "first_name": "Ana"})
        wanted = {"remote_rest": True, "api_keys.enabled": True}
        apps.create(gam, apps.AppWish("portal", wanted, ("gam_user_data",), CLIENT_ID, Secret(CLIENT_SECRET)))
        return keys.generate(gam, keys.KeyWish("ana", "portal")).secret.reveal()


def grant_request(api_key: str) -> bytes:
    """Return the POST that trades `api_key` for a token."""
    form = {"grant_type": "password", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "api_key": api_key}
    body = urlencode(form).encode()
    head = (
        f"POST {GRANT_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def userinfo_request(port: int, grant: bytes) -> bytes:
    """Return the GET that reads the claims of a token issued now."""
    import socket  # noqa: PLC0415 - once, to ask for one token

    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(grant)
        token = json.loads(client.recv(65536).partition(b"\r\n\r\n")[2])["access_token"]
    return f"GET /oauth/gam/v2.0/userinfo HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n".encode()


def load(port: int, request: bytes, connections: int, seconds: float) -> tuple[float, float, float]:
    """Return requests a second, p50 and p99 in milliseconds, as `load.py` measures them."""
    command = [sys.executable, str(LOAD), str(port), str(connections), str(seconds)]
    done = subprocess.run(command, input=request, stdout=subprocess.PIPE, check=True, timeout=60 + 2 * seconds)
    per_second, p50, p99 = json.loads(done.stdout)
    return per_second, p50, p99


def main() -> None:
    """Measure and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each measurement counts")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is made; the medians are shown")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16, 64])
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gam.db"
        grant = grant_request(fill(path))
        with running(serve_bare, path) as bare, running(serve_gam, path) as gam:
            loads = {
                "bare": (bare, grant),
                "grant": (gam, grant),
                "userinfo": (gam, userinfo_request(gam, grant)),
            }
            sys.stdout.write("connections  what      req/s   p50 ms   p99 ms   of bare\n")
            for connections in asked.connections:
                found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in loads}
                for _ in range(asked.rounds):
                    for name, (port, request) in loads.items():
                        found[name].append(load(port, request, connections, asked.seconds))
                for name, runs in found.items():
                    rate, p50, p99 = (median(column) for column in zip(*runs, strict=True))
                    share = median(run[0] / bare_run[0] for run, bare_run in zip(runs, found["bare"], strict=True))
                    line = f"{connections:11}  {name:8} {rate:6.0f} {p50:8.2f} {p99:8.2f} {share:8.0%}\n"
                    sys.stdout.write(line)


if __name__ == "__main__":
    main()
