"""A whole world for the rows of conformance: what a manifest makes, then what only time and administrators do."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gamcli.actions import Gam, apps, keys, repository, tokens, users
from gamcli.actions.apps import AppSpec, ScopeEdit
from gamcli.actions.keys import KeySpec
from gamcli.conformance import worlds
from gamcli.conformance.worlds import World
from gamcli.provision import seed
from gamcli.rules.credentials import Entropy, Secret, mint_api_key, mint_client_id, mint_client_secret, random_base62
from gamcli.rules.grants import REFRESH_TIMEOUT, TokenRequest
from gamcli.rules.keys import IssuedKey

DAY = timedelta(days=1)

Values = dict[str, str]


def value_factories(entropy: Entropy) -> dict[str, Callable[[], str]]:
    """Return what mints each kind of value of a world file."""
    return {
        "client_id": lambda: mint_client_id(entropy),
        "client_secret": lambda: mint_client_secret(entropy).reveal(),
        "api_key": lambda: mint_api_key(entropy)[1].reveal(),  # noqa: PLW0108 - a new one each time
        "password": lambda: random_base62(24, entropy),
    }


def create_world(gam: Gam, server: Mapping[str, object]) -> World:
    """Make the world in a new store, and return its values; `server` is how it will be served."""
    repository.initialise(gam)
    world = worlds.parse_world(tomllib.loads(worlds.render_template(value_factories(gam.entropy))))
    with TemporaryDirectory(prefix="gamcli-") as folder:
        manifest = Path(folder) / "seed.toml"
        manifest.write_text(worlds.render_seed(world), encoding="utf-8")
        seed.apply_seed(gam, [manifest], {})
    maker = _WorldBuilder(gam, world)
    for name, make_it in _STATE_BUILDERS.items():
        world = world.with_values(name, {**world.values.get(name, {}), **make_it(maker)})
    return world.with_server(server)


class _WorldBuilder:
    """Makes one state after the other; each has a user of its own for application portal."""

    def __init__(self, gam: Gam, world: World) -> None:
        self.gam = gam
        self.world = world

    def backdated(self, age: timedelta) -> "_WorldBuilder":
        """Return what makes things as if it were so long ago."""
        now = self.gam.now() - age
        return _WorldBuilder(replace(self.gam, now=lambda: now), self.world)

    def issue_key(self, user: str, app: str = "portal", *, expires_in: timedelta | None = None) -> IssuedKey:
        """Return a key of a user; it replaces a live one."""
        return keys.generate(self.gam, KeySpec(user, app, expires_in=expires_in, replace=True))

    def create_user(self, name: str, expires_in: timedelta | None = None) -> IssuedKey:
        """Make a user and return their key."""
        users.create(self.gam, name, {})
        return self.issue_key(name, expires_in=expires_in)

    def issue_token(self, key: IssuedKey, client: Mapping[str, str] | None = None) -> str:
        """Return an access token that the key is traded for."""
        client = client or self.world.values["portal"]
        asked = TokenRequest(client["client_id"], Secret(client["client_secret"]), key.secret)
        return tokens.exchange(self.gam, asked).secret.reveal()

    def issue_key_and_token(self, key: IssuedKey) -> Values:
        """Return a key for portal and a token that it was traded for."""
        return {"api_key": key.secret.reveal(), "access_token": self.issue_token(key)}


def _repository_values(builder: _WorldBuilder) -> Values:
    return {"guid": builder.issue_token(builder.create_user("guido")).partition("!")[0]}


def _disabled_app_values(builder: _WorldBuilder) -> Values:
    apps.update(builder.gam, "disabled", {"enabled": True}, ScopeEdit())
    token = builder.issue_token(builder.issue_key("nia", "disabled"), builder.world.values["disabled"])
    apps.update(builder.gam, "disabled", {"enabled": False}, ScopeEdit())
    return {"access_token": token}


def _locked_out_user_values(name: str, field: str, *, locked: bool) -> Callable[[_WorldBuilder], Values]:
    """Return what gives a user who is shut out a key and a token from before that."""

    def make_it(maker: _WorldBuilder) -> Values:
        users.update(maker.gam, name, {field: not locked})
        values = maker.issue_key_and_token(maker.issue_key(name))
        users.update(maker.gam, name, {field: locked})
        return values

    return make_it


def _expired_key_values(builder: _WorldBuilder) -> Values:
    return {"api_key": builder.backdated(2 * DAY).create_user("exa", expires_in=DAY).secret.reveal()}


def _revoked_key_values(builder: _WorldBuilder) -> Values:
    key = builder.create_user("rex")
    values = builder.issue_key_and_token(key)
    keys.revoke(builder.gam, [key.record.id], None)
    return values


def _replaced_key_values(builder: _WorldBuilder) -> Values:
    values = builder.issue_key_and_token(builder.create_user("rae"))
    builder.issue_key("rae")
    return values


def _invalidated_key_values(builder: _WorldBuilder) -> Values:
    client = _create_app(builder, "shrunk", ("gam_user_data", "gam_user_roles"))
    key = builder.issue_key("nia", "shrunk")
    values = {**client, "api_key": key.secret.reveal(), "access_token": builder.issue_token(key, client)}
    apps.update(builder.gam, "shrunk", {}, ScopeEdit(remove=("gam_user_roles",)), 1)
    return values


def _create_app(builder: _WorldBuilder, name: str, scopes: tuple[str, ...]) -> Values:
    """Make an application that takes API keys, and return its client."""
    made = apps.create(builder.gam, AppSpec(name, {"remote_rest": True, "api_keys.enabled": True}, scopes))
    assert made.secret is not None
    return {"client_id": made.record.client_id, "client_secret": made.secret.reveal()}


def _retiring_key_values(builder: _WorldBuilder) -> Values:
    key = builder.create_user("ray")
    keys.rotate(builder.gam, key.record.id, DAY)
    return {"api_key": key.secret.reveal()}


def _rotated_secret_values(builder: _WorldBuilder) -> Values:
    client = _create_app(builder, "rotated", ("gam_user_data",))
    values = {**client, "api_key": builder.issue_key("nia", "rotated").secret.reveal()}
    apps.rotate_secret(builder.gam, "rotated", overlap=DAY)
    return values


def _expired_token_values(builder: _WorldBuilder) -> Values:
    before = builder.backdated(DAY)
    return {"access_token": before.issue_token(before.create_user("sol"))}


def _revoked_token_values(builder: _WorldBuilder) -> Values:
    token = builder.issue_token(builder.create_user("ted"))
    tokens.revoke(builder.gam, token.partition("!")[2][:12])
    return {"access_token": token}


def _password_user_values(
    builder: _WorldBuilder, name: str, *, must_change: bool = False, expires: bool = False
) -> Values:
    """Make a user whose password is right and yet lets nobody in."""
    password = Secret(random_base62(24, builder.gam.entropy))
    users.create(builder.gam, name, {})
    length = DAY if expires else None
    users.set_password(builder.gam, name, password, must_change=must_change, expires_in=length)
    return {"username": name, "password": password.reveal()}


def _exhausted_session_values(builder: _WorldBuilder) -> Values:
    client = _create_app(builder, "exhausted", ("gam_user_data",))
    apps.update(builder.gam, "exhausted", {"token.renewals": 1}, ScopeEdit())
    asked = TokenRequest(
        client["client_id"], Secret(client["client_secret"]), builder.issue_key("nia", "exhausted").secret
    )
    issued = tokens.exchange(builder.gam, asked)
    apps.update(builder.gam, "exhausted", {"token.renewals": 0}, ScopeEdit())
    return {**client, "refresh_token": issued.refresh_token.reveal()}


def _expired_session_values(builder: _WorldBuilder) -> Values:
    client = _create_app(builder, "lapsed", ("gam_user_data",))
    apps.update(builder.gam, "lapsed", {"token.renewals": 1}, ScopeEdit())
    before = builder.backdated(2 * REFRESH_TIMEOUT)
    asked = TokenRequest(client["client_id"], Secret(client["client_secret"]), before.issue_key("nia", "lapsed").secret)
    return {**client, "refresh_token": tokens.exchange(before.gam, asked).refresh_token.reveal()}


_STATE_BUILDERS: dict[str, Callable[[_WorldBuilder], Values]] = {
    "repository": _repository_values,
    "disabled": _disabled_app_values,
    "blocked": _locked_out_user_values("bob", "blocked", locked=True),
    "inactive": _locked_out_user_values("ida", "enabled", locked=False),
    "expired": _expired_key_values,
    "revoked": _revoked_key_values,
    "replaced": _replaced_key_values,
    "invalidated": _invalidated_key_values,
    "retiring": _retiring_key_values,
    "rotated": _rotated_secret_values,
    "spent": _expired_token_values,
    "ended": _revoked_token_values,
    "must_change": lambda maker: _password_user_values(maker, "max", must_change=True),
    "stale": lambda maker: _password_user_values(maker.backdated(2 * DAY), "stan", expires=True),
    "exhausted": _exhausted_session_values,
    "lapsed": _expired_session_values,
}
"""What makes the values of each holder that no manifest makes."""
