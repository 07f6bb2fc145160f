"""Fixtures of the server tests: a small store, servers on real ports, and HTTP clients."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from threading import Thread
from time import sleep
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, keys, repository, users
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints import routes
from gamcli.server.endpoints.access_token import write_tokens
from gamcli.server.endpoints.context import DEFAULT_CONFIG, ServerConfig, TracedResponse
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.messages import Request, Response
from gamcli.store import Store
from tests.conftest import Clock

CLIENT_ID = "portal-0123456789-0123456789-0123"
CLIENT_SECRET = "a secret of 40, with: colon + plus % and".replace(" ", "_")
Ask = Callable[..., Response]


def respond(gam: Gam, request: Request, config: ServerConfig = DEFAULT_CONFIG) -> TracedResponse:
    """Return the response to a request, without a server."""
    result = routes.handle_blocking(gam, request, config)
    return result if isinstance(result, TracedResponse) else write_tokens(gam, [result], config.grant_cache)[0]


@pytest.fixture
def gam(store: Store, clock: Clock) -> Gam:
    made = Gam(store, lambda: clock.now, os.urandom, "test")
    repository.initialise(made)
    users.create(made, "ana", {"email": "ana@example.org", "first_name": "Ana", "attributes": {"team": "núcleo"}})
    wanted = {"remote_rest": True, "api_keys.enabled": True, "api_keys.scope_choice": True}
    scopes = ("gam_user_data", "gam_user_roles", "user_team")
    apps.create(made, apps.AppSpec("portal", wanted, scopes, CLIENT_ID, Secret(CLIENT_SECRET)))
    return made


@pytest.fixture
def api_key(gam: Gam) -> str:
    return keys.generate(gam, keys.KeySpec("ana", "portal")).secret.reveal()


@pytest.fixture
def form(api_key: str) -> dict[str, str]:
    return {
        "grant_type": "password",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authentication_type_name": "apikey",
        "api_key": api_key,
    }


class Lines(list[str]):
    """The log of some servers, read when all that they have to say is written."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: list[Server] = []

    def write(self, text: str) -> None:
        self.extend(text.split("\n"))

    def _settle(self) -> None:
        while any(server.unwritten_lines for server in self.servers):
            sleep(0.001)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - as a list does
        self._settle()
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[str]:
        self._settle()
        return super().__iter__()

    def __len__(self) -> int:
        self._settle()
        return super().__len__()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def serve(gam: Gam, lines: Lines) -> Iterator[Callable[..., Server]]:
    with ExitStack() as running:

        def start(**options: Any) -> Server:  # noqa: ANN401 - the fields of Options
            server = Server(gam, ServerOptions(**{"log": lines.write, **options}))
            lines.servers.append(server)
            thread = Thread(target=server.run)
            thread.start()
            running.callback(thread.join, 10)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


def responded(client: HTTPConnection) -> Response:
    with client.getresponse() as found:
        return Response(found.status, tuple(found.getheaders()), found.read())


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    client = HTTPConnection("127.0.0.1", server.port, timeout=10)

    def asked(method: str, path: str, body: bytes | None = None, fields: dict[str, str] | None = None) -> Response:
        client.request(method, path, body, fields or {})
        return responded(client)

    yield asked
    client.close()


@pytest.fixture
def post(ask: Ask, form: dict[str, str]) -> Ask:
    def posted(fields: dict[str, str] | None = None, **changes: str | None) -> Response:
        sent = {name: value for name, value in {**form, **changes}.items() if value is not None}
        wanted = {"Content-Type": "application/x-www-form-urlencoded", **(fields or {})}
        return ask("POST", "/oauth/gam/v2.0/access_token", urlencode(sent).encode(), wanted)

    return posted


@pytest.fixture
def raw(server: Server) -> Callable[..., bytes]:
    def sent(*packets: bytes, port: int | None = None, half_close: bool = True) -> bytes:
        with socket.create_connection(("127.0.0.1", port or server.port), timeout=10) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for packet in packets:
                client.sendall(packet)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    return sent
