"""Creates the test credentials of the rows in a new store and serves it, for the check of gamcli's own server."""

import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gamcli.actions import Gam, apps, issuance, key_changes, keys, repository, rotation, tokens, users
from gamcli.actions.apps import AppSpec, ScopeEdit
from gamcli.actions.issuance import IssuedToken
from gamcli.actions.keys import KeySpec
from gamcli.conformance import worlds
from gamcli.conformance.exchange import TargetServer
from gamcli.conformance.worlds import World
from gamcli.provision import seed
from gamcli.rules.credentials import Entropy, Secret, mint_api_key, mint_client_id, mint_client_secret, random_base62
from gamcli.rules.grants import REFRESH_TIMEOUT, TokenRequest
from gamcli.rules.keys import IssuedKey
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.listener import run_in_background

DAY = timedelta(days=1)

SERVER_VARIANTS: tuple[dict[str, object], ...] = (
    {},
    {"max_failures": 3},
    {"expired_status": 403},
    {"cors_origin": "https://app.example.org"},
    {"base_path": "/myapp", "extras": True},
    {"extras": True},
    {"format": "gam"},
    {"format": "rfc6749"},
)
"""The options of the servers that together cover every row."""

Values = dict[str, str]


@contextmanager
def serve_world(gam: Gam, world: World) -> Iterator[TargetServer]:
    """Serve the store on a free local port, with the server options of `world`."""
    options = ServerOptions(
        log=lambda _: None,
        base_path=world.server["base_path"],
        response_format=ResponseFormat(world.server["format"], world.server["expired_status"]),
        max_failures=world.server["max_failures"],
        extras=world.server["extras"],
        origins=frozenset(filter(None, (world.server["cors_origin"],))),
    )
    server = Server(gam, options)
    with run_in_background(server):
        yield TargetServer.from_url(server.url)


def value_factories(entropy: Entropy) -> dict[str, Callable[[], str]]:
    """Return functions that generate each kind of value in a world file."""
    return {
        "client_id": lambda: mint_client_id(entropy),
        "client_secret": lambda: mint_client_secret(entropy).reveal(),
        "api_key": lambda: mint_api_key(entropy)[1].reveal(),  # noqa: PLW0108 - a new key for each call
        "password": lambda: random_base62(24, entropy),
    }


def create_world(gam: Gam, server: Mapping[str, object]) -> World:
    """Create the credentials in a new store; `server` are the options that it will be served with."""
    repository.initialise(gam)
    world = worlds.parse_world(tomllib.loads(worlds.render_template(value_factories(gam.entropy))))
    with TemporaryDirectory(prefix="gamcli-") as folder:
        manifest = Path(folder) / "seed.toml"
        manifest.write_text(worlds.render_seed(world), encoding="utf-8")
        seed.apply_seed(gam, [manifest], {})
    builder = _WorldBuilder(gam, world)
    for profile, build in _STATE_BUILDERS.items():
        world = world.with_values(profile, {**world.values.get(profile, {}), **build(builder)})
    return world.with_server(server)


class _WorldBuilder:
    """Creates users, keys and tokens; each state has its own user of the application `portal`."""

    def __init__(self, gam: Gam, world: World) -> None:
        self.gam = gam
        self.world = world

    def backdated(self, age: timedelta) -> "_WorldBuilder":
        """Return a builder whose clock is `age` behind."""
        now = self.gam.now() - age
        return _WorldBuilder(replace(self.gam, now=lambda: now), self.world)

    def issue_key(self, user: str, app: str = "portal", *, expires_in: timedelta | None = None) -> IssuedKey:
        """Issue a key; it replaces an active one."""
        return keys.generate(self.gam, KeySpec(user, app, expires_in=expires_in, replace=True))

    def create_user(self, name: str, expires_in: timedelta | None = None) -> IssuedKey:
        users.create(self.gam, name, {})
        return self.issue_key(name, expires_in=expires_in)

    def create_app(self, name: str, scopes: tuple[str, ...] = ("gam_user_data",)) -> Values:
        """Create an application that accepts API keys, and return its client ID and secret."""
        app = apps.create(self.gam, AppSpec(name, {"remote_rest": True, "api_keys.enabled": True}, scopes))
        assert app.secret is not None
        return {"client_id": app.record.client_id, "client_secret": app.secret.reveal()}

    def exchange(self, key: IssuedKey, client: Mapping[str, str] | None = None) -> IssuedToken:
        """Exchange a key for tokens, by default of the application `portal`."""
        client = client or self.world.values["portal"]
        client_id, secret = client["client_id"], Secret(client["client_secret"])
        request = TokenRequest(client_id, secret, key.secret, authentication_type_name="apikey")
        return issuance.exchange(self.gam, request)

    def issue_token(self, key: IssuedKey, client: Mapping[str, str] | None = None) -> str:
        return self.exchange(key, client).secret.reveal()

    def issue_refresh_token(self, app: str, client: Mapping[str, str]) -> str:
        apps.update(self.gam, app, {"token.renewals": 1}, ScopeEdit())
        return self.exchange(self.issue_key("nia", app), client).refresh_token.reveal()

    def issue_key_and_token(self, key: IssuedKey) -> Values:
        return {"api_key": key.secret.reveal(), "access_token": self.issue_token(key)}


def _disabled_app_values(builder: _WorldBuilder) -> Values:
    apps.update(builder.gam, "disabled", {"enabled": True}, ScopeEdit())
    token = builder.issue_token(builder.issue_key("nia", "disabled"), builder.world.values["disabled"])
    apps.update(builder.gam, "disabled", {"enabled": False}, ScopeEdit())
    return {"access_token": token}


