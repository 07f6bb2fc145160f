"""Who manages what: taken over, and let go again."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gamcli.actions import Gam, apps, auth_types, changes, keys, ownership, users
from gamcli.model import App, AuditEntry, AuthType, Key, User
from gamcli.rules.keys import IssuedKey
from gamcli.store import adoptions
from gamcli.store.adoptions import Manageable

Trail = Callable[[], list[AuditEntry]]


def read(gam: Gam, record: Manageable) -> Manageable:
    match record:
        case Key():
            return keys.show(gam, record.id)
        case User():
            return users.show(gam, record.guid)
        case App():
            return apps.show(gam, record.client_id)
        case AuthType():
            return auth_types.show(gam, record.name)


def test_what_nobody_manages_is_remembered_as_made_by_hand(gam: Gam, issued: IssuedKey, trail: Trail) -> None:
    key = issued.record
    records: tuple[Manageable, ...] = (
        key,
        users.show(gam, key.user),
        apps.show(gam, key.app),
        auth_types.show(gam, "apikey"),
    )
    for record, kind in zip(records, ("key", "user", "app", "auth_type"), strict=True):
        with gam.store.writing() as tx:
            ownership.adopt(gam, tx, record, "a.toml")
            assert adoptions.load_all(tx) == {adoptions.identity(record)}
        assert read(gam, record) == replace(record, managed_by="a.toml")
        assert trail()[-1].action == f"{kind}.adopt"
        with gam.store.writing() as tx:
            ownership.release(gam, tx, read(gam, record))
            assert adoptions.load_all(tx) == frozenset()
        assert read(gam, record) == record
        assert trail()[-1].action == f"{kind}.release"


@pytest.mark.usefixtures("portal")
def test_what_another_owner_gives_away_was_not_made_by_hand(gam: Gam, ana: User, trail: Trail) -> None:
    with gam.store.writing() as tx:
        changes.save(gam, tx, ana, replace(ana, managed_by="a.toml"))
        ownership.adopt(gam, tx, replace(ana, managed_by="a.toml"), "b.toml")
        assert adoptions.load_all(tx) == frozenset()
    assert users.show(gam, "ana").managed_by == "b.toml"
    assert '["a.toml","b.toml"]' in trail()[-1].details


def test_keys_feel_nothing_of_it(gam: Gam, issued: IssuedKey) -> None:
    app: App = apps.show(gam, issued.record.app)
    with gam.store.writing() as tx:
        ownership.adopt(gam, tx, app, "a.toml")
    assert keys.show(gam, issued.record.id).is_valid(gam.now())
