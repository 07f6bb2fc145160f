"""Adopting and releasing records."""

from collections.abc import Callable

import pytest

from gamcli.actions import Gam, apps, auth_types, changes, keys, ownership, users
from gamcli.model import App, AuditEntry, AuthType, Key, User
from gamcli.rules.keys import IssuedKey
from gamcli.store import adoptions
from gamcli.store.adoptions import Manageable

ReadAuditLog = Callable[[], list[AuditEntry]]


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


def test_adopting_a_record_without_owner_is_remembered(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog) -> None:
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
        assert read(gam, record) == record._replace(managed_by="a.toml")
        assert audit_log()[-1].action == f"{kind}.adopt"
        with gam.store.writing() as tx:
            ownership.release(gam, tx, read(gam, record))
            assert adoptions.load_all(tx) == frozenset()
        assert read(gam, record) == record
        assert audit_log()[-1].action == f"{kind}.release"


@pytest.mark.usefixtures("portal")
def test_adopting_a_record_from_another_owner_is_not_remembered(gam: Gam, ana: User, audit_log: ReadAuditLog) -> None:
    with gam.store.writing() as tx:
        changes.save(gam, tx, ana, ana._replace(managed_by="a.toml"))
        ownership.adopt(gam, tx, ana._replace(managed_by="a.toml"), "b.toml")
        assert adoptions.load_all(tx) == frozenset()
    assert users.show(gam, "ana").managed_by == "b.toml"
    assert '["a.toml","b.toml"]' in audit_log()[-1].details


def test_adopting_affects_no_keys(gam: Gam, issued: IssuedKey) -> None:
    app: App = apps.show(gam, issued.record.app)
    with gam.store.writing() as tx:
        ownership.adopt(gam, tx, app, "a.toml")
    assert keys.show(gam, issued.record.id).is_valid(gam.now())
