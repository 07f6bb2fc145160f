"""Applications."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gamcli import store
from gamcli.actions import Gam, changes
from gamcli.actions.changes import ChangeResult, CreateResult, SaveSecret, discard_secret
from gamcli.errors import UsageError, command
from gamcli.model import APIKEY, App
from gamcli.rules import apps as rules
from gamcli.rules import names
from gamcli.rules.credentials import Secret, mint_client_id, mint_client_secret
from gamcli.store import Transaction
from gamcli.store.apps import AppFilter


@dataclass(frozen=True, slots=True)
class ScopeEdit:
    """A change of the published scopes: replace all of them with `exactly`, or `add` and `remove` some."""

    exactly: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppSpec:
    """The settings of a new application; without a client ID or secret these are generated."""

    name: str
    settings: rules.Changes
    scopes: tuple[str, ...] = ()
    client_id: str | None = None
    client_secret: Secret | None = None


def create(
    gam: Gam, spec: AppSpec, save_secret: SaveSecret[App] = discard_secret, *, if_missing: bool = False
) -> CreateResult[App]:
    """Create an application; raises ConflictError if its name or client ID is taken."""
    secret = spec.client_secret or mint_client_secret(gam.entropy)
    client_id = mint_client_id(gam.entropy) if spec.client_id is None else spec.client_id
    with gam.store.writing() as tx:
        edit = ScopeEdit(exactly=spec.scopes) if spec.scopes else ScopeEdit()
        settings = _resolve_settings(tx, spec.settings, edit, None)
        app = rules.create(spec.name, client_id, secret, settings, gam.now())
        existing = _find_existing(tx, app)
        if existing is not None:
            is_same = _matches(existing, spec) and rules.apply_changes(existing, settings, gam.now()) is existing
            return changes.use_existing(existing, is_same=is_same, if_missing=if_missing)
        changes.add(gam, tx, app)
        if spec.client_secret is None:
            save_secret(app, secret)
    return CreateResult(app, secret=None if spec.client_secret else secret)


def _find_existing(tx: Transaction, app: App) -> App | None:
    """Return the application that already has the name or client ID of `app`, ignoring case."""
    existing = store.apps.find(tx, app.name) or store.apps.find(tx, app.client_id)
    client_ids = filter(rules.is_client_id, (app.name, app.client_id))
    return existing or next(
        filter(None, (store.apps.find_by_client_id_any_case(tx, text) for text in client_ids)), None
    )


def _matches(app: App, spec: AppSpec) -> bool:
    return (
        app.name == spec.name
        and spec.client_id in (None, app.client_id)
        and (spec.client_secret is None or spec.client_secret.matches(app.secret_digest))
    )


def _resolve_settings(tx: Transaction, settings: rules.Changes, edit: ScopeEdit, app: App | None) -> dict[str, object]:
    """Replace the names of scopes and authentication types with their canonical spelling."""
    resolved = dict(settings)
    if edit != ScopeEdit():
        resolved["scopes"] = _resolve_scopes(tx, edit, app)
    name = resolved.get("api_keys.auth_type")
    if isinstance(name, str):
        auth_type = store.auth_types.get(tx, name)
        if auth_type.type != APIKEY:
            raise UsageError(
                f"authentication type '{auth_type.name}' has type {auth_type.type}, not {APIKEY}",
                command("auth-type", "list", "--type", APIKEY),
            )
        resolved["api_keys.auth_type"] = auth_type.name
    return resolved


def _resolve_scopes(tx: Transaction, edit: ScopeEdit, app: App | None) -> tuple[str, ...]:
    parse = partial(changes.parse_scopes, tx, app.scopes if app else ())
    if edit.exactly is not None:
        return parse(edit.exactly)
    assert app is not None, "a new application has no scopes to add to"
    return rules.edit_scopes(app, parse(edit.add), parse(edit.remove))


def show(gam: Gam, name: str) -> App:
    """Return the application with that name or client ID."""
    with gam.store.reading() as tx:
        return store.apps.get(tx, name)


@contextmanager
def search(gam: Gam, filters: AppFilter) -> Iterator[Iterator[App]]:
    with gam.store.reading() as tx:
        yield store.apps.search(tx, filters)


def update(
    gam: Gam, name: str, settings: rules.Changes, edit: ScopeEdit = ScopeEdit(), accept: int | None = None
) -> ChangeResult[App]:
    """
    Change settings of an application.

    A withdrawn scope invalidates the active keys that have it; their number must be in `accept`.
    """
    with gam.store.writing() as tx:
        before = store.apps.get(tx, name)
        after = rules.apply_changes(before, _resolve_settings(tx, settings, edit, before), gam.now())
        return changes.save(gam, tx, before, after, accept)


def rename(gam: Gam, name: str, new_name: str) -> ChangeResult[App]:
    """Rename an application, whose client ID, secret and keys stay; raises ConflictError if the new name is taken."""
    names.check_name("an application", new_name, names.APP_NAME_LENGTH)
    with gam.store.writing() as tx:
        before = store.apps.get(tx, name)
        other = _find_existing(tx, before._replace(name=new_name, client_id=""))
        return changes.rename(gam, tx, before, new_name, other)


def rotate_secret(
    gam: Gam, name: str, save_secret: SaveSecret[App] = discard_secret, *, overlap: timedelta = timedelta(0)
) -> ChangeResult[App]:
    """Issue a new client secret; the old one stays valid for `overlap`."""
    secret = mint_client_secret(gam.entropy)
    with gam.store.writing() as tx:
        before = store.apps.get(tx, name)
        after = rules.rotate_secret(before, secret, gam.now(), overlap)
        store.apps.save(tx, after)
        gam.record(tx, "app.rotate_secret", after.name, (before, after))
        save_secret(after, secret)
    return ChangeResult(after, secret=secret)


def set_secret_digests(
    gam: Gam, client_id: str, current: bytes, retiring: bytes | None, retiring_until: datetime | None
) -> None:
    """Make the client secrets with these digests valid, which clients already have, instead of the stored ones."""
    with gam.store.writing() as tx:
        before = store.apps.get(tx, client_id)
        after = before._replace(
            secret_digest=current, retiring_digest=retiring, retiring_until=retiring_until, updated_at=gam.now()
        )
        store.apps.save(tx, after)
        gam.record(tx, "app.rotate_secret", after.name, (before, after))


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> ChangeResult[App]:
    """Delete an application, which invalidates its keys; the number of active ones must be in `accept`."""
    with gam.store.writing() as tx:
        return changes.delete(gam, tx, store.apps.get(tx, name), accept, yes=yes)
