"""Worker processes on one port: each answers, a crashed one is restarted, none is left behind."""

import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from subprocess import PIPE, Popen, run
from sys import executable
from time import monotonic, sleep
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, keys
from gamcli.errors import FailedError
from gamcli.server.log_writer import write_atomically
from gamcli.server.server import ServerOptions
from gamcli.server.transport.workers import WorkerProcesses
from gamcli.store import Store

pytestmark = pytest.mark.needs_file

TOKEN_PATH = "/oauth/gam/v2.0/access_token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# A separate process, since workers are forked and pytest has threads.
SERVE = """
import os, signal, sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from gamcli.actions import Gam
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.workers import WorkerProcesses
from gamcli.store import Store

@contextmanager
def make(options):
    with Store.open(Path(sys.argv[1])) as store:
        yield Server(Gam(store, lambda: datetime.now(UTC), os.urandom, "test"), options)

def log(text):
    sys.stderr.write(f"{os.getpid()} {text}\\n")
    sys.stderr.flush()

stops = []
workers = WorkerProcesses(2, make, ServerOptions(log=log), log)
for each in (signal.SIGTERM, signal.SIGINT):
    signal.signal(each, lambda *_: workers.stop())
print(workers.url, flush=True)
workers.run()
"""


SLOW_START = """
import os, threading, time
from contextlib import contextmanager
from gamcli.server.transport.listener import ListenOptions
from gamcli.server.transport.workers import WorkerProcesses

class Server:
    def __init__(self):
        self.stopped = threading.Event()
    def run(self):
        self.stopped.wait()
        os.write(1, b"finished\\n")
    def stop(self):
        self.stopped.set()

@contextmanager
def make(options):
    time.sleep(0.5)
    yield Server()

workers = WorkerProcesses(2, make, ListenOptions(), print)
workers.stop()
workers.run()
"""


class Running:
    """Worker processes, with their port and log."""

    def __init__(self, process: Popen[str], log: Path) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline().strip().rpartition(":")[2])
        self._log = log

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def children(self) -> set[int]:
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(each) for each in listing.read_text(encoding="utf-8").split()}


@pytest.fixture
def running(gam: Gam, tmp_path: Path) -> Iterator[Running]:
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as written:
        process = Popen([executable, "-c", SERVE, str(gam.store.path)], stdout=PIPE, stderr=written, text=True)
        try:
            yield Running(process, log)
        finally:
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


def asked(port: int, form: dict[str, str]) -> tuple[int, str]:
    client = HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", TOKEN_PATH, urlencode(form), FORM)
    with client.getresponse() as response:
        found = json.loads(response.read())
    client.close()
    return response.status, str(found.get("access_token"))


def eventually(holds: Callable[[], bool]) -> None:
    end = monotonic() + 15
    while not holds():
        assert monotonic() < end
        sleep(0.02)


def readiness(port: int) -> int:
    client = HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/readyz")
    with client.getresponse() as response:
        response.read()
    client.close()
    return response.status


def test_workers_drain_after_the_first_signal_and_stop_at_the_second(gam: Gam) -> None:
    program = SERVE.replace("ServerOptions(log=log)", "ServerOptions(log=log, drain_seconds=60)")
    program = program.replace(
        "workers.stop()", "stops.append(1) or (workers.stop_now if stops[1:] else workers.stop)()"
    )
    command = [executable, "-c", program, str(gam.store.path)]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().strip().rpartition(":")[2])
        try:
            assert {readiness(port) for _ in range(8)} == {200}
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
            eventually(lambda: {readiness(port) for _ in range(8)} == {503})
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_both_answer_and_what_one_issues_the_other_honours(running: Running, form: dict[str, str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asked(running.port, form), range(40)))
    assert {status for status, _ in answers} == {200}
    assert len({token for _, token in answers}) == 40

    for _, token in answers:
        client = HTTPConnection("127.0.0.1", running.port, timeout=20)
        client.request("GET", "/oauth/gam/v2.0/userinfo", headers={"Authorization": token})
        assert client.getresponse().status == 200
        client.close()
    workers = {str(each) for each in running.children()}
    eventually(lambda: workers <= {line.split()[0] for line in running.log().splitlines()})


def test_a_change_counts_for_the_next_request_to_any_worker(
    running: Running, form: dict[str, str], gam: Gam, api_key: str
) -> None:
    assert {asked(running.port, form)[0] for _ in range(20)} == {200}
    keys.revoke(gam, [api_key.split("_")[1]], "lost")
    assert {asked(running.port, form)[0] for _ in range(20)} == {401}


def test_a_worker_that_is_invalidated_is_followed_by_another(running: Running, form: dict[str, str]) -> None:
    before = running.children()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    assert {asked(running.port, form)[0] for _ in range(10)} == {200}
    eventually(lambda: len(running.children() - {victim}) == 2)
    assert "a worker crashed; starting another" in running.log()


def test_a_worker_that_is_stopped_alone_is_followed_by_one_that_listens(running: Running, form: dict[str, str]) -> None:
    stopped = set[int]()
    for worker in sorted(running.children()):
        os.kill(worker, signal.SIGTERM)
        stopped.add(worker)
        eventually(lambda: len(running.children() - stopped) == 2)
    eventually(lambda: can_connect(running.port))
    assert {asked(running.port, form)[0] for _ in range(10)} == {200}


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_stop_ends_them_all(running: Running) -> None:
    children = running.children()
    assert len(children) == 2
    running.process.terminate()
    assert running.process.wait(10) == 0
    assert not any(is_alive(each) for each in children)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port))


def test_clients_are_refused_while_the_last_request_is_finished(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        running.process.terminate()
        # although the process that started the workers has their sockets open, too
        eventually(lambda: not can_connect(running.port))
        assert running.process.poll() is None
        client.sendall(b"Host: a\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert running.process.wait(10) == 0


def test_workers_end_when_the_process_that_looks_after_them_is_killed(running: Running) -> None:
    children = running.children()
    running.process.kill()
    running.process.wait(10)
    eventually(lambda: not any(is_alive(each) for each in children))


def is_alive(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_port_that_is_taken_is_reported_before_anything_starts() -> None:
    @contextmanager
    def make(_: ServerOptions) -> Iterator[None]:
        raise AssertionError
        yield

    options = ServerOptions(log=lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(FailedError, match="cannot listen"):
        WorkerProcesses(2, make, replace(options, port=taken.getsockname()[1]), print)  # type: ignore[arg-type]


def test_lines_are_written_in_pieces_that_a_pipe_takes_whole() -> None:
    pieces: list[str] = []
    lines = ["x" * 1500, "y" * 1500, "z" * 1500, "w" * 5000, "v"]
    write_atomically(pieces.append)("\n".join(lines))
    assert "\n".join(pieces).split("\n") == lines
    assert [len(piece) for piece in pieces] == [3001, 1500, 5000, 1]


def test_grants_of_two_processes_take_turns(running: Running, form: dict[str, str], gam: Gam) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(pool.map(lambda _: asked(running.port, form)[0], range(300)))
    assert statuses == {200: 300}
    with Store.open(gam.store.path) as store, store.reading() as tx:
        assert tx.one("SELECT count(*) FROM token") == (300,)


def test_workers_that_are_still_starting_finish_when_they_are_stopped() -> None:
    assert run([executable, "-c", SLOW_START], capture_output=True, timeout=30, check=True).stdout == b"finished\n" * 2
