"""Applications."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import Changed, Created, Keep, keep_nowhere, require_yes, weigh
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import APIKEY, App, Impact
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
class AppWish:
    """What is asked of a new application; its id and secret are minted when they are not brought along."""

    name: str
    changes: rules.Changes
    scopes: tuple[str, ...] = ()
    client_id: str | None = None
    client_secret: Secret | None = None


def create(gam: Gam, wish: AppWish, keep: Keep[App] = keep_nowhere, *, if_missing: bool = False) -> Created[App]:
    """Make an application and its secret; raises ConflictError when there is one of that name or client_id."""
    secret = wish.client_secret or mint_client_secret(gam.entropy)
    client_id = wish.client_id or mint_client_id(gam.entropy)
    with gam.store.writing() as tx:
        changes = _resolved(tx, wish.changes, ScopeEdit(exactly=wish.scopes) if wish.scopes else ScopeEdit(), None)
        app = rules.create(wish.name, client_id, secret, changes, gam.now())
        found = _of_that_name(tx, app)
        if found is not None:
            return _existing(found, wish, changes, gam, if_missing=if_missing)
        add(gam, tx, app)
        if wish.client_secret is None:
            keep(app, secret)
    return Created(app, secret=None if wish.client_secret else secret)


def add(gam: Gam, tx: Transaction, app: App) -> None:
    """Keep a new application whose name and client_id are free."""
    store.apps.add(tx, app)
    told = {"client_id": app.client_id, "scopes": app.scopes, "api_keys": app.api_keys}
    gam.record(tx, "app.create", app.name, (None, app), **told)


def _of_that_name(tx: Transaction, app: App) -> App | None:
    """Return the application that the name or the client_id of `app` names already, whatever the case."""
    found = store.apps.find(tx, app.name) or store.apps.find(tx, app.client_id)
    texts = filter(rules.looks_like_client_id, (app.name, app.client_id))
    return found or next(filter(None, (store.apps.with_client_id_like(tx, text) for text in texts)), None)


def _existing(found: App, wish: AppWish, changes: rules.Changes, gam: Gam, *, if_missing: bool) -> Created[App]:
    same = (
        found.name == wish.name
        and wish.client_id in (None, found.client_id)
        and (wish.client_secret is None or wish.client_secret.matches(found.secret_digest))
        and rules.changed(found, changes, gam.now()) is found
    )
    if if_missing and same:
        return Created(found, fresh=False)
    how = " and differs" if if_missing else ""
    raise ConflictError(f"application '{found.name}' is there already{how}", command("app", "show", found.name))


def _resolved(tx: Transaction, changes: rules.Changes, edit: ScopeEdit, app: App | None) -> dict[str, object]:
    found = dict(changes)
    if edit != ScopeEdit():
        found["scopes"] = _scopes(tx, edit, app)
    asked = found.get("api_keys.auth_type")
    if isinstance(asked, str):
        auth_type = store.auth_types.named(tx, asked)
        if auth_type.type != APIKEY:
            raise UsageError(
                f"authentication type '{auth_type.name}' is of kind {auth_type.type}, not {APIKEY}",
                command("auth-type", "list", "--type", APIKEY),
            )
        found["api_keys.auth_type"] = auth_type.name
    return found


def _scopes(tx: Transaction, edit: ScopeEdit, app: App | None) -> tuple[str, ...]:
    published = app.scopes if app else ()
    parsed = partial(scopes.parse, is_attribute=partial(store.users.knows_attribute, tx, published))
    if edit.exactly is not None:
        return parsed(edit.exactly)
    assert app is not None, "a new application has no scopes to add to"
    return rules.edited_scopes(app, parsed(edit.add), parsed(edit.remove))


def show(gam: Gam, name: str) -> App:
    """Return the application named by `name`, its name or client_id."""
    with gam.store.reading() as tx:
        return store.apps.named(tx, name)


@contextmanager
def listed(gam: Gam, wanted: AppFilter) -> Iterator[Iterator[App]]:
    """Read the applications that `wanted` describes, while the `with` lasts."""
    with gam.store.reading() as tx:
        yield store.apps.each(tx, wanted)


def update(
    gam: Gam, name: str, changes: rules.Changes, edit: ScopeEdit = ScopeEdit(), accept: int | None = None
) -> Changed[App]:
    """
    Change the application; what is not named stays.

    A withdrawn scope ends the live keys that carry it, which needs their number in `accept` (raises EndsKeysError);
    other changes may suspend live keys and are done at once.
    """
    with gam.store.writing() as tx:
        before = store.apps.named(tx, name)
        after = rules.changed(before, _resolved(tx, changes, edit, before), gam.now())
        if after is before:
            return Changed(before, differs=False)
        impacts = save(gam, tx, before, after, accept)
    return Changed(after, impacts=impacts)


def save(
    gam: Gam, tx: Transaction, before: App, after: App, accept: int | None = None, action: str = "app.update"
) -> tuple[Impact, ...]:
    """Keep a changed application and return the live keys that this touches; those that it ends need `accept`."""
    keys = KeyFilter(client_id=after.client_id)
    bears = impact.bears(before, after)
    impacts = weigh(tx, gam, keys, lambda facts: replace(facts, app=after), accept) if bears else ()
    store.apps.save(tx, after)
    gam.record(tx, action, after.name, (before, after), invalidated=[each.key.id for each in impacts if each.ends])
    return impacts


def rotate_secret(
    gam: Gam, name: str, keep: Keep[App] = keep_nowhere, *, overlap: timedelta = timedelta(0)
) -> Changed[App]:
    """Give the application a new client secret; the old one retires after `overlap`, or ends now without one."""
    secret = mint_client_secret(gam.entropy)
    with gam.store.writing() as tx:
        before = store.apps.named(tx, name)
        after = rules.rotated(before, secret, gam.now(), overlap)
        store.apps.save(tx, after)
        gam.record(tx, "app.rotate_secret", after.name, (before, after))
        keep(after, secret)
    return Changed(after, secret=secret)


def delete(gam: Gam, name: str, accept: int | None, *, yes: bool = True) -> Changed[App]:
    """Delete the application; its live keys end for good, which needs their number in `accept`."""
    with gam.store.writing() as tx:
        found = store.apps.named(tx, name)
        reason = f"deletion of application '{found.name}'"
        impacts = weigh(tx, gam, KeyFilter(client_id=found.client_id), lambda _: reason, accept)
        require_yes(gam, f"application '{found.name}'", accept, yes=yes)
        store.apps.delete(tx, found.client_id)
        gam.record(tx, "app.delete", found.name, (found, None), invalidated=[each.key.id for each in impacts])
    return Changed(found, impacts=impacts)
