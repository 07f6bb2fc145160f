"""The event loop: limits, deadlines, order of responses, and a clean stop."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, userinfo, users
from gamcli.errors import FailedError, RefusedError, StoreMissingError
from gamcli.rules.credentials import Secret
from gamcli.server import log_writer
from gamcli.server.endpoints import context, routes
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport import event_loop
from gamcli.server.transport.connection import CONTINUE, Connection, ConnectionRequest, Timeouts
from gamcli.server.transport.heads import MAX_BODY
from gamcli.server.transport.listener import ListenOptions
from gamcli.server.transport.messages import Request, Response
from gamcli.server.transport.request_parser import MAX_EMPTY_LINE_BYTES
from tests.cases import for_each

Raw = Callable[..., bytes]
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def statuses(answer: bytes) -> list[int]:
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        length = int(fields.get("Content-Length", "0"))
        if length:
            assert isinstance(json.loads(rest[:length]), dict)
        found.append(int(lines[0].split()[1]))
        answer = rest[length:]
    return found


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_to_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_one_connection_serves_many_requests(server: Server) -> None:
    with connected(server) as client:
        for _ in range(3):
            client.sendall(HEALTHZ)
            assert statuses(client.recv(65536)) == [200]


def test_what_is_changed_elsewhere_counts_for_the_next_request(
    serve: Callable[..., Server], gam: Gam, form: dict[str, str]
) -> None:
    sent = urlencode(form).encode()
    head = (
        "POST /oauth/gam/v2.0/access_token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    granting = f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent
    with connected(serve()) as client, gam.store.open_again(durable=True, timeout=5) as other:

        def asked(request: bytes) -> bytes:
            client.sendall(request)
            return client.recv(65536)

        token = json.loads(asked(granting).partition(b"\r\n\r\n")[2])["access_token"]
        reading = f"GET /oauth/gam/v2.0/userinfo HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode()
        for blocked in (False, True, False):
            users.update(replace(gam, store=other), "ana", {"blocked": blocked})
            expected = [401 if blocked else 200] * 2
            for _ in range(2):
                assert [statuses(asked(each))[0] for each in (reading, granting)] == expected


def test_pipelined_requests_are_answered_in_order(raw: Raw) -> None:
    missing = HEALTHZ.replace(b"healthz", b"nowhere")
    answer = raw(HEALTHZ + missing + HEALTHZ + LAST + HEALTHZ)
    assert statuses(answer) == [200, 404, 200, 200]
    assert answer.count(b"Connection: close") == 1


def test_the_end_is_said_with_the_last_response(serve: Callable[..., Server], raw: Raw) -> None:
    server = serve(timeouts=Timeouts(linger=60))
    assert statuses(raw(LAST, port=server.port, half_close=False)) == [200]


def test_a_request_that_ends_early_is_refused(raw: Raw) -> None:
    assert statuses(raw(HEALTHZ + b"GET / HT")) == [200, 400]
    assert statuses(raw(HEALTHZ.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nabc"))) == [400]
    assert raw(b"") == b""


def test_an_endless_head_is_cut_off(server: Server) -> None:
    with connected(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
            client.sendall(b"a: b\r\n" * 10_000_000)


def test_a_client_that_waits_with_too_much_is_reported_so_at_once(raw: Raw) -> None:
    fields = b"Expect: 100-continue\r\nX-Request-Id: chosen-1\r\nContent-Length: %d\r\n" % (MAX_BODY + 1)
    answer = raw(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n" % fields, half_close=False)
    assert (statuses(answer), b"X-Request-Id: chosen-1\r\n" in answer) == ([413], True)


def test_curl_learns_of_a_body_that_is_too_large(server: Server) -> None:
    done = subprocess.run(
        ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--data-binary", "@-", f"{server.url}/healthz"],
        input=b"x" * 2_000_000, capture_output=True, check=False, timeout=10,
    )  # fmt: skip
    assert done.stdout == b"413"


def test_a_response_to_head_has_no_body(raw: Raw) -> None:
    answer = raw(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + LAST)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: " in head
    assert rest.startswith(b"HTTP/1.1 200 ")


def test_a_response_carries_the_date(raw: Raw) -> None:
    line = next(line for line in raw(LAST).decode().split("\r\n") if line.startswith("Date: "))
    # A format that knows English alone: the tests set no locale.
    sent = datetime.strptime(line, "Date: %a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - sent).total_seconds()) < 5


def test_an_idle_connection_is_closed_without_a_word(serve: Callable[..., Server]) -> None:
    server = serve(timeouts=Timeouts(idle=0.1))
    with connected(server) as client:
        assert read_to_end(client) == b""
    with connected(server) as client:
        client.sendall(HEALTHZ)
        assert statuses(read_to_end(client)) == [200]


def test_a_request_has_a_deadline_however_busily_it_trickles(serve: Callable[..., Server]) -> None:
    server = serve(timeouts=Timeouts(request=0.2))
    began, more = monotonic(), Event()
    with connected(server) as client:

        def trickle() -> None:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            while not more.wait(0.02):
                client.sendall(b"a")

        sender = Thread(target=trickle)
        sender.start()
        answer = client.recv(65536)
        more.set()
        sender.join()
    assert statuses(answer) == [408]
    assert 0.2 <= monotonic() - began < 2


def test_empty_lines_gain_no_time(serve: Callable[..., Server]) -> None:
    server = serve(timeouts=Timeouts(idle=0.3, request=0.3))
    began, more = monotonic(), Event()
    with connected(server) as client:

        def drip() -> None:
            with suppress(OSError):
                while not more.wait(0.1):
                    client.sendall(b"\r\n")

        sender = Thread(target=drip)
        sender.start()
        client.settimeout(3)
        with suppress(ConnectionResetError):
            assert read_to_end(client) == b""
        more.set()
        sender.join()
    assert monotonic() - began < 2


def test_a_few_empty_lines_may_come_before_a_request_and_no_more(raw: Raw) -> None:
    empty = b"\r\n" * (MAX_EMPTY_LINE_BYTES // 2)
    assert statuses(raw(empty + HEALTHZ + empty + LAST)) == [200, 200]
    assert statuses(raw(HEALTHZ + empty + b"\r\n" + LAST)) == [200, 400]


def cramped(server: Server) -> socket.socket:
    server._loop._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # noqa: SLF001 - connections inherit it
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(10)
    client.connect(("127.0.0.1", server.port))
    return client


def test_who_does_not_listen_is_released(serve: Callable[..., Server]) -> None:
    server = serve(timeouts=Timeouts(request=0.2))
    with cramped(server) as client, pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
        client.sendall(HEALTHZ * 500_000)


def test_a_slow_reader_gets_every_response(server: Server) -> None:
    count = 1000
    with cramped(server) as client:
        sender = Thread(target=client.sendall, args=(HEALTHZ * count + LAST,))
        sender.start()
        answer = read_to_end(client)
        sender.join()
    assert statuses(answer) == [200] * (count + 1)


def half_asked(server: Server, clients: ExitStack, count: int) -> list[socket.socket]:
    """Return clients in the middle of a request: the server has read the first half."""
    found = [clients.enter_context(connected(server)) for _ in range(count)]
    for client in found:
        client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert client.recv(65536) == CONTINUE
    return found


def test_clients_are_turned_away_only_while_all_others_are_in_the_middle_of_a_request(
    serve: Callable[..., Server], lines: list[str]
) -> None:
    server = serve(max_connections=4, timeouts=Timeouts(linger=5))
    with ExitStack() as clients:
        busy = half_asked(server, clients, 2)
        for _ in range(event_loop.OVERFLOW_CONNECTIONS + 20):
            beyond = clients.enter_context(connected(server))
            answer = beyond.recv(65536)
            assert statuses(answer) == [503]
            assert b"Retry-After: 1" in answer
            assert beyond.recv(65536) == b""
        for client in busy:
            client.sendall(b"x")
            assert statuses(client.recv(65536)) == [404]
        clients.enter_context(connected(server)).sendall(HEALTHZ)
        assert read_to_end(busy[0]) == b""
    assert any(line.endswith("rule=connections_full") for line in lines)


def test_a_burst_beyond_the_places_is_answered_and_not_reset(serve: Callable[..., Server]) -> None:
    server = serve(max_connections=4)
    with ExitStack() as clients:
        half_asked(server, clients, 2)
        burst = [clients.enter_context(connected(server)) for _ in range(3 * event_loop.OVERFLOW_CONNECTIONS)]
        for client in burst:
            with suppress(OSError):  # the server may have closed its side already
                client.sendall(HEALTHZ)
        assert {tuple(statuses(client.recv(65536))) for client in burst} == {(503,)}


def count_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class CountsDescriptors:
    """A handler that notes what is requested, and how many file descriptors are open when `/healthz` is answered."""

    def __init__(self) -> None:
        self.open = 0
        self.paths: list[str] = []
        self.stop = Event()

    def submit(self, pending: ConnectionRequest) -> Response:
        self.paths.append(pending.request.path)
        if pending.request.path == "/healthz":
            self.open = count_descriptors()
            self.stop.set()
        return Response(204, (), b"")

    def end_turn(self) -> None: ...
    def close(self) -> None: ...
    def pop_responses(self) -> list[tuple[ConnectionRequest, Response]]:
        return []

    def refuse(self, error: RefusedError, request: Request) -> Response:
        raise AssertionError(error, request)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts file descriptors")
def test_a_request_is_answered_before_more_of_the_waiting_clients_are_accepted() -> None:
    handler = CountsDescriptors()
    loop = event_loop.EventLoop(ListenOptions(max_connections=1000, stop_seconds=0.1), lambda _: handler)
    with ExitStack() as clients:
        first, *_ = [
            clients.enter_context(socket.create_connection(("127.0.0.1", loop.port), timeout=10))
            for _ in range(10 * event_loop.ACCEPTS_PER_TURN)
        ]
        first.sendall(HEALTHZ)
        before = count_descriptors()
        thread = Thread(target=loop.run)
        thread.start()
        assert handler.stop.wait(10)
        loop.stop()
        thread.join()
    assert handler.open - before == event_loop.ACCEPTS_PER_TURN


def test_a_client_with_many_pipelined_requests_does_not_delay_others() -> None:
    handler = CountsDescriptors()
    loop = event_loop.EventLoop(ListenOptions(stop_seconds=0.1), lambda _: handler)
    with ExitStack() as clients:
        greedy, other = (
            clients.enter_context(socket.create_connection(("127.0.0.1", loop.port), timeout=10)) for _ in range(2)
        )
        greedy.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
        other.sendall(HEALTHZ)
        thread = Thread(target=loop.run)
        thread.start()
        assert handler.stop.wait(10)
        loop.stop()
        thread.join()
    assert handler.paths.index("/healthz") <= 2 * event_loop.REQUESTS_PER_TURN


def test_responses_are_sent_without_delay(server: Server) -> None:
    with connected(server) as client:
        client.sendall(HEALTHZ)
        assert statuses(client.recv(65536)) == [200]
        (connection,) = server._loop._connections  # noqa: SLF001 - the option of a connection is not visible elsewhere
        assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_silent_connection_makes_way_for_a_new_one(serve: Callable[..., Server]) -> None:
    server = serve(max_connections=4)
    with ExitStack() as clients:
        silent = [clients.enter_context(connected(server)) for _ in range(2)]
        for _ in range(10):
            client = clients.enter_context(connected(server))
            client.sendall(HEALTHZ)
            assert statuses(client.recv(65536)) == [200]
        assert [client.recv(65536) for client in silent] == [b"", b""]


def test_the_limit_per_address_is_an_option(serve: Callable[..., Server]) -> None:
    server = serve(max_connections_per_address=1)
    with connected(server) as first, connected(server) as second:
        second.sendall(HEALTHZ)
        assert statuses(second.recv(65536)) == [200]
        assert first.recv(65536) == b""


def test_a_server_without_file_descriptors_comes_back(
    server: Server, monkeypatch: pytest.MonkeyPatch, raw: Raw
) -> None:
    port, listener, tried = server.port, server._loop._listener, Event()  # noqa: SLF001 - nothing else can run out

    class Exhausted:
        """A listener that fails once, and then is the real one again."""

        def _accept(self) -> tuple[int, object]:
            monkeypatch.undo()
            tried.set()
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(server._loop, "_listener", Exhausted())  # noqa: SLF001 - as above
    assert statuses(raw(LAST, port=port)) == [200]
    assert tried.is_set()
    assert server._loop._listener is listener  # noqa: SLF001 - as above


def test_many_clients_at_once_are_all_served(server: Server) -> None:
    with selectors.DefaultSelector() as selector, ExitStack() as clients:
        for _ in range(64):
            client = clients.enter_context(connected(server))
            client.sendall(LAST)
            selector.register(client, selectors.EVENT_READ)
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            assert statuses(read_to_end(key.fileobj)) == [200]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event]]:
    running, go_on = Event(), Event()
    begin = routes.handle

    def slowly(gam: Gam, request: Request, conduct: context.ServerConfig) -> routes.Handled:
        running.set()
        assert go_on.wait(10)
        return begin(gam, request, conduct)

    monkeypatch.setattr(routes, "handle", slowly)
    yield running, go_on
    go_on.set()


def test_a_stop_finishes_what_is_running(gam: Gam, slow: tuple[Event, Event]) -> None:
    running, go_on = slow
    server = Server(gam, ServerOptions(log=lambda _: None, stop_seconds=60))
    port = server.port
    with ThreadPoolExecutor(1) as pool, connected(server) as idle, connected(server) as client:
        ended = pool.submit(server.run)
        client.sendall(HEALTHZ)
        assert running.wait(5)
        server.stop()
        go_on.set()
        answer = read_to_end(client)
        assert statuses(answer) == [200]
        assert b"Connection: close" in answer
        assert read_to_end(idle) == b""
        ended.result(5)
    with pytest.raises(ConnectionRefusedError):
        connected_to(port)


def test_a_stop_answers_the_clients_that_were_not_accepted_yet(gam: Gam) -> None:
    server = Server(gam, ServerOptions(log=lambda _: None))
    with ExitStack() as opened:
        clients = [opened.enter_context(connected(server)) for _ in range(3 * event_loop.ACCEPTS_PER_TURN)]
        for client in clients:
            client.sendall(HEALTHZ)
        server.stop()
        server.run()
        answers = [read_to_end(client) for client in clients]
    assert {tuple(statuses(each)) for each in answers} == {(200,)}
    assert all(b"Connection: close" in each for each in answers)


def test_a_stop_lets_a_client_that_has_just_connected_send_its_request(gam: Gam) -> None:
    server = Server(gam, ServerOptions(log=lambda _: None, stop_seconds=60, timeouts=Timeouts(linger=60)))
    port = server.port
    with ThreadPoolExecutor(1) as pool, connected(server) as client:
        server.stop()
        ended = pool.submit(server.run)
        wait_until_refused(port)
        client.sendall(HEALTHZ)
        assert statuses(read_to_end(client)) == [200]
        client.close()
        ended.result(5)


def test_a_stop_answers_a_request_that_has_arrived_on_an_idle_connection(gam: Gam, slow: tuple[Event, Event]) -> None:
    running, go_on = slow
    server = Server(gam, ServerOptions(log=lambda _: None))
    with ThreadPoolExecutor(1) as pool, connected(server) as kept, connected(server) as client:
        ended = pool.submit(server.run)
        go_on.set()
        kept.sendall(HEALTHZ)
        assert statuses(kept.recv(65536)) == [200]
        running.clear()
        go_on.clear()
        client.sendall(HEALTHZ)
        assert running.wait(5)  # the event loop waits for `go_on`
        kept.sendall(HEALTHZ)
        server.stop()
        go_on.set()
        assert statuses(read_to_end(kept)) == [200]
        ended.result(5)


READYZ = HEALTHZ.replace(b"healthz", b"readyz")


def test_a_draining_server_fails_readyz_answers_others_and_closes_their_connections(gam: Gam) -> None:
    server = Server(gam, ServerOptions(log=lambda _: None, drain_seconds=60))
    with ThreadPoolExecutor(1) as pool, connected(server) as kept:
        ended = pool.submit(server.run)
        kept.sendall(READYZ)
        assert statuses(kept.recv(65536)) == [200]
        server.stop()
        with connected(server) as new:
            new.sendall(READYZ)
            answer = read_to_end(new)
            assert statuses(answer) == [503]
            assert b"Connection: close" in answer
        kept.sendall(HEALTHZ)  # was idle, and was not closed
        answer = read_to_end(kept)
        assert statuses(answer) == [200]
        assert b"Connection: close" in answer
        assert not ended.done()
        server.stop_now()
        ended.result(5)


def test_a_drain_ends_by_itself(gam: Gam) -> None:
    server = Server(gam, ServerOptions(log=lambda _: None, drain_seconds=0.3))
    started = monotonic()
    server.stop()
    server.run()
    assert monotonic() - started >= 0.3


def test_a_second_stop_does_not_wait_for_requests(gam: Gam) -> None:
    server = Server(gam, ServerOptions(log=lambda _: None, stop_seconds=60))
    with ThreadPoolExecutor(1) as pool, connected(server) as client:
        ended = pool.submit(server.run)
        client.sendall(HEALTHZ + b"GET / HT")
        assert statuses(client.recv(65536)) == [200]
        server.stop()
        server.stop_now()
        assert read_to_end(client) == b""
        ended.result(5)


def connected_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def wait_until_refused(port: int) -> None:
    end = monotonic() + 10
    with suppress(ConnectionRefusedError, ConnectionResetError):  # the latter while the listener closes
        while True:
            assert monotonic() < end
            connected_to(port).close()


def test_a_stop_waits_no_longer_than_it_may(serve: Callable[..., Server]) -> None:
    server = serve(stop_seconds=0.1)
    with connected(server) as client:
        client.sendall(HEALTHZ)
        assert statuses(client.recv(65536)) == [200]
        client.sendall(b"GET / HT")
        client.settimeout(5)
        with connected(server) as other:  # answered after the half request was read
            other.sendall(HEALTHZ)
            other.recv(65536)
            server.stop()
            assert read_to_end(client) == b""


def test_a_server_that_was_stopped_before_it_ran_ends_at_once(gam: Gam) -> None:
    server = Server(gam, ServerOptions(log=lambda _: None))
    server.stop()
    server.run()
    server.stop()


@pytest.mark.parametrize("reads_again", [False, True])
def test_a_log_reader_that_stalls_blocks_nobody(gam: Gam, monkeypatch: pytest.MonkeyPatch, reads_again: bool) -> None:  # noqa: FBT001 - a case
    monkeypatch.setattr(log_writer, "MAX_QUEUED_LINES", 3)
    monkeypatch.setattr(log_writer, "CLOSE_SECONDS", 0.2)
    stalled, go_on, lines = Event(), Event(), list[str]()

    def sink(text: str) -> None:
        stalled.set()
        assert go_on.wait(10)
        lines.extend(text.split("\n"))

    server = Server(gam, ServerOptions(log=sink))
    with ThreadPoolExecutor(1) as pool, connected(server) as client:
        ended = pool.submit(server.run)
        for _ in range(10):
            client.sendall(HEALTHZ)
            assert statuses(client.recv(65536)) == [200]
        assert stalled.wait(5)
        if reads_again:
            go_on.set()
            while server.unwritten_lines:
                sleep(0.001)
        server.stop()
        ended.result(5)
    assert bool(server.unwritten_lines) is not reads_again
    go_on.set()
    if reads_again:
        assert len(lines) == 4
        assert lines[-1].endswith("rule=lines_lost detail=7 lines lost")


PROGRAM = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from gamcli.actions import Gam, tokens, users
from gamcli.server.server import Server, ServerOptions
from gamcli.store import Store
with Store.open(Path(sys.argv[1])) as store:
    gam = Gam(store, lambda: datetime(2026, 3, 1, 12, tzinfo=UTC), os.urandom, "test")
    server = Server(gam, ServerOptions(log=lambda _: None))
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    print(server.port, flush=True)
    server.run()
"""
"""A server in a separate process: it prints its port and serves the store that its argument names."""


