"""What the fixtures give to tests: a running server, and functions with plain arguments to change its store."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gamcli.actions import Gam, apps, key_changes, keys, users
from gamcli.actions.changes import STATE_VERBS
from gamcli.clients import endpoint
from gamcli.ephemeral import EphemeralOptions, EphemeralServer
from gamcli.errors import FailedError
from gamcli.rules import durations, passwords
from gamcli.rules.credentials import Secret
from gamcli.server.dev.clock import Clock
from gamcli.server.dev.faults import Faults
from gamcli.server.dev.journal import Journal
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import ServerOptions
from gamcli.server.transport.listener import run_in_background


class _TestRecords:
    __test__ = False

    def __init__(self, gam: Gam) -> None:
        self._gam = gam


class TestUsers(_TestRecords):
    """The users of the server; every function raises a GamcliError that says what is wrong."""

    def create(self, name: str, *, password: str | None = None, **fields: object) -> str:
        """Create a user with the fields of a user record, such as `email`, and return the GUID."""
        guid = users.create(self._gam, name, fields).record.guid
        if password is not None:
            self.set_password(name, password)
        return guid

    def set_password(self, name: str, password: str) -> None:
        users.set_password(self._gam, name, Secret(password), passwords.SEED_COST)

    def block(self, name: str) -> None:
        users.update(self._gam, name, STATE_VERBS["block"].changes, "block")

    def unblock(self, name: str) -> None:
        users.update(self._gam, name, STATE_VERBS["unblock"].changes, "unblock")

    def delete(self, name: str) -> None:
        """Delete a user with all keys."""
        with keys.search(self._gam, keys.KeySearch(user=name, statuses=("active", "retiring"))) as found:
            count = sum(1 for _ in found)
        users.delete(self._gam, name, count or None)


class TestApps(_TestRecords):
    """The applications of the server; every function raises a GamcliError that says what is wrong."""

    def create(
        self, name: str, *, scopes: str = "gam_user_data", client_id: str | None = None, renewals: int = 0
    ) -> tuple[str, str]:
        """Create an application that accepts API keys and passwords; return client ID and client secret."""
        settings = {"remote_rest": True, "api_keys.enabled": True, "token.renewals": renewals}
        created = apps.create(self._gam, apps.AppSpec(name, settings, (scopes,), client_id))
        assert created.secret is not None
        return created.record.client_id, created.secret.reveal()

    def disable(self, name: str) -> None:
        apps.update(self._gam, name, STATE_VERBS["disable"].changes)

    def enable(self, name: str) -> None:
        apps.update(self._gam, name, STATE_VERBS["enable"].changes)


class TestKeys(_TestRecords):
    """The API keys of the server, by ID or whole; every function raises a GamcliError that says what is wrong."""

    def issue(self, user: str, app: str, *, expires_in: str | None = None, replace: bool = False) -> str:
        """Issue a key and return it; `expires_in` is a duration such as "2h"."""
        lifetime = None if expires_in is None else durations.parse(expires_in)
        return keys.generate(self._gam, keys.KeySpec(user, app, expires_in=lifetime, replace=replace)).secret.reveal()

    def revoke(self, key: str, reason: str | None = None) -> None:
        keys.revoke(self._gam, [self._find_id(key)], reason)

    def disable(self, key: str, reason: str | None = None) -> None:
        key_changes.disable(self._gam, self._find_id(key), reason)

    def enable(self, key: str) -> None:
        key_changes.enable(self._gam, self._find_id(key))

    def _find_id(self, key: str) -> str:
        found = keys.find_by_secret(self._gam, Secret(key))
        return found.id if found is not None else key


class GamServer:
    """
    A running server, the credentials of its start, and what tests steer.

    `url` has no slash at its end. `users`, `apps` and `keys` change the store: `keys.revoke(server.api_key)`. `clock`
    is the server's clock: `forward("2h")` lets tokens expire, `stop()` stops it. `faults` injects failures:
    `add("token=503:2x")`, `clear()`. `journal` is the list of requests so far, with `method`, `path`, `grant`,
    `client_id`, `key`, `status` and `rule` of each; `clear()` empties it. `reset()` restores the state of the start.
    `gam` is for the functions of `gamcli.actions`.
    """

    def __init__(self, world: EphemeralServer) -> None:
        self._world = world
        self.url: str = world.server.url
        self.credentials: Mapping[str, str] = world.credentials
        self.gam: Gam = world.gam
        self.clock: Clock = world.clock
        self.faults: Faults = world.faults
        self.journal: Journal = world.journal
        self.users, self.apps, self.keys = TestUsers(world.gam), TestApps(world.gam), TestKeys(world.gam)

    def __repr__(self) -> str:
        return f"GamServer({self.url!r})"

    @property
    def client_id(self) -> str:
        return self._credential("GAM_CLIENT_ID")

    @property
    def client_secret(self) -> str:
        return self._credential("GAM_CLIENT_SECRET")

    @property
    def api_key(self) -> str:
        return self._credential("GAM_API_KEY")

    @property
    def username(self) -> str:
        return self._credential("GAM_USERNAME")

    @property
    def password(self) -> str:
        return self._credential("GAM_PASSWORD")

    def token(self, **parameters: str) -> str:
        """
        Request an access token over HTTP and return it; by default with the API key of the start.

        Parameters replace those of the request: `token(api_key=key)`, or `token(username="ana", password="...")`.
        Raises RefusedError or FailedError.
        """
        by_password = "password" in parameters
        form = {
            "grant_type": "password",
            "client_id": parameters.get("client_id") or self.client_id,
            "client_secret": parameters.get("client_secret") or self.client_secret,
            "authentication_type_name": "local" if by_password else "apikey",
        }
        own_key = {} if by_password or "api_key" in parameters else {"api_key": self.api_key}
        return endpoint.request_token(self.url, form | own_key | parameters).reveal()

    def reset(self) -> None:
        """Restore the store, clock, faults and journal of the start."""
        self._world.reset()

    def _credential(self, name: str) -> str:
        if name not in self.credentials:
            named = [each for each in self.credentials if each.startswith(f"{name}_")]
            raise FailedError(
                f"the server has {len(named)} values for {name}",
                f"use server.credentials[NAME], with one of: {', '.join(named)}" if named else "add one to the seed",
            )
        return self.credentials[name]


@contextmanager
def run_server(seed: str, response_format: str, expired_status: int, root: Path) -> Iterator[GamServer]:
    """Run a server; `seed` is the text of a manifest, or its path from `root`, or empty."""
    options = ServerOptions(
        log=lambda _: None, max_failures=0, response_format=ResponseFormat(response_format, expired_status)
    )
    with ExitStack() as opened:
        paths = opened.enter_context(_seed_paths(seed, root))
        world = opened.enter_context(EphemeralServer(options, EphemeralOptions(seeds=paths, actor="pytest")))
        opened.enter_context(run_in_background(world.server))
        yield GamServer(world)


@contextmanager
def _seed_paths(seed: str, root: Path) -> Iterator[tuple[Path, ...]]:
    if "\n" not in seed and not seed.lstrip().startswith("["):
        yield (root / seed,) if seed else ()
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "seed.toml"
        path.write_text(seed, encoding="utf-8")
        yield (path,)
