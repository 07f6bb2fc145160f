"""The ASGI application: the same responses, under uvicorn and called directly."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn

from gamcli.actions import Gam, users
from gamcli.server import asgi
from gamcli.server.asgi import Application
from gamcli.server.transport.messages import Response
from gamcli.store import Location
from gamcli.store.postgres.url import parse_url
from tests.cases import for_each
from tests.server.conftest import responded

TOKEN_PATH = "/oauth/gam/v2.0/access_token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
Message = dict[str, Any]


def location(gam: Gam) -> Location:
    return gam.store.path if gam.store.has_file else parse_url(gam.store.name)


@pytest.fixture
def port(gam: Gam) -> Iterator[int]:
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        application = Application(location(gam), log=lines.append)
        config = uvicorn.Config(application, log_level="warning", lifespan="on")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield int(listener.getsockname()[1])
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
    assert any(f" POST {TOKEN_PATH} " in line for line in lines)


@pytest.fixture
def ask(port: int) -> Iterator[Callable[..., Response]]:
    client = HTTPConnection("127.0.0.1", port, timeout=10)

    def asked(method: str, path: str, body: bytes | None = None, fields: dict[str, str] | None = None) -> Response:
        client.request(method, path, body, fields or {})
        return responded(client)

    yield asked
    client.close()


def test_what_is_changed_elsewhere_counts_for_the_next_request(
    ask: Callable[..., Response], form: dict[str, str], gam: Gam
) -> None:
    token = json.loads(ask("POST", TOKEN_PATH, urlencode(form).encode(), FORM).body)["access_token"]
    for blocked in (False, True, False):
        users.update(gam, "ana", {"blocked": blocked})
        for _ in range(2):
            claims = ask("GET", "/oauth/gam/v2.0/userinfo", None, {"Authorization": token})
            granted = ask("POST", TOKEN_PATH, urlencode(form).encode(), FORM)
            assert [claims.status, granted.status] == [401 if blocked else 200] * 2


class Wire:
    """What an ASGI server hands to an application: messages in, messages out."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.sleep(3600)
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        self.sent.append(dict(message))


def scope(method: str = "POST", path: str = TOKEN_PATH, **fields: str) -> Message:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": b"",
        "headers": [(b"host", b"x"), *pairs], "client": ("192.0.2.1", 1),
    }  # fmt: skip


def ran(application: Application, wire: Wire, asked: Message) -> list[Message]:
    asyncio.run(application(asked, wire.receive, wire.send))
    return wire.sent


@pytest.fixture
def application(gam: Gam) -> Application:
    return Application(location(gam), log=lambda _: None)


def test_a_server_that_mentions_no_start_is_served_with_its_first_request(application: Application) -> None:
    sent = ran(application, Wire(), scope("GET", "/healthz"))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200


def test_the_life_of_a_server_opens_and_closes_the_store(application: Application) -> None:
    wire = Wire({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    sent = ran(application, wire, {"type": "lifespan"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "GAMCLI_STORE is not set"),
        ({"GAMCLI_STORE": "/nowhere/gam.db"}, "the store /nowhere/gam.db does not exist"),
    ],
)
def test_an_invalid_store_opened_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    monkeypatch.delenv("GAMCLI_STORE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sent = ran(Application(), Wire({"type": "lifespan.startup"}), {"type": "lifespan"})
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert message in sent[0]["message"]


def test_the_application_of_the_environment_serves_its_store(gam: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMCLI_STORE", gam.store.name)
    wire = Wire({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert ran(asgi.app, wire, {"type": "lifespan"})[0]["type"] == "lifespan.startup.complete"


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"type": "http.request", "body": b"short"}], 400),
        ([{"type": "http.request", "body": b"x" * 20_000}], 413),
        ([{"type": "http.request", "body": b"grant", "more_body": True}], 408),
    ],
)
def test_a_body_that_is_not_as_it_says_is_refused(
    application: Application, monkeypatch: pytest.MonkeyPatch, messages: list[Message], status: int
) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.05)
    asked = scope(content_length="10", content_type=FORM["Content-Type"], x_request_id="chosen-1")
    sent = ran(application, Wire(*messages), asked)
    assert (sent[0]["status"], (b"x-request-id", b"chosen-1") in sent[0]["headers"]) == (status, True)


def test_a_client_that_leaves_gets_nothing(application: Application) -> None:
    assert ran(application, Wire({"type": "http.disconnect"}), scope(content_length="10")) == []


def test_what_comes_in_two_ways_or_without_length_is_refused(application: Application) -> None:
    assert (
        ran(application, Wire({"type": "http.request"}), scope(content_type=FORM["Content-Type"]))[0]["status"] == 411
    )
    both = scope(transfer_encoding="chunked", content_length="1")
    assert ran(application, Wire(), both)[0]["status"] == 400
    assert ran(application, Wire(), scope(transfer_encoding="gzip"))[0]["status"] == 501
    twice = scope(authorization="a")
    twice["headers"] += [(b"authorization", b"b")]
    assert ran(application, Wire(), twice)[0]["status"] == 400


@pytest.mark.parametrize(("size", "status"), [(0, 200), (20_000, 413)])
def test_a_chunked_body_is_read_as_the_server_decodes_it(
    application: Application, form: dict[str, str], size: int, status: int
) -> None:
    body = urlencode({**form, "x": "x" * size}).encode()
    messages = [
        {"type": "http.request", "body": body[place : place + 99], "more_body": True}
        for place in range(0, len(body), 99)
    ]
    wire = Wire(*messages, {"type": "http.request"})
    asked = scope(transfer_encoding="chunked", content_type=FORM["Content-Type"])
    assert ran(application, wire, asked)[0]["status"] == status


def test_a_websocket_is_closed(application: Application) -> None:
    assert ran(application, Wire(), {"type": "websocket"}) == [{"type": "websocket.close", "code": 1003}]


@pytest.mark.needs_file
def test_grants_of_one_turn_of_the_loop_share_a_commit(
    application: Application, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gamcli.store.sqlite.database import SqliteStore  # noqa: PLC0415 - to count

    commits: list[int] = []
    commit = SqliteStore.commit

    def counting(store: SqliteStore) -> None:
        commits.append(1)
        commit(store)

    monkeypatch.setattr(SqliteStore, "commit", counting)
    body = urlencode(form).encode()
    wires = [Wire({"type": "http.request", "body": body}) for _ in range(8)]
    asked = scope(content_length=str(len(body)), content_type=FORM["Content-Type"])

    async def all_at_once() -> None:
        await asyncio.gather(*(application(asked, wire.receive, wire.send) for wire in wires))

    asyncio.run(all_at_once())
    assert [wire.sent[0]["status"] for wire in wires] == [200] * 8
    assert len({wire.sent[1]["body"] for wire in wires}) == 8
    assert len(commits) == 1


@for_each(
    ("host", "address"),
    [("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("x" * 40_000, ""), ("10.0.0.1, 10.0.0.2", ""), ("", "")],
)
def test_what_is_no_address_is_none(host: str, address: str) -> None:
    assert asgi._client_address(host) == address  # noqa: SLF001 - it is read where the request is made