@pytest.fixture
def process(gam: Gam) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(gam.store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started, int(started.stdout.readline())
        started.kill()


@pytest.mark.needs_file
def test_a_signal_stops_the_server(process: tuple[subprocess.Popen[str], int]) -> None:
    started, port = process
    with connected_to(port) as client:
        client.sendall(HEALTHZ)
        assert statuses(client.recv(65536)) == [200]
        started.send_signal(signal.SIGTERM)
        assert read_to_end(client) == b""
    assert started.wait(5) == 0


@pytest.mark.needs_file
def test_a_killed_server_loses_no_token_that_it_gave(
    process: tuple[subprocess.Popen[str], int], gam: Gam, form: dict[str, str]
) -> None:
    started, port = process
    body = urlencode(form).encode()
    head = f"POST /oauth/gam/v2.0/access_token HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    with connected_to(port) as client:
        client.sendall(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + body)
        answer = client.recv(65536)
    started.kill()
    started.wait(5)
    token = json.loads(answer.partition(b"\r\n\r\n")[2])["access_token"]
    assert userinfo.userinfo(gam, Secret(token))["username"] == "ana"


def test_a_port_in_use_is_explained(server: Server, gam: Gam) -> None:
    with pytest.raises(
        FailedError, match=f"cannot listen on 127.0.0.1, port {server.port}: address already in use"
    ) as e:
        Server(gam, ServerOptions(log=lambda _: None, port=server.port))
    assert "--port 0" in str(e.value.hint)


@pytest.mark.parametrize(("host", "port"), [("256.0.0.1", 0), ("127.0.0.1", 70_000), ("203.0.113.1", 0), ("a" * 70, 0)])
def test_an_invalid_address_is_explained(gam: Gam, host: str, port: int) -> None:
    with pytest.raises(FailedError, match=r"^cannot listen on .*[^.]$") as e:
        Server(gam, ServerOptions(log=lambda _: None, host=host, port=port))
    assert "--port 0" in str(e.value.hint)


@pytest.mark.needs_file
def test_a_store_that_vanished_is_reported_before_anybody_is_served(gam: Gam) -> None:
    gam.store.path.unlink()
    with pytest.raises(StoreMissingError):
        Server(gam, ServerOptions(log=lambda _: None))


def test_an_ipv6_address_stands_in_brackets(serve: Callable[..., Server]) -> None:
    server = serve(host="::1")
    assert server.url == f"http://[::1]:{server.port}"
    with socket.create_connection(("::1", server.port), timeout=10) as client:
        client.sendall(LAST)
        assert statuses(read_to_end(client)) == [200]


@for_each(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("0:0:0:0:0:0:0:0", "http://[::1]:80"),
        ("192.0.2.1", "http://192.0.2.1:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_the_url_of_all_addresses_is_one_that_clients_can_connect_to(host: str, url: str) -> None:
    assert ListenOptions(host=host).url(80) == url


def test_a_connection_that_was_reset_ends_quietly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            connection = Connection(listener.accept()[0], "peer", Timeouts())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert not connection.receive()
        connection.send(b"x")
        assert connection.has_timed_out(0.0)
        connection.close()
