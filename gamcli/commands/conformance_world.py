"""A whole world for the rows of conformance: what a manifest makes, then what only time and administrators do."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gamcli.actions import Gam, apps, keys, repository, tokens, users
from gamcli.actions.apps import AppWish, ScopeEdit
from gamcli.actions.keys import KeyWish
from gamcli.conformance import worlds
from gamcli.conformance.worlds import World
from gamcli.provision import seed
from gamcli.rules.credentials import Entropy, Secret, letters, mint_api_key, mint_client_id, mint_client_secret
from gamcli.rules.grants import REFRESH_TIMEOUT, TokenRequest
from gamcli.rules.keys import IssuedKey

DAY = timedelta(days=1)

Values = dict[str, str]


def minted(entropy: Entropy) -> dict[str, Callable[[], str]]:
    """Return what mints each kind of value of a world file."""
    return {
        "client_id": lambda: mint_client_id(entropy),
        "client_secret": lambda: mint_client_secret(entropy).reveal(),
        "api_key": lambda: mint_api_key(entropy)[1].reveal(),  # noqa: PLW0108 - a new one each time
        "password": lambda: letters(24, entropy),
    }


def make(gam: Gam, server: Mapping[str, object]) -> World:
    """Make the world in a new store, and return its values; `server` is how it will be served."""
    repository.initialise(gam)
    world = worlds.of(tomllib.loads(worlds.template(minted(gam.entropy))))
    with TemporaryDirectory(prefix="gamcli-") as folder:
        manifest = Path(folder) / "seed.toml"
        manifest.write_text(worlds.seed(world), encoding="utf-8")
        seed.sow(gam, [manifest], {})
    maker = _Maker(gam, world)
    for name, make_it in _STATES.items():
        world = world.having(name, {**world.values.get(name, {}), **make_it(maker)})
    return world.served(server)


class _Maker:
    """Makes one state after the other; each has a user of its own for application portal."""

    def __init__(self, gam: Gam, world: World) -> None:
        self.gam = gam
        self.world = world

    def earlier(self, length: timedelta) -> "_Maker":
        """Return what makes things as if it were so long ago."""
        now = self.gam.now() - length
        return _Maker(replace(self.gam, now=lambda: now), self.world)

    def key(self, user: str, app: str = "portal", *, expires_in: timedelta | None = None) -> IssuedKey:
        """Return a key of a user; it replaces a live one."""
        return keys.generate(self.gam, KeyWish(user, app, expires_in=expires_in, replace=True))

    def user(self, name: str, expires_in: timedelta | None = None) -> IssuedKey:
        """Make a user and return their key."""
        users.create(self.gam, name, {})
        return self.key(name, expires_in=expires_in)

    def token(self, key: IssuedKey, client: Mapping[str, str] | None = None) -> str:
        """Return an access token that the key is traded for."""
        client = client or self.world.values["portal"]
        asked = TokenRequest(client["client_id"], Secret(client["client_secret"]), key.secret)
        return tokens.exchange(self.gam, asked).secret.reveal()

    def held(self, key: IssuedKey) -> Values:
        """Return a key for portal and a token that it was traded for."""
        return {"api_key": key.secret.reveal(), "access_token": self.token(key)}


def _repository(maker: _Maker) -> Values:
    return {"guid": maker.token(maker.user("guido")).partition("!")[0]}


def _disabled(maker: _Maker) -> Values:
    apps.update(maker.gam, "disabled", {"enabled": True}, ScopeEdit())
    token = maker.token(maker.key("nia", "disabled"), maker.world.values["disabled"])
    apps.update(maker.gam, "disabled", {"enabled": False}, ScopeEdit())
    return {"access_token": token}


def _shut_out(name: str, field: str, *, shut: bool) -> Callable[[_Maker], Values]:
    """Return what gives a user who is shut out a key and a token from before that."""

    def make_it(maker: _Maker) -> Values:
        users.update(maker.gam, name, {field: not shut})
        values = maker.held(maker.key(name))
        users.update(maker.gam, name, {field: shut})
        return values

    return make_it


def _expired(maker: _Maker) -> Values:
    return {"api_key": maker.earlier(2 * DAY).user("exa", expires_in=DAY).secret.reveal()}


def _revoked(maker: _Maker) -> Values:
    key = maker.user("rex")
    values = maker.held(key)
    keys.revoke(maker.gam, [key.record.id], None)
    return values


def _replaced(maker: _Maker) -> Values:
    values = maker.held(maker.user("rae"))
    maker.key("rae")
    return values


def _invalidated(maker: _Maker) -> Values:
    client = _app(maker, "shrunk", ("gam_user_data", "gam_user_roles"))
    key = maker.key("nia", "shrunk")
    values = {**client, "api_key": key.secret.reveal(), "access_token": maker.token(key, client)}
    apps.update(maker.gam, "shrunk", {}, ScopeEdit(remove=("gam_user_roles",)), 1)
    return values


def _app(maker: _Maker, name: str, scopes: tuple[str, ...]) -> Values:
    """Make an application that takes API keys, and return its client."""
    made = apps.create(maker.gam, AppWish(name, {"remote_rest": True, "api_keys.enabled": True}, scopes))
    assert made.secret is not None
    return {"client_id": made.record.client_id, "client_secret": made.secret.reveal()}


def _retiring(maker: _Maker) -> Values:
    key = maker.user("ray")
    keys.rotate(maker.gam, key.record.id, DAY)
    return {"api_key": key.secret.reveal()}


def _rotated(maker: _Maker) -> Values:
    client = _app(maker, "rotated", ("gam_user_data",))
    values = {**client, "api_key": maker.key("nia", "rotated").secret.reveal()}
    apps.rotate_secret(maker.gam, "rotated", overlap=DAY)
    return values


def _spent(maker: _Maker) -> Values:
    before = maker.earlier(DAY)
    return {"access_token": before.token(before.user("sol"))}


def _ended(maker: _Maker) -> Values:
    token = maker.token(maker.user("ted"))
    tokens.revoke(maker.gam, token.partition("!")[2][:12])
    return {"access_token": token}


def _with_password(maker: _Maker, name: str, *, must_change: bool = False, expires: bool = False) -> Values:
    """Make a user whose password is right and yet lets nobody in."""
    password = Secret(letters(24, maker.gam.entropy))
    users.create(maker.gam, name, {})
    length = DAY if expires else None
    users.set_password(maker.gam, name, password, must_change=must_change, expires_in=length)
    return {"username": name, "password": password.reveal()}


def _exhausted(maker: _Maker) -> Values:
    client = _app(maker, "exhausted", ("gam_user_data",))
    apps.update(maker.gam, "exhausted", {"token.renewals": 1}, ScopeEdit())
    asked = TokenRequest(client["client_id"], Secret(client["client_secret"]), maker.key("nia", "exhausted").secret)
    issued = tokens.exchange(maker.gam, asked)
    apps.update(maker.gam, "exhausted", {"token.renewals": 0}, ScopeEdit())
    return {**client, "refresh_token": issued.refresh_token.reveal()}


def _lapsed(maker: _Maker) -> Values:
    client = _app(maker, "lapsed", ("gam_user_data",))
    apps.update(maker.gam, "lapsed", {"token.renewals": 1}, ScopeEdit())
    before = maker.earlier(2 * REFRESH_TIMEOUT)
    asked = TokenRequest(client["client_id"], Secret(client["client_secret"]), before.key("nia", "lapsed").secret)
    return {**client, "refresh_token": tokens.exchange(before.gam, asked).refresh_token.reveal()}


_STATES: dict[str, Callable[[_Maker], Values]] = {
    "repository": _repository,
    "disabled": _disabled,
    "blocked": _shut_out("bob", "blocked", shut=True),
    "inactive": _shut_out("ida", "enabled", shut=False),
    "expired": _expired,
    "revoked": _revoked,
    "replaced": _replaced,
    "invalidated": _invalidated,
    "retiring": _retiring,
    "rotated": _rotated,
    "spent": _spent,
    "ended": _ended,
    "must_change": lambda maker: _with_password(maker, "max", must_change=True),
    "stale": lambda maker: _with_password(maker.earlier(2 * DAY), "stan", expires=True),
    "exhausted": _exhausted,
    "lapsed": _lapsed,
}
"""What makes the values of each holder that no manifest makes."""
