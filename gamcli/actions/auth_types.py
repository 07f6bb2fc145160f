"""Authentication types."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import ChangeResult, CreateResult, assess_impact, require_confirmation
from gamcli.errors import ConflictError, command
from gamcli.model import AuthType, KeyImpact
from gamcli.rules import auth_types as rules
from gamcli.rules import impact
from gamcli.store import Transaction
from gamcli.store.keys import KeyFilter


def create(
    gam: Gam, name: str, kind: str, changes: rules.Changes, *, if_missing: bool = False
) -> CreateResult[AuthType]:
    """Make an authentication type; raises ConflictError when there is one of that name."""
    wanted = rules.create(name, kind, changes, gam.now())
    with gam.store.writing() as tx:
        found = store.auth_types.find(tx, name)
        if found is not None:
            named_so = (found.name, found.type) == (name, wanted.type)
            same = named_so and rules.apply_changes(found, changes, gam.now()) is found
            if if_missing and same:
                return CreateResult(found, is_new=False)
            how = " and differs" if if_missing else ""
            raise ConflictError(
                f"authentication type '{found.name}' is there already{how}", command("auth-type", "show", found.name)
            )
        add(gam, tx, wanted)
    return CreateResult(wanted)


def add(gam: Gam, tx: Transaction, auth_type: AuthType) -> None:
    """Keep a new authentication type whose name is free."""
    store.auth_types.add(tx, auth_type)
    told = {"type": auth_type.type, "enabled": auth_type.enabled}
    gam.record(tx, "auth_type.create", auth_type.name, (None, auth_type), **told)


def show(gam: Gam, name: str) -> AuthType:
    """Return the authentication type called `name`."""
    with gam.store.reading() as tx:
        return store.auth_types.get(tx, name)


@contextmanager
def search(gam: Gam, *, kind: str | None, enabled: bool | None, sort: str | None) -> Iterator[Iterator[AuthType]]:
    """Read the authentication types of that kind and state, while the `with` lasts."""
    with gam.store.reading() as tx:
        yield store.auth_types.search(tx, kind=kind, enabled=enabled, sort=sort)


def update(gam: Gam, name: str, changes: rules.Changes) -> ChangeResult[AuthType]:
    """Change the authentication type; disabling it suspends the live keys of its kind."""
    with gam.store.writing() as tx:
        before = store.auth_types.get(tx, name)
        after = rules.apply_changes(before, changes, gam.now())
        if after is before:
            return ChangeResult(before, is_changed=False)
        impacts = save(gam, tx, before, after)
    return ChangeResult(after, impacts=impacts)


def save(
    gam: Gam, tx: Transaction, before: AuthType, after: AuthType, action: str = "auth_type.update"
) -> tuple[KeyImpact, ...]:
    """Keep a changed authentication type and return the live keys that this suspends."""
    keys = KeyFilter(auth_type=before.name)
    bears = impact.affects_keys(before, after)
    impacts = assess_impact(tx, gam, keys, lambda facts: replace(facts, auth_type=after), accept=None) if bears else ()
    store.auth_types.save(tx, after)
    gam.record(tx, action, after.name, (before, after))
    return impacts


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> ChangeResult[AuthType]:
    """Delete the authentication type; its live keys end for good, which needs their number in `accept`."""
    with gam.store.writing() as tx:
        found = store.auth_types.get(tx, name)
        _require_unused(found, store.apps.find_names_restricted_to(tx, found.name))
        reason = f"deletion of authentication type '{found.name}'"
        impacts = assess_impact(tx, gam, KeyFilter(auth_type=found.name), lambda _: reason, accept)
        require_confirmation(gam, f"authentication type '{found.name}'", accept, yes=yes)
        store.auth_types.delete(tx, found.name)
        gam.record(tx, "auth_type.delete", found.name, (found, None), invalidated=[each.key.id for each in impacts])
    return ChangeResult(found, impacts=impacts)


def _require_unused(found: AuthType, apps: list[str]) -> None:
    if found.default:  # GAM error 261
        raise ConflictError(
            f"authentication type '{found.name}' is the default of the repository",
            command("auth-type", "set-default", "ANOTHER"),
        )
    if apps:
        raise ConflictError(
            f"application '{apps[0]}' allows only authentication type '{found.name}'",
            command("app", "update", apps[0], "--api-key-auth-type", "any"),
        )


def set_default(gam: Gam, name: str) -> ChangeResult[AuthType]:
    """Make the authentication type the default of the repository."""
    with gam.store.writing() as tx:
        found = store.auth_types.get(tx, name)
        if found.default:
            return ChangeResult(found, is_changed=False)
        earlier, after = store.repository.get(tx).default_auth_type, replace(found, default=True)
        store.repository.set_default_auth_type(tx, found.name)
        gam.record(tx, "auth_type.set_default", found.name, (found, after), before=earlier)
    return ChangeResult(after)
