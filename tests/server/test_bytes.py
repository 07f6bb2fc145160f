"""
Malformed requests: cut, changed, followed by more bytes, mixed.

Each gets a status or a close in time, none causes an internal error, no thread is left, and the next request works.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gamcli.server.server import Server
from gamcli.server.transport.connection import Timeouts
from gamcli.server.transport.heads import MAX_BODY
from gamcli.server.transport.messages import REASONS

PATH = "/oauth/gam/v2.0/access_token"
ASKED = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
REFUSED = {400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 505}
SHORT = Timeouts(request=0.8, idle=1.2, linger=0.5)
OTHERS = "\x00\t\n\r :%&/=\x7f\xff"
"""The bytes that replace another: separators, control and non-ASCII characters."""


@pytest.fixture
def whole(form: dict[str, str]) -> bytes:
    body = urlencode(form).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + body


@pytest.fixture
def impatient(serve: Callable[..., Server], lines: list[str]) -> Iterator[Server]:
    before = threading.active_count()
    server = serve(timeouts=SHORT, max_failures=0)
    running = threading.active_count()
    yield server
    assert statuses(said(server, ASKED)) == [200]
    assert threading.active_count() <= running
    assert before < running
    assert not [line for line in lines if "rule=bug" in line or "Traceback" in line]


def connected(server: Server) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def said(server: Server, data: bytes, *, ends: bool = True) -> bytes:
    with connected(server) as client:
        try:
            client.sendall(data)
            if ends:
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return heard(client)


def heard(client: socket.socket) -> bytes:
    found = b""
    try:
        while data := client.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


def statuses(answer: bytes) -> list[int]:
    found = []
    while answer:
        head, end, rest = answer.partition(b"\r\n\r\n")
        assert end, answer
        status = int(head.split()[1])
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        length = int(fields.get("Content-Length", "0"))
        assert status in REASONS or status == 100
        if length and len(rest) >= length and fields.get("Content-Type"):
            assert isinstance(json.loads(rest[:length]), dict)
        found.append(status)
        answer = rest[length:]
    return [status for status in found if status != 100]


def test_a_request_that_is_cut_anywhere_is_refused_or_released(impatient: Server, whole: bytes) -> None:
    for place in range(len(whole)):
        assert statuses(said(impatient, whole[:place])) == ([400] if place else []), place
    assert statuses(said(impatient, whole)) == [200]


def test_a_request_that_stops_anywhere_is_reported_when_its_time_is_over(impatient: Server, whole: bytes) -> None:
    places = range(0, len(whole), 5)
    with ExitStack() as stack:
        waiting = [(place, stack.enter_context(connected(impatient))) for place in places]
        for place, client in waiting:
            client.sendall(whole[:place])
        assert statuses(said(impatient, ASKED)) == [200]
        for place, client in waiting:
            assert statuses(heard(client)) == ([408] if place else []), place


def test_a_byte_that_is_changed_anywhere_does_no_harm(impatient: Server, whole: bytes) -> None:
    for place in range(len(whole)):
        other = OTHERS[place % len(OTHERS)].encode("latin-1")
        found = statuses(said(impatient, whole[:place] + other + whole[place + 1 :]))
        assert len(found) <= 2
        assert set(found) <= REFUSED | {200}, (place, other)


def test_a_byte_more_or_less_anywhere_does_no_harm(impatient: Server, whole: bytes) -> None:
    for place in range(0, len(whole), 2):
        for data in (whole[:place] + whole[place + 1 :], whole[:place] + b"\n" + whole[place:]):
            assert set(statuses(said(impatient, data))) <= REFUSED | {200}, place


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (b"\r\n", [200]),
        (b"x", [200, 400]),
        (b"\x00", [200, 400]),
        (b"\xff" * 1000, [200, 400]),
        (b"GET", [200, 400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [200, 404]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", [200, 404, 400]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", [200, 400]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", [200, 404]),
        (b"GET /" + b"a" * 100_000, [200, 414]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), [200, 413]),
    ],
)
def test_what_comes_behind_a_request_is_judged_for_itself(
    impatient: Server, whole: bytes, behind: bytes, expected: list[int]
) -> None:
    assert statuses(said(impatient, whole + behind)) == expected


def test_a_body_larger_than_it_says_is_the_next_request(impatient: Server, whole: bytes) -> None:
    head, _, body = whole.partition(b"\r\n\r\n")
    length = b"Content-Length: %d" % len(body)
    smaller = head.replace(length, b"Content-Length: %d" % (len(body) - 3))
    larger = head.replace(length, b"Content-Length: %d" % (len(body) + 3))
    found = statuses(said(impatient, smaller + b"\r\n\r\n" + body))
    assert found == [401, 400]
    assert statuses(said(impatient, larger + b"\r\n\r\n" + body, ends=False)) == [408]


PIECES = st.sampled_from([
    b"GET ", b"POST ", b"/healthz", PATH.encode(), b" HTTP/1.1", b" HTTP/1.0", b" HTTP/9.9", b"\r\n", b"\n", b"\r",
    b"\r\n\r\n", b"Host: a\r\n", b"Host: a\r\n", b"Content-Length: 3\r\n", b"Content-Length: 99999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
    b"Content-Type: application/x-www-form-urlencoded\r\n", b"Authorization: Basic ", b"a=b", b"%00", b"%zz", b"\x00",
    b"\xff\xfe", b": ", b" ", b"\t", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"x" * 9000,
])  # fmt: skip


def test_pieces_of_requests_in_any_order_do_no_harm(impatient: Server) -> None:
    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(st.lists(PIECES | st.binary(max_size=20), min_size=1, max_size=12))
    def come(pieces: list[bytes]) -> None:
        assert set(statuses(said(impatient, b"".join(pieces)))) <= REFUSED | {200}

    come()


def test_connections_that_stay_idle_block_nobody(serve: Callable[..., Server]) -> None:
    server = serve(max_connections=1024)  # one address may hold half of them
    threads = threading.active_count()
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(400)]
        for client in idle[:250]:
            client.sendall(ASKED.replace(b"Connection: close\r\n", b""))
            assert statuses(client.recv(65536)) == [200]
        assert statuses(said(server, ASKED)) == [200]
        assert threading.active_count() == threads
    assert statuses(said(server, ASKED)) == [200]


def test_connections_that_stay_idle_are_closed(serve: Callable[..., Server]) -> None:
    server = serve(timeouts=Timeouts(idle=0.3))
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(200)]
        assert {heard(client) for client in idle} == {b""}
    assert statuses(said(server, ASKED)) == [200]
