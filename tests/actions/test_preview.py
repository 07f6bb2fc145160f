"""A dry run reports exactly the keys that a change affects, in any store and for any change."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamcli import store
from gamcli.actions import DryRun, Gam, apps, auth_types, issuance, repository, users
from gamcli.actions.apps import ScopeEdit
from gamcli.errors import GamcliError, InvalidatesKeysError, RefusedError
from gamcli.model import ApiKeyPolicy, App, AuthType, Key, User
from gamcli.model.plan import Plan
from gamcli.rules.credentials import Entropy, Secret, mint_api_key
from gamcli.rules.grants import TokenRequest
from gamcli.rules.scopes import is_allowed
from gamcli.store import Store, Transaction
from gamcli.store.apps import AppFilter
from gamcli.store.keys import KeyFilter
from gamcli.store.users import UserFilter

CLIENT_SECRET = Secret("gamsec_of-all-applications-of-this-test")
SCOPES = st.lists(
    st.sampled_from(["gam_user_data", "gam_user_roles", "user_email", "user_username", "fullcontrol"]), unique=True
).map(tuple)
MOSTLY = st.sampled_from([True] * 9 + [False])
TYPES = ("apikey", "second")
HOURS = st.sampled_from([None] * 6 + [1, 1, 0, -1])
ENDS = st.sampled_from([None] * 9 + ["revoked", "replaced", "invalidated"])
"""Most keys are valid, so that a change can affect them."""

Record = TypeVar("Record")

Change = Callable[[Gam, int | None], object]
"""Changes the store, given the number of keys that it may invalidate."""


class World(NamedTuple):
    """All records that the validity of keys depends on."""

    apps: dict[str, App]
    users: dict[str, User]
    auth_types: dict[str, AuthType]
    keys: dict[str, Key]


class Changing(NamedTuple):
    """A change and the record that it changes."""

    target: str
    do: Change


@st.composite
def worlds(draw: st.DrawFn, now: datetime) -> tuple[World, dict[str, Secret]]:
    types = {name: AuthType(name, "APIkey", "", draw(MOSTLY), name == TYPES[0], now, now) for name in TYPES}
    found = World({app.name: app for app in (draw(_apps(name, now)) for name in ("one", "two"))}, {}, types, {})
    for place, name in enumerate(("ana", "eva")):
        user = User(
            f"00000000-0000-4000-8000-{place:012}", name, now, now, enabled=draw(MOSTLY), blocked=not draw(MOSTLY)
        )
        found.users[name] = user
    secrets: dict[str, Secret] = {}
    entropy = random.Random(61).randbytes
    for app in found.apps.values():
        for user in found.users.values():
            for _ in range(draw(st.integers(0, 3))):
                key, secret = draw(_keys(app, user, entropy))
                found.keys[key.id], secrets[key.id] = key, secret
    return found, secrets


@st.composite
def _apps(draw: st.DrawFn, name: str, now: datetime) -> App:
    policy = ApiKeyPolicy(enabled=draw(MOSTLY), auth_type=draw(st.sampled_from([None, *TYPES])), scope_choice=True)
    return App(
        name=name,
        client_id=name[0] * 32,
        secret_digest=CLIENT_SECRET.digest(),
        created_at=now,
        updated_at=now,
        enabled=draw(MOSTLY),
        scopes=draw(SCOPES | st.just(("gam_user_data", "gam_user_roles"))),
        remote_rest=draw(MOSTLY),
        api_keys=policy,
    )


@st.composite
def _keys(draw: st.DrawFn, app: App, user: User, entropy: Entropy) -> tuple[Key, Secret]:
    key_id, secret = mint_api_key(entropy)
    now, end = app.created_at, draw(ENDS)
    expires, retires, wanted = draw(HOURS), draw(HOURS), draw(SCOPES | st.just(app.scopes))
    allowed = tuple(each for each in wanted if is_allowed(each, app.scopes))  # an active key has no others
    key = Key(
        id=key_id,
        user=user.name,
        user_guid=user.guid,
        app=app.name,
        client_id=app.client_id,
        scopes=allowed if end is None else wanted,
        digest=secret.digest(),
        created_at=now,
        expires_at=None if expires is None else now + timedelta(hours=expires),
        retires_at=None if retires is None else now + timedelta(hours=retires),
        ended_at=None if end is None else now,
        end=end,
    )
    return key, secret


FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "remote_rest": st.booleans(),
        "api_keys.enabled": st.booleans(),
        "api_keys.auth_type": st.sampled_from([None, *TYPES]),
        "description": st.just("changed"),
    },
)
APP_NAMES, USER_NAMES = st.sampled_from(["one", "two"]), st.sampled_from(["ana", "eva"])
STATES = st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "blocked": st.booleans()})


def _app_change(name: str, flags: dict[str, object], scopes: tuple[str, ...] | None) -> Changing:
    edit = ScopeEdit() if scopes is None else ScopeEdit(remove=scopes)
    return Changing(name, lambda gam, accept: apps.update(gam, name, flags, edit, accept))


CHANGES = st.one_of(
    st.builds(_app_change, APP_NAMES, FLAGS, st.none() | SCOPES),
    st.builds(_app_change, APP_NAMES, st.just({}), SCOPES),
    st.builds(lambda name, new: Changing(name, lambda gam, _: users.update(gam, name, new)), USER_NAMES, STATES),
    st.builds(
        lambda name, on: Changing(name, lambda gam, _: auth_types.update(gam, name, {"enabled": on})),
        st.sampled_from(TYPES),
        st.booleans(),
    ),
    st.builds(lambda name: Changing(name, lambda gam, accept: apps.delete(gam, name, accept)), APP_NAMES),
    st.builds(lambda name: Changing(name, lambda gam, accept: users.delete(gam, name, accept)), USER_NAMES),
    st.just(Changing("second", lambda gam, accept: auth_types.delete(gam, "second", accept))),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Path:
    path = tmp_path_factory.mktemp("preview") / "template.db"
    with Store.create(path) as made:
        repository.initialise(Gam(made, lambda: now, random.Random(62).randbytes, "tester"))
    return path


def filled(tx: Transaction, world: World) -> None:
    for auth_type in world.auth_types.values():
        keep = store.auth_types.save if auth_type.default else store.auth_types.add
        keep(tx, auth_type)
    for app in world.apps.values():
        store.apps.add(tx, app)
    for user in world.users.values():
        store.users.add(tx, user)
    for key in world.keys.values():
        store.keys.add(tx, key)


def read(gam: Gam) -> World:
    with gam.store.reading() as tx:
        return World(
            {each.name: each for each in store.apps.search(tx, AppFilter())},
            {each.name: each for each in store.users.search(tx, UserFilter())},
            {each.name: each for each in store.auth_types.search(tx)},
            {each.id: each for each in store.keys.search(tx, KeyFilter())},
        )


def others(world: World, target: str) -> World:
    def kept(some: dict[str, Record]) -> dict[str, Record]:
        return {name: each for name, each in some.items() if name != target}

    return World(kept(world.apps), kept(world.users), kept(world.auth_types), {})


def accepted(gam: Gam, secrets: dict[str, Secret]) -> set[str]:
    return set(_accepted(gam, secrets))


def _accepted(gam: Gam, secrets: dict[str, Secret]) -> Iterator[str]:
    found = read(gam)
    for key in found.keys.values():
        enabled = (each.name for each in found.auth_types.values() if each.enabled and each.type == "APIkey")
        request = TokenRequest(
            client_id=key.client_id,
            client_secret=CLIENT_SECRET,
            api_key=secrets[key.id],
            authentication_type_name=key.auth_type or next(enabled, TYPES[0]),
        )
        with gam.store.dry_run(), suppress(RefusedError):
            issuance.exchange(gam, request)
            yield key.id


def rehearsed(gam: Gam, change: Changing) -> Plan:
    rehearsal = DryRun()
    with gam.store.dry_run():
        change.do(replace(gam, dry_run=rehearsal), None)
    return rehearsal.plan()


@settings(max_examples=40)
@given(st.data())
def test_a_dry_run_reports_exactly_the_affected_keys(
    template: Path, tmp_path_factory: pytest.TempPathFactory, now: datetime, data: st.DataObject
) -> None:
    world, secrets = data.draw(worlds(now))
    change = data.draw(CHANGES)
    path = shutil.copy(template, tmp_path_factory.mktemp("preview") / "store.db")
    with Store.open(Path(path), durable=False) as opened:
        gam = Gam(opened, lambda: now, random.Random(63).randbytes, "tester")
        with opened.writing() as tx:
            filled(tx, world)
        before, could = read(gam), accepted(gam, secrets)
        assert {*before.keys} == {*world.keys}
        try:
            plan = rehearsed(gam, change)
        except GamcliError as error:
            with pytest.raises(type(error)):
                change.do(gam, None)
            assert read(gam) == before
            return
        assert (read(gam), accepted(gam, secrets)) == (before, could)
        ending, suspended = ({each.key for each in some} for some in (plan.invalidates, plan.suspends))
        if ending:
            with pytest.raises(InvalidatesKeysError):
                change.do(gam, None)
            assert read(gam) == before
        change.do(gam, len(ending))
        after, can = read(gam), accepted(gam, secrets)
    live = {key.id for key in before.keys.values() if key.is_valid(now)}
    ended = {each for each in live if each not in after.keys or not after.keys[each].is_valid(now)}
    assert ending == ended
    assert suspended == (could - can) - ended
    assert ending | suspended == (could - can) | (ended - could)
    assert all(after.keys[each].status(now) == "invalidated" for each in ended & {*after.keys})
    unchanged = {*after.keys} - ended  # `auth_type` is the setting of the application
    assert all(
        after.keys[each]._replace(auth_type=before.keys[each].auth_type) == before.keys[each] for each in unchanged
    )
    assert {*before.keys} - {*after.keys} <= {
        key.id for key in before.keys.values() if change.target in (key.app, key.user)
    }
    assert others(before, change.target) == others(after, change.target)
