"""The development server: faults and journal over a real port."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, RemoteDisconnected
from socket import create_connection
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam
from gamcli.server.dev.faults import Faults
from gamcli.server.dev.journal import Journal
from gamcli.server.dev.server import DevOptions, DevServer
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import ServerOptions

TOKEN = "/oauth/gam/v2.0/access_token"
USERINFO = "/oauth/gam/v2.0/userinfo"
Begin = Callable[..., DevServer]


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def begin(gam: Gam, faults: Faults, journal: Journal) -> Iterator[Begin]:
    with ExitStack() as running:

        def start(**options: Any) -> DevServer:  # noqa: ANN401 - the fields of Options
            server = DevServer(
                gam, ServerOptions(**{"log": lambda _: None, **options}), DevOptions(faults, journal.add)
            )
            thread = Thread(target=server.run)
            thread.start()
            running.callback(thread.join, 10)
            running.callback(server.stop)
            return server

        yield start


class Client:
    """Asks a server over one connection."""

    def __init__(self, server: DevServer) -> None:
        self.connection = HTTPConnection("127.0.0.1", server.port, timeout=10)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, str], Any]:
        fields = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        self.connection.request(method, path, urlencode(form) if form else None, fields)
        with self.connection.getresponse() as response:
            return response.status, dict(response.getheaders()), json.loads(response.read() or b"null")


Visit = Callable[[DevServer], Client]


@pytest.fixture
def visit() -> Iterator[Visit]:
    with ExitStack() as open_:

        def visit(server: DevServer) -> Client:
            client = Client(server)
            open_.callback(client.connection.close)
            return client

        yield visit


@pytest.fixture
def client(begin: Begin, visit: Visit) -> Client:
    return visit(begin())


def test_without_faults_it_is_a_server_as_any_other(client: Client, form: dict[str, str]) -> None:
    assert client.ask("POST", TOKEN, form)[0] == 200
    assert client.ask("GET", "/healthz")[0] == 200
    assert client.ask("GET", "/nowhere")[0] == 404


@pytest.mark.parametrize("status", [401, 429, 500, 503])
@pytest.mark.parametrize("response_format", ["gam", "rfc6749"])
def test_a_fault_is_reported_as_the_real_one(
    begin: Begin, visit: Visit, form: dict[str, str], faults: Faults, status: int, response_format: str
) -> None:
    faults.add(f"token={status}")
    found, fields, body = visit(begin(response_format=ResponseFormat(response_format))).ask("POST", TOKEN, form)
    rules = {401: "client_secret_wrong", 429: "too_many_failures", 500: "bug", 503: "store_gone"}
    assert (found, body) == ResponseFormat(response_format).status_and_body(rules[status])
    assert found == status
    assert fields.get("Retry-After") == ("1" if status in (429, 503) else None)
    scheme = "OAuth" if response_format == "gam" else "Bearer"
    assert fields.get("WWW-Authenticate", "").startswith(scheme) is (status == 401)


def test_a_fault_strikes_its_endpoint_alone(client: Client, form: dict[str, str], faults: Faults) -> None:
    faults.add("all=500")
    assert client.ask("POST", TOKEN, form)[0] == 500
    assert client.ask("GET", USERINFO)[0] == 500
    assert client.ask("GET", "/healthz")[0] == 500
    assert client.ask("GET", TOKEN)[0] in (400, 405, 500)
    assert client.ask("DELETE", USERINFO)[0] == 405
    assert client.ask("GET", "/nowhere/userinfo")[0] == 404
    faults.clear()
    faults.add("token=500")
    assert client.ask("GET", "/healthz")[0] == 200


def test_a_fault_for_a_client_passes_over_requests_with_two_authentication_methods(
    client: Client, form: dict[str, str], faults: Faults
) -> None:
    faults.add("token=503,client=portal")
    fields = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"Basic {b64encode(b'a:b').decode()}",
    }
    client.connection.request("POST", TOKEN, urlencode(form), fields)
    with client.connection.getresponse() as response:
        assert (response.status, json.loads(response.read())) == ResponseFormat("gam").status_and_body("client_twice")
    assert client.ask("POST", TOKEN, form)[0] == 503


def test_a_fault_strikes_below_the_base_path(begin: Begin, visit: Visit, form: dict[str, str], faults: Faults) -> None:
    faults.add("token=503")
    client = visit(begin(base_path="/MyApp"))
    assert client.ask("POST", f"/myapp{TOKEN}", form)[0] == 503
    assert client.ask("POST", f"/MYAPP{TOKEN.upper()}", form)[0] == 503
    assert client.ask("POST", TOKEN, form)[0] == 404


def test_a_struck_request_does_nothing(client: Client, form: dict[str, str], faults: Faults, gam: Gam) -> None:
    from gamcli.actions import tokens  # noqa: PLC0415 - beside its only use

    faults.add("token=503:1x")
    assert client.ask("POST", TOKEN, form)[0] == 503
    with tokens.search(gam, tokens.TokenSearch()) as found:
        assert [*found] == []
    assert client.ask("POST", TOKEN, form)[0] == 200


def test_a_connection_can_be_cut(client: Client, form: dict[str, str], faults: Faults, journal: Journal) -> None:
    faults.add("token=close:1x")
    with pytest.raises(RemoteDisconnected):
        client.ask("POST", TOKEN, form)
    assert client.ask("POST", TOKEN, form)[0] == 200
    assert [each.status for each in journal] == [0, 200]


def test_requests_behind_a_cut_are_lost_with_it(begin: Begin, faults: Faults, raw: Callable[..., bytes]) -> None:
    faults.add("healthz=close")
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert raw(request + request, port=begin().port, half_close=False) == b""


def test_latency_holds_back_its_own_requests_alone(
    begin: Begin, visit: Visit, form: dict[str, str], faults: Faults
) -> None:
    server = begin()
    faults.add("token.latency=600s")
    slow, quick = visit(server), visit(server)
    slow.connection.request("POST", TOKEN, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    assert [quick.ask("GET", "/healthz")[0] for _ in range(20)] == [200] * 20
    faults.clear()
    faults.add("token.latency=50ms")
    began = monotonic()
    assert quick.ask("POST", TOKEN, form)[0] == 200
    assert monotonic() - began >= 0.05


def test_who_is_held_back_is_refused_then(client: Client, faults: Faults, journal: Journal) -> None:
    faults.add("healthz.latency=20ms")
    faults.add("healthz=503:1x")
    assert [client.ask("GET", "/healthz")[0] for _ in range(2)] == [503, 200]
    assert all(each.ms >= 20 for each in journal)
    faults.add("healthz=close")
    with pytest.raises(RemoteDisconnected):
        client.ask("GET", "/healthz")


def test_requests_behind_one_that_is_held_back_keep_their_turn(begin: Begin, visit: Visit, faults: Faults) -> None:
    server = begin()
    faults.add("healthz.latency=20ms")
    health, other = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
    with create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(health + other + health)
        answers = b""
        while len(statuses := re.findall(rb"HTTP/1.1 (\d+)", answers)) < 3:
            answers += client.recv(65536)
        assert statuses == [b"200", b"404", b"200"]
        faults.clear()
        faults.add("healthz.latency=600s:1x")
        client.sendall(health)
        assert visit(server).ask("GET", "/other")[0] == 404
        client.sendall(other)
        assert visit(server).ask("GET", "/other")[0] == 404
        server.stop()
        assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(b"HTTP/1.1 200")


def test_a_connection_is_heard_again_once_its_answer_has_left(begin: Begin, visit: Visit, faults: Faults) -> None:
    server = begin()
    faults.add("healthz.latency=300ms:1x")
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request)
        assert visit(server).ask("GET", "/other")[0] == 404
        client.sendall(request)
        found = b""
        while found.count(b"HTTP/1.1 200") < 2:
            found += client.recv(65536)


def test_who_gives_up_in_the_meantime_is_forgotten(begin: Begin, visit: Visit, faults: Faults) -> None:
    server = begin()
    faults.add("healthz.latency=100ms:2x")
    hasty = visit(server)
    hasty.connection.request("GET", "/healthz")
    hasty.connection.close()
    patient = visit(server)
    assert [patient.ask("GET", "/healthz")[0] for _ in range(3)] == [200, 200, 200]


def test_a_server_that_stops_holds_nobody_back(begin: Begin, visit: Visit, faults: Faults) -> None:
    server = begin()
    faults.add("healthz.latency=600s")
    client, other = visit(server), visit(server)
    client.connection.request("GET", "/healthz")
    assert other.ask("GET", "/nowhere")[0] == 404
    server.stop()
    with client.connection.getresponse() as response:
        assert response.status == 200


def test_a_journal_has_each_request_by_the_time_of_its_answer(
    client: Client, form: dict[str, str], faults: Faults, journal: Journal, api_key: str
) -> None:
    token = client.ask("POST", TOKEN, form)[2]["access_token"]
    (only,) = journal
    assert (only.method, only.path, only.grant, only.status, only.rule) == ("POST", TOKEN, "api_key", 200, "")
    assert (only.client_id, only.key) == (form["client_id"], api_key[7:15])
    client.ask("POST", TOKEN, {**form, "client_secret": "wrong"})
    assert (journal[-1].status, journal[-1].rule) == (401, "client_secret_wrong")
    faults.add("userinfo=503")
    client.ask("GET", USERINFO)
    assert (journal[-1].status, journal[-1].rule, journal[-1].detail) == (503, "store_gone", "fault userinfo=503")
    for secret in (token, form["client_secret"], api_key):
        assert secret not in repr(journal)
    journal.clear()
    client.connection.send(b"nonsense\r\n\r\n")
    client.connection.sock.recv(1000)
    assert [(each.method, each.rule) for each in journal] == [("-", "request_unreadable")]
