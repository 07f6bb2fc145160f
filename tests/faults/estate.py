"""Applications, users and keys that clients use while others change them, with the expected validity of each."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

from gamcli.actions import Gam, apps, auth_types, keys, users
from gamcli.rules.credentials import Secret, parse_api_key_id
from gamcli.store import Store
from tests.faults.judging import Thing
from tests.faults.world import CLIENT_SECRET, LostError, World

EACH = 2
"""The numbers of applications and users of an estate."""

RENEWALS = 5


@dataclass(eq=False)
class Switch(Thing):
    """What one command suspends and another one restores."""

    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()


class Held(NamedTuple):
    """A secret, and whether it is valid."""

    thing: Thing
    secret: str


class Token(NamedTuple):
    """
    An access token, possibly with a refresh token. All tokens of a session are revoked together.

    `source` is the key, or the sessions of the password; `switches` are those that matter to renewals and claims.
    """

    secret: str
    pair: "Pair"
    source: Thing
    session: Thing
    refresh: str
    switches: tuple[Thing, ...]

    @property
    def id(self) -> str:
        return self.secret.partition("!")[2][:12]


@dataclass(eq=False)
class Client:
    """An application with its last secrets."""

    name: str
    client_id: str
    switches: tuple[Switch, ...]
    secrets: deque[Held] = field(default_factory=lambda: deque(maxlen=3))


class Password(NamedTuple):
    """A password, whether it is valid, and whether the sessions that began with it are."""

    thing: Thing
    sessions: Thing
    secret: str


class Passwords:
    """The passwords of a user, newest last."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.all: deque[Password] = deque(maxlen=3)
        self._number = 0
        self.add(self.next_secret())

    def next_secret(self) -> str:
        self._number += 1
        return f"{self.user}-password-{self._number}"

    def add(self, secret: str) -> None:
        self.all.append(Password(Thing("password", secret), Thing("password session", secret), secret))


@dataclass(eq=False)
class Pair:
    """A user of an application, the latest key, and some of the tokens, newest last."""

    client: Client
    user: str
    switches: tuple[Switch, ...]
    passwords: "Passwords"
    keys: deque[Held] = field(default_factory=lambda: deque(maxlen=3))
    tokens: deque[Token] = field(default_factory=lambda: deque(maxlen=30))
    renewable: deque[Token] = field(default_factory=lambda: deque(maxlen=30))

    @property
    def password_switches(self) -> tuple[Switch, ...]:
        return tuple(each for each in self.switches if each.kind != "API keys")

    def took(self, key: str) -> None:
        self.keys.append(Held(Thing("key", _id(key)), key))


class Estate(NamedTuple):
    """The objects that a single changer changes."""

    clients: list[Client]
    pairs: list[Pair]


def _id(key: str) -> str:
    return parse_api_key_id(Secret(key)) or ""


def estates(world: World, number: int) -> list[Estate]:
    with Store.open(world.location) as store:
        gam = Gam(store, lambda: datetime.now(UTC), os.urandom, "faults")
        auth_types.update(gam, "local", {"enabled": True})
        return [_estate(gam, world.people[EACH * each : EACH * (each + 1)], f"shop{each}x") for each in range(number)]


def _estate(gam: Gam, people: list[str], prefix: str) -> Estate:
    clients = [_client(gam, f"{prefix}{number}", RENEWALS * (number % 2)) for number in range(EACH)]
    pairs = []
    for name in people:
        words = {each: ("user", each, name) for each in ("disable", "enable", "block", "unblock")}
        switches = (
            Switch("user", name, off=words["disable"], on=words["enable"]),
            Switch("unblocked user", name, off=words["block"], on=words["unblock"]),
        )
        passwords = Passwords(name)
        users.set_password(gam, name, Secret(passwords.all[-1].secret))
        for client in clients:
            pair = Pair(client, name, (*client.switches, *switches), passwords)
            pair.took(keys.generate(gam, keys.KeySpec(name, client.name)).secret.reveal())
            pairs.append(pair)
    return Estate(clients, pairs)


def _client(gam: Gam, name: str, renewals: int) -> Client:
    wanted = {"remote_rest": True, "api_keys.enabled": True, "token.renewals": renewals}
    wish = apps.AppSpec(name, wanted, ("gam_user_data",), client_secret=Secret(CLIENT_SECRET))
    client_id = apps.create(gam, wish).record.client_id
    switches = (
        Switch("application", name, off=("app", "disable", name), on=("app", "enable", name)),
        Switch("remote REST", name, off=_update(name, "--no-remote-rest"), on=_update(name, "--remote-rest")),
        Switch("API keys", name, off=_update(name, "--no-api-keys"), on=_update(name, "--api-keys")),
    )
    client = Client(name, client_id, switches)
    client.secrets.append(Held(Thing("client secret", f"of {name}"), CLIENT_SECRET))
    return client


