"""The server that third-party clients use, and the credentials that they need."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from unittest.mock import patch

from gamcli.actions import Gam, apps, auth_types, keys, repository, users
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.listener import run_in_background
from gamcli.store import Store

PASSWORD = "a password of ana's: ñ & +"
EMAIL = "ana@example.org"


@dataclass(frozen=True)
class Endpoint:
    """A running server; ana has a key and a password."""

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

    def credentials(self) -> dict[str, str]:
        """Return what a client needs, for its stdin."""
        names = ("url", "client_id", "client_secret", "api_key", "username", "password", "token_url", "claims_url")
        return {name: getattr(self, name) for name in names}


@contextmanager
def serving(response_format: str, renewals: int = 2, issuer: str | None = None) -> Iterator[Endpoint]:
    """Serve a new store in memory, whose tokens can be renewed `renewals` times; with extras if there is an issuer."""
    with patch.object(passwords, "CURRENT_COST", passwords.TEST_COST), Store.in_memory() as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "test")
        repository.initialise(gam)
        auth_types.update(gam, "local", {"enabled": True})
        users.create(gam, "ana", {"email": EMAIL, "roles": ("operator",)})
        users.set_password(gam, "ana", Secret(PASSWORD))
        fields = {"remote_rest": True, "api_keys.enabled": True, "token.renewals": renewals}
        app = apps.create(gam, apps.AppSpec("portal", fields, ("gam_user_data", "gam_user_roles")))
        key = keys.generate(gam, keys.KeySpec("ana", "portal"))
        options = ServerOptions(
            log=lambda _: None,
            max_failures=0,
            response_format=ResponseFormat(response_format),
            base_path="" if issuer is None else "/gam",
            extras=issuer is not None,
            issuer=issuer or "",
        )
        server = Server(gam, options)
        with run_in_background(server):
            assert app.secret is not None
            yield Endpoint(server.url, app.record.client_id, app.secret.reveal(), key.secret.reveal(), gam)
