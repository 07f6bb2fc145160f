"""Authentication types."""

from collections.abc import Iterator
from contextlib import contextmanager

from gamcli import store
from gamcli.actions import Gam, changes
from gamcli.actions.changes import ChangeResult, CreateResult
from gamcli.errors import ConflictError, command
from gamcli.model import AuthType
from gamcli.rules import auth_types as rules
from gamcli.store import Transaction


def create(
    gam: Gam, name: str, kind: str, settings: rules.Changes, *, if_missing: bool = False
) -> CreateResult[AuthType]:
    """Create an authentication type; raises ConflictError if the name is taken."""
    auth_type = rules.create(name, kind, settings, gam.now())
    with gam.store.writing() as tx:
        existing = store.auth_types.find(tx, name)
        if existing is not None:
            is_same = (existing.name, existing.type) == (name, auth_type.type)
            is_same = is_same and rules.apply_changes(existing, settings, gam.now()) is existing
            return changes.use_existing(existing, is_same=is_same, if_missing=if_missing)
        changes.add(gam, tx, auth_type)
    return CreateResult(auth_type)


def show(gam: Gam, name: str) -> AuthType:
    with gam.store.reading() as tx:
        auth_type: AuthType = store.auth_types.get(tx, name)
    return auth_type


@contextmanager
def search(gam: Gam, *, kind: str | None, enabled: bool | None, sort: str | None) -> Iterator[Iterator[AuthType]]:
    with gam.store.reading() as tx:
        yield store.auth_types.search(tx, kind=kind, enabled=enabled, sort=sort)


def update(gam: Gam, name: str, settings: rules.Changes) -> ChangeResult[AuthType]:
    """Change settings of an authentication type; disabling it suspends the keys that no other type accepts."""
    with gam.store.writing() as tx:
        before = store.auth_types.get(tx, name)
        return changes.save(gam, tx, before, rules.apply_changes(before, settings, gam.now()))


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> ChangeResult[AuthType]:
    """Delete an authentication type; keys that no other type accepts are suspended until there is one again."""
    with gam.store.writing() as tx:
        auth_type = store.auth_types.get(tx, name)
        _require_unused(tx, auth_type)
        return changes.delete(gam, tx, auth_type, accept, yes=yes)


def _require_unused(tx: Transaction, auth_type: AuthType) -> None:
    if auth_type.default:  # GAM error 261
        raise ConflictError(
            f"authentication type '{auth_type.name}' is the default of the repository",
            command("auth-type", "set-default", "ANOTHER"),
        )
    apps = store.apps.find_names_restricted_to(tx, auth_type.name)
    if apps:
        raise ConflictError(
            f"application '{apps[0]}' allows only authentication type '{auth_type.name}'",
            command("app", "update", apps[0], "--api-key-auth-type", "any"),
        )


def set_default(gam: Gam, name: str) -> ChangeResult[AuthType]:
    """Make an authentication type the default of the repository."""
    with gam.store.writing() as tx:
        before = store.auth_types.get(tx, name)
        if before.default:
            return ChangeResult(before, is_changed=False)
        earlier, after = store.repository.get(tx).default_auth_type, before._replace(default=True)
        store.repository.set_default_auth_type(tx, before.name)
        gam.record(tx, "auth_type.set_default", before.name, (before, after), before=earlier)
    return ChangeResult(after)


DEFAULT_USE_DAYS = 30


def count_default_use(gam: Gam) -> int:
    """Return how many granted requests of the last 30 days named no authentication type."""
    with gam.store.reading() as tx:
        count: int = store.repository.load_default_type_uses(tx, gam.now(), DEFAULT_USE_DAYS)
    return count