def _update(name: str, flag: str) -> tuple[str, ...]:
    return ("app", "update", name, flag)


class Done(NamedTuple):
    """The result of a command, when it began, and when its caller learned that it was done."""

    code: int
    out: str
    err: str
    begun: float
    acknowledged: float


Run = Callable[[tuple[str, ...]], Done]


class Changer:
    """Changes an estate, one command per turn, and records what is valid since when; `made` are its keys."""

    def __init__(self, estate: Estate, run: Run, rng: Random, folder: Path) -> None:
        self.made: list[str] = []
        self.turns = 0
        self._estate = estate
        self._run = run
        self._dice = rng
        self._folder = folder

    def turn(self) -> list[Pair]:
        self.turns += 1
        for touched in self._mended():
            return touched
        pair, client = self._dice.choice(self._estate.pairs), self._dice.choice(self._estate.clients)
        overlap = self._dice.choice((False, True))
        what = self._dice.randrange(6)
        if what == 0:
            self._rotate_secret(client, overlap=overlap)
            return self._of(client)
        if what == 1:
            return self._switch(self._dice.choice(pair.switches), good=False)
        if what == 2 and pair.tokens:
            self._revoke_token(pair)
        elif what == 3:
            self._revoke(pair.keys[-1].thing)
        elif what == 4:
            self._set_password(pair.passwords)
        else:
            self._rotate(pair, overlap=overlap)
        return [pair]

    def _mended(self) -> Iterator[list[Pair]]:
        for pair in self._estate.pairs:
            for switch in pair.switches:
                if not switch.good:
                    yield self._switch(switch, good=True)
        for pair in self._estate.pairs:
            if not pair.keys[-1].thing.good:
                self._took(pair, self._do(("key", "generate", "--user", pair.user, "--app", pair.client.name)))
                yield [pair]
            if len(pair.keys) > 1 and pair.keys[-2].thing.good:  # it is retiring
                self._revoke(pair.keys[-2].thing)
                yield [pair]

    def _of(self, client: Client) -> list[Pair]:
        return [pair for pair in self._estate.pairs if pair.client is client]

    def _switch(self, switch: Switch, *, good: bool) -> list[Pair]:
        self._do(switch.on if good else switch.off, switch, good=good)
        return [pair for pair in self._estate.pairs if switch in pair.switches]

    def _revoke(self, key: Thing) -> None:
        self._do(("key", "revoke", key.name), key)

    def _revoke_token(self, pair: Pair) -> None:
        token = (list(pair.renewable) or pair.tokens)[-1]
        self._do(("token", "revoke", token.id), token.session)
        if token.refresh:
            pair.renewable.append(token)

    def _set_password(self, passwords: Passwords) -> None:
        secret, file = passwords.next_secret(), self._folder / f"password-{passwords.user}"
        file.write_text(secret, encoding="utf-8")
        old = [thing for each in passwords.all for thing in (each.thing, each.sessions)]
        self._do(("user", "set-password", passwords.user, "--password-file", str(file)), *old)
        passwords.add(secret)

    def _rotate(self, pair: Pair, *, overlap: bool) -> None:
        key = pair.keys[-1].thing
        words = ("key", "rotate", key.name, "--overlap")
        self._took(pair, self._do((*words, "1h")) if overlap else self._do((*words, "0"), key))

    def _rotate_secret(self, client: Client, *, overlap: bool) -> None:
        old = [held.thing for held in client.secrets][: -1 if overlap else None]
        words = ("app", "rotate-secret", client.name)
        secret = self._do((*words, "--overlap", "1h" if overlap else "0"), *old)
        client.secrets.append(Held(Thing("client secret", f"{self.turns} of {client.name}"), secret))

    def _took(self, pair: Pair, key: str) -> None:
        pair.took(key)
        self.made.append(key)

    def _do(self, words: tuple[str, ...], *things: Thing, good: bool = False) -> str:
        done = self._run(words)
        if done.code:
            raise LostError(f"{' '.join(words)} ended with {done.code}: {done.err}")
        for thing in things:
            thing.changed(done.begun, done.acknowledged, good=good)
        return done.out.strip()