def _locked_out_user_values(name: str, field: str, *, locked: bool) -> Callable[[_WorldBuilder], Values]:
    """Return a function that issues a key and a token to a user before the user is locked out again."""

    def build(builder: _WorldBuilder) -> Values:
        users.update(builder.gam, name, {field: not locked})
        values = builder.issue_key_and_token(builder.issue_key(name))
        users.update(builder.gam, name, {field: locked})
        return values

    return build


def _unusable_key_values(user: str, end: Callable[[Gam, str], object]) -> Callable[[_WorldBuilder], Values]:
    """Return a function that issues a key and a token, and then applies `end` to the ID of the key."""

    def build(builder: _WorldBuilder) -> Values:
        key = builder.create_user(user)
        values = builder.issue_key_and_token(key)
        end(builder.gam, key.record.id)
        return values

    return build


def _replaced_key_values(builder: _WorldBuilder) -> Values:
    values = builder.issue_key_and_token(builder.create_user("rae"))
    builder.issue_key("rae")
    return values


def _invalidated_key_values(builder: _WorldBuilder) -> Values:
    client = builder.create_app("shrunk", ("gam_user_data", "gam_user_roles"))
    key = builder.issue_key("nia", "shrunk")
    values = {**client, "api_key": key.secret.reveal(), "access_token": builder.issue_token(key, client)}
    apps.update(builder.gam, "shrunk", {}, ScopeEdit(remove=("gam_user_roles",)), 1)
    return values


def _retiring_key_values(builder: _WorldBuilder) -> Values:
    key = builder.create_user("ray")
    rotation.rotate(builder.gam, key.record.id, DAY)
    return {"api_key": key.secret.reveal()}


def _rotated_secret_values(builder: _WorldBuilder) -> Values:
    client = builder.create_app("rotated")
    values = {**client, "api_key": builder.issue_key("nia", "rotated").secret.reveal()}
    apps.rotate_secret(builder.gam, "rotated", overlap=DAY)
    return values


def _special_client_values(builder: _WorldBuilder) -> Values:
    """Create an application whose client secret differs when it is form-encoded."""
    secret = f"100%+{random_base62(40, builder.gam.entropy)}:&%2B="
    fields = {"remote_rest": True, "api_keys.enabled": True}
    app = apps.create(builder.gam, AppSpec("special", fields, ("gam_user_data",), client_secret=Secret(secret)))
    unencoded = b64encode(f"{app.record.client_id}:{secret}".encode()).decode()
    key = builder.issue_key("nia", "special").secret.reveal()
    return {"client_id": app.record.client_id, "client_secret": secret, "unencoded": unencoded, "api_key": key}


def _expired_token_values(builder: _WorldBuilder) -> Values:
    yesterday = builder.backdated(DAY)
    return {"access_token": yesterday.issue_token(yesterday.create_user("sol"))}


def _revoked_token_values(builder: _WorldBuilder) -> Values:
    token = builder.issue_token(builder.create_user("ted"))
    tokens.revoke(builder.gam, token.partition("!")[2][:12])
    return {"access_token": token}


def _password_user_values(builder: _WorldBuilder, name: str, *, must_change: bool, expires: bool) -> Values:
    """Create a user whose correct password is refused."""
    password = Secret(random_base62(24, builder.gam.entropy))
    users.create(builder.gam, name, {})
    lifetime = DAY if expires else None
    users.set_password(builder.gam, name, password, must_change=must_change, expires=lifetime)
    return {"username": name, "password": password.reveal()}


def _exhausted_session_values(builder: _WorldBuilder) -> Values:
    client = builder.create_app("exhausted")
    refresh_token = builder.issue_refresh_token("exhausted", client)
    apps.update(builder.gam, "exhausted", {"token.renewals": 0}, ScopeEdit())
    return {**client, "refresh_token": refresh_token}


def _expired_session_values(builder: _WorldBuilder) -> Values:
    client = builder.create_app("lapsed")
    return {**client, "refresh_token": builder.backdated(2 * REFRESH_TIMEOUT).issue_refresh_token("lapsed", client)}


_STATE_BUILDERS: dict[str, Callable[[_WorldBuilder], Values]] = {
    "repository": lambda builder: {"guid": builder.issue_token(builder.create_user("guido")).partition("!")[0]},
    "disabled": _disabled_app_values,
    "blocked": _locked_out_user_values("bob", "blocked", locked=True),
    "inactive": _locked_out_user_values("ida", "enabled", locked=False),
    "expired": lambda builder: {
        "api_key": builder.backdated(2 * DAY).create_user("exa", expires_in=DAY).secret.reveal()
    },
    "revoked": _unusable_key_values("rex", lambda gam, key_id: keys.revoke(gam, [key_id], None)),
    "suspended": _unusable_key_values("dina", lambda gam, key_id: key_changes.disable(gam, key_id, None)),
    "replaced": _replaced_key_values,
    "invalidated": _invalidated_key_values,
    "retiring": _retiring_key_values,
    "rotated": _rotated_secret_values,
    "special": _special_client_values,
    "spent": _expired_token_values,
    "ended": _revoked_token_values,
    "must_change": lambda builder: _password_user_values(builder, "max", must_change=True, expires=False),
    "stale": lambda builder: _password_user_values(builder.backdated(2 * DAY), "stan", must_change=False, expires=True),
    "exhausted": _exhausted_session_values,
    "lapsed": _expired_session_values,
}
"""Creates the credentials of each profile that a manifest cannot create."""
