"""A server for third-party clients, in either error format, and the credentials that they need."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread

import pytest

from gamcli.actions import Gam, apps, auth_types, keys, repository, users
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints.refusals import ErrorFormat
from gamcli.server.server import Server, ServerOptions
from gamcli.store import Store

PASSWORD = "a password of ana's: ñ & +"


@dataclass(frozen=True)
class Endpoint:
    """A server that runs during the test; ana has a key and a password, and tokens can be renewed twice."""

    url: str
    client_id: str
    client_secret: str
    api_key: str
    gam: Gam
    username: str = "ana"
    password: str = PASSWORD

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth/gam/v2.0/access_token"

    @property
    def claims_url(self) -> str:
        return f"{self.url}/oauth/gam/v2.0/userinfo"


Serve = Callable[[str], Endpoint]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setattr(passwords, "CURRENT_COST", passwords.TEST_COST)
    with ExitStack() as running:

        def start(error_format: str) -> Endpoint:
            gam = Gam(running.enter_context(Store.in_memory()), lambda: datetime.now(UTC), os.urandom, "test")
            repository.initialise(gam)
            auth_types.update(gam, "local", {"enabled": True})
            users.create(gam, "ana", {"email": "ana@example.org", "roles": ("operator",)})
            users.set_password(gam, "ana", Secret(PASSWORD))
            wanted = {"remote_rest": True, "api_keys.enabled": True, "token.renewals": 2}
            app = apps.create(gam, apps.AppSpec("portal", wanted, ("gam_user_data", "gam_user_roles")))
            key = keys.generate(gam, keys.KeySpec("ana", "portal"))
            server = Server(
                gam, ServerOptions(log=lambda _: None, max_failures=0, error_format=ErrorFormat(error_format))
            )
            thread = Thread(target=server.run)
            thread.start()
            running.callback(thread.join)
            running.callback(server.stop)
            assert app.secret is not None
            return Endpoint(server.url, app.record.client_id, app.secret.reveal(), key.secret.reveal(), gam)

        yield start
