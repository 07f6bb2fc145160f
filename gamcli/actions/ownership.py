"""Who manages what: manifests take over what is there already, and let it go again."""

from dataclasses import replace

from gamcli import store
from gamcli.actions import Gam, apps, auth_types, users
from gamcli.model import App, AuthType, Key, User
from gamcli.store import Transaction
from gamcli.store.adoptions import Manageable


def adopt(gam: Gam, tx: Transaction, record: Manageable, owner: str) -> None:
    """Let `owner` manage `record`; what nobody managed was made by hand, and is remembered so."""
    if record.managed_by is None:
        store.adoptions.add(tx, record)
    _set_owner(gam, tx, record, owner, "adopt")


def release(gam: Gam, tx: Transaction, record: Manageable) -> None:
    """Let nobody manage what was made by hand and taken over."""
    store.adoptions.remove(tx, record)
    _set_owner(gam, tx, record, None, "release")


def _set_owner(gam: Gam, tx: Transaction, record: Manageable, owner: str | None, verb: str) -> None:
    match record:
        case App():
            apps.save(gam, tx, record, replace(record, managed_by=owner), action=f"app.{verb}")
        case User():
            users.save(gam, tx, record, replace(record, managed_by=owner), f"user.{verb}")
        case AuthType():
            auth_types.save(gam, tx, record, replace(record, managed_by=owner), f"auth_type.{verb}")
        case Key():
            store.keys.set_managed_by(tx, record.id, owner)
            gam.record(tx, f"key.{verb}", record.id, (record, replace(record, managed_by=owner)))
