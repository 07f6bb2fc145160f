"""Applications."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import (
    ChangeResult,
    CreateResult,
    SaveSecret,
    assess_impact,
    discard_secret,
    require_confirmation,
)
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import APIKEY, App, KeyImpact
from gamcli.rules import apps as rules
from gamcli.rules import impact, scopes
from gamcli.rules.credentials import Secret, mint_client_id, mint_client_secret
from gamcli.store import Transaction
from gamcli.store.apps import AppFilter
from gamcli.store.keys import KeyFilter


@dataclass(frozen=True, slots=True)
class ScopeEdit:
    """What is asked of the published scopes, as words: all of them (`exactly`), or some to `add` and `remove`."""

    exactly: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppSpec:
    """What is asked of a new application; its id and secret are minted when they are not brought along."""

    name: str
    changes: rules.Changes
    scopes: tuple[str, ...] = ()
    client_id: str | None = None
    client_secret: Secret | None = None


def create(
    gam: Gam, spec: AppSpec, save_secret: SaveSecret[App] = discard_secret, *, if_missing: bool = False
) -> CreateResult[App]:
    """Make an application and its secret; raises ConflictError when there is one of that name or client_id."""
    secret = spec.client_secret or mint_client_secret(gam.entropy)
    client_id = spec.client_id or mint_client_id(gam.entropy)
    with gam.store.writing() as tx:
        changes = _resolve_changes(
            tx, spec.changes, ScopeEdit(exactly=spec.scopes) if spec.scopes else ScopeEdit(), None
        )
        app = rules.create(spec.name, client_id, secret, changes, gam.now())
        found = _find_existing(tx, app)
        if found is not None:
            return _reuse_existing(found, spec, changes, gam, if_missing=if_missing)
        add(gam, tx, app)
        if spec.client_secret is None:
            save_secret(app, secret)
    return CreateResult(app, secret=None if spec.client_secret else secret)


def add(gam: Gam, tx: Transaction, app: App) -> None:
    """Keep a new application whose name and client_id are free."""
    store.apps.add(tx, app)
    told = {"client_id": app.client_id, "scopes": app.scopes, "api_keys": app.api_keys}
    gam.record(tx, "app.create", app.name, (None, app), **told)


def _find_existing(tx: Transaction, app: App) -> App | None:
    """Return the application that the name or the client_id of `app` names already, whatever the case."""
    found = store.apps.find(tx, app.name) or store.apps.find(tx, app.client_id)
    texts = filter(rules.is_client_id, (app.name, app.client_id))
    return found or next(filter(None, (store.apps.find_by_client_id_any_case(tx, text) for text in texts)), None)


def _reuse_existing(
    existing: App, spec: AppSpec, changes: rules.Changes, gam: Gam, *, if_missing: bool
) -> CreateResult[App]:
    same = (
        existing.name == spec.name
        and spec.client_id in (None, existing.client_id)
        and (spec.client_secret is None or spec.client_secret.matches(existing.secret_digest))
        and rules.apply_changes(existing, changes, gam.now()) is existing
    )
    if if_missing and same:
        return CreateResult(existing, is_new=False)
    how = " and differs" if if_missing else ""
    raise ConflictError(f"application '{existing.name}' is there already{how}", command("app", "show", existing.name))


def _resolve_changes(tx: Transaction, changes: rules.Changes, edit: ScopeEdit, app: App | None) -> dict[str, object]:
    found = dict(changes)
    if edit != ScopeEdit():
        found["scopes"] = _resolve_scopes(tx, edit, app)
    asked = found.get("api_keys.auth_type")
    if isinstance(asked, str):
        auth_type = store.auth_types.get(tx, asked)
        if auth_type.type != APIKEY:
            raise UsageError(
                f"authentication type '{auth_type.name}' is of kind {auth_type.type}, not {APIKEY}",
                command("auth-type", "list", "--type", APIKEY),
            )
        found["api_keys.auth_type"] = auth_type.name
    return found


def _resolve_scopes(tx: Transaction, edit: ScopeEdit, app: App | None) -> tuple[str, ...]:
    published = app.scopes if app else ()
    parsed = partial(scopes.parse, is_attribute=partial(store.users.is_attribute_known, tx, published))
    if edit.exactly is not None:
        return parsed(edit.exactly)
    assert app is not None, "a new application has no scopes to add to"
    return rules.edit_scopes(app, parsed(edit.add), parsed(edit.remove))


def show(gam: Gam, name: str) -> App:
    """Return the application named by `name`, its name or client_id."""
    with gam.store.reading() as tx:
        return store.apps.get(tx, name)


@contextmanager
def search(gam: Gam, criteria: AppFilter) -> Iterator[Iterator[App]]:
    """Read the applications that `wanted` describes, while the `with` lasts."""
    with gam.store.reading() as tx:
        yield store.apps.search(tx, criteria)


def update(
    gam: Gam, name: str, changes: rules.Changes, edit: ScopeEdit = ScopeEdit(), accept: int | None = None
) -> ChangeResult[App]:
    """
    Change the application; what is not named stays.

    A withdrawn scope ends the live keys that carry it, which needs their number in `accept` (raises EndsKeysError);
    other changes may suspend live keys and are done at once.
    """
    with gam.store.writing() as tx:
        before = store.apps.get(tx, name)
        after = rules.apply_changes(before, _resolve_changes(tx, changes, edit, before), gam.now())
        if after is before:
            return ChangeResult(before, is_changed=False)
        impacts = save(gam, tx, before, after, accept)
    return ChangeResult(after, impacts=impacts)


def save(
    gam: Gam, tx: Transaction, before: App, after: App, accept: int | None = None, action: str = "app.update"
) -> tuple[KeyImpact, ...]:
    """Keep a changed application and return the live keys that this touches; those that it ends need `accept`."""
    keys = KeyFilter(client_id=after.client_id)
    bears = impact.affects_keys(before, after)
    impacts = assess_impact(tx, gam, keys, lambda facts: replace(facts, app=after), accept) if bears else ()
    store.apps.save(tx, after)
    gam.record(
        tx, action, after.name, (before, after), invalidated=[each.key.id for each in impacts if each.is_permanent]
    )
    return impacts


def rotate_secret(
    gam: Gam, name: str, save_secret: SaveSecret[App] = discard_secret, *, overlap: timedelta = timedelta(0)
) -> ChangeResult[App]:
    """Give the application a new client secret; the old one retires after `overlap`, or ends now without one."""
    secret = mint_client_secret(gam.entropy)
    with gam.store.writing() as tx:
        before = store.apps.get(tx, name)
        after = rules.rotate_secret(before, secret, gam.now(), overlap)
        store.apps.save(tx, after)
        gam.record(tx, "app.rotate_secret", after.name, (before, after))
        save_secret(after, secret)
    return ChangeResult(after, secret=secret)


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> ChangeResult[App]:
    """Delete the application; its live keys end for good, which needs their number in `accept`."""
    with gam.store.writing() as tx:
        found = store.apps.get(tx, name)
        reason = f"deletion of application '{found.name}'"
        impacts = assess_impact(tx, gam, KeyFilter(client_id=found.client_id), lambda _: reason, accept)
        require_confirmation(gam, f"application '{found.name}'", accept, yes=yes)
        store.apps.delete(tx, found.client_id)
        gam.record(tx, "app.delete", found.name, (found, None), invalidated=[each.key.id for each in impacts])
    return ChangeResult(found, impacts=impacts)
