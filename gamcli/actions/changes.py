"""What the actions share: the results they return, the keys that a change affects, and how named records change."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import ConflictError, InvalidatesKeysError, UnconfirmedError, command
from gamcli.model import App, AuthType, Key, KeyImpact, User
from gamcli.rules import impact, scopes
from gamcli.rules.api_key_grant import find_auth_type
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import GrantFacts
from gamcli.store import Transaction
from gamcli.store.keys import KeyFilter

Record = TypeVar("Record")
Named = TypeVar("Named", bound=App | User | AuthType)

SaveSecret = Callable[[Record, Secret], None]
"""Saves a new secret inside the transaction that issues it, so that the record and the secret are saved together."""


def discard_secret(_: object, __: Secret) -> None:
    """Save the secret nowhere: the caller takes it from the result."""


class CreateResult(NamedTuple, Generic[Record]):
    """A new record, or an existing one with the same settings; `secret` is set when one was issued."""

    record: Record
    is_new: bool = True
    secret: Secret | None = None


class ChangeResult(NamedTuple, Generic[Record]):
    """A record after a change, the keys that the change affects, and how many access tokens it invalidates."""

    record: Record
    is_changed: bool = True
    impacts: tuple[KeyImpact, ...] = ()
    secret: Secret | None = None
    tokens: int = 0

    @property
    def suspended_count(self) -> int:
        return sum(not each.is_permanent for each in self.impacts)


class StateVerb(NamedTuple):
    """A verb that sets a flag of a record, the past tense for messages, and the verb that reverts it."""

    changes: Mapping[str, bool]
    past_tense: str
    undo: str


STATE_VERBS = {
    "enable": StateVerb({"enabled": True}, "enabled", "disable"),
    "disable": StateVerb({"enabled": False}, "disabled", "enable"),
    "block": StateVerb({"blocked": True}, "blocked", "unblock"),
    "unblock": StateVerb({"blocked": False}, "unblocked", "block"),
}


class Noun(NamedTuple):
    """A kind of named record; `field` is its name in audit actions and in the facts of a grant."""

    title: str
    field: str
    table: Any
    id_field: str
    created_details: tuple[str, ...]
    key_filter: Callable[[Any], KeyFilter]

    @property
    def command(self) -> str:
        return self.field.replace("_", "-")


NOUNS: dict[type, Noun] = {
    App: Noun(
        "application", "app", store.apps, "client_id", ("client_id", "scopes", "api_keys"),
        lambda app: KeyFilter(client_id=app.client_id),
    ),
    User: Noun("user", "user", store.users, "guid", ("guid",), lambda user: KeyFilter(user_guid=user.guid)),
    AuthType: Noun(
        "authentication type", "auth_type", store.auth_types, "name", ("type", "enabled"),
        lambda auth_type: KeyFilter(auth_type=auth_type.name),
    ),
}  # fmt: skip


def use_existing(record: Named, *, is_same: bool, if_missing: bool) -> CreateResult[Named]:
    """Return the record that a create command found, or raise ConflictError."""
    if if_missing and is_same:
        return CreateResult(record, is_new=False)
    noun = NOUNS[type(record)]
    difference = " with different settings" if if_missing else ""
    raise ConflictError(
        f"{noun.title} '{record.name}' already exists{difference}",
        command(noun.command, "show", record.name),
    )


def add(gam: Gam, tx: Transaction, record: Named) -> None:
    """Save a new record whose name is free."""
    noun = NOUNS[type(record)]
    noun.table.add(tx, record)
    details = {name: getattr(record, name) for name in noun.created_details}
    gam.record(tx, f"{noun.field}.create", record.name, (None, record), **details)


def save(
    gam: Gam, tx: Transaction, before: Named, after: Named, accept: int | None = None, verb: str = "update"
) -> ChangeResult[Named]:
    """
    Save a record, unless `after` is `before`.

    Raises InvalidatesKeysError unless `accept` is the number of keys that the change permanently invalidates.
    """
    if after is before:
        return ChangeResult(before, is_changed=False)
    noun = NOUNS[type(after)]
    impacts: tuple[KeyImpact, ...] = ()
    if impact.affects_keys(before, after):
        impacts = assess_impact(tx, gam, noun.key_filter(before), _facts_change(tx, before, after), accept)
    noun.table.save(tx, after)
    details = {"invalidated": _permanent_ids(impacts)} if noun.field == "app" else {}
    gam.record(tx, f"{noun.field}.{verb}", after.name, (before, after), **details)
    return ChangeResult(after, impacts=impacts)


def rename(gam: Gam, tx: Transaction, before: Named, name: str, other: Named | None = None) -> ChangeResult[Named]:
    """
    Save a record under a new name; everything that refers to it stays.

    Raises ConflictError if `other`, the record that the name identifies already, is not the same.
    """
    noun = NOUNS[type(before)]
    if other is not None and getattr(other, noun.id_field) != getattr(before, noun.id_field):
        raise ConflictError(
            f"'{name}' already identifies {noun.title} '{other.name}'", command(noun.command, "show", other.name)
        )
    after = before if before.name == name else before._replace(name=name, updated_at=gam.now())
    return save(gam, tx, before, after, verb="rename")  # type: ignore[arg-type] # it is of the same kind


def delete(gam: Gam, tx: Transaction, record: Named, accept: int | None, *, yes: bool) -> ChangeResult[Named]:
    """
    Delete a record; the number of the keys that this invalidates must be in `accept`.

    An application or a user takes its keys along. An authentication type has no keys.
    """
    noun = NOUNS[type(record)]
    subject = f"{noun.title} '{record.name}'"
    impacts = assess_impact(tx, gam, noun.key_filter(record), _facts_change(tx, record, None), accept)
    if not yes and accept is None and gam.dry_run is None:
        raise UnconfirmedError(f"this permanently deletes {subject}", "add --yes to confirm")
    noun.table.delete(tx, getattr(record, noun.id_field))
    gam.record(tx, f"{noun.field}.delete", record.name, (record, None), invalidated=_permanent_ids(impacts))
    return ChangeResult(record, impacts=impacts)


def _permanent_ids(impacts: tuple[KeyImpact, ...]) -> list[str]:
    return [each.key.id for each in impacts if each.is_permanent]


def _facts_change(tx: Transaction, before: Named, after: Named | None) -> impact.FactsChange:
    """Return what a change of a record, or its deletion (`after` None), does to the facts of a key."""
    noun = NOUNS[type(before)]
    auth_types = list(store.auth_types.search(tx))
    if isinstance(before, AuthType):
        planned = [each for each in auth_types if each.name != before.name]
        planned += [after] if isinstance(after, AuthType) else []
        return lambda facts: impact.apply_to_facts(facts, planned)
    if after is None:
        return lambda _: f"deletion of {noun.title} '{before.name}'"
    return lambda facts: impact.apply_to_facts(facts, auth_types, **{noun.field: after})


def parse_scopes(tx: Transaction, published: tuple[str, ...], words: Iterable[str]) -> tuple[str, ...]:
    """Parse scopes; also accept attributes that some user has or the application publishes."""
    return scopes.parse(words, partial(store.users.is_attribute_known, tx, published))


def load_issue_facts(tx: Transaction, gam: Gam, user: User, app: App) -> GrantFacts:
    """Return the facts about a new key of the user for the application."""
    return GrantFacts(gam.now(), app, find_auth_type(app, store.auth_types.search(tx)), user)


KEYS_PER_READ = 250
"""Within every limit of SQLite, and enough to save most statements."""


def load_key_facts(tx: Transaction, gam: Gam, keys: Iterable[Key]) -> Iterator[GrantFacts]:
    """Yield the facts about each key; their users are loaded together, for KEYS_PER_READ keys at a time."""
    apps = lru_cache(maxsize=256)(lambda client_id: store.apps.find_by_client_id(tx, client_id))
    types, now = lru_cache(maxsize=1)(lambda: list(store.auth_types.search(tx))), gam.now()
    auth_types = lru_cache(maxsize=256)(lambda client_id: find_auth_type(apps(client_id), types()))
    remaining = iter(keys)
    while some := [*islice(remaining, KEYS_PER_READ)]:
        users = tx.fetch(store.grant_facts.find_users_by_guid([key.user_guid for key in some]))
        for key in some:
            yield GrantFacts(now, apps(key.client_id), auth_types(key.client_id), users.get(key.user_guid), key)


def assess_impact(
    tx: Transaction, gam: Gam, filters: KeyFilter, change: impact.FactsChange, accept: int | None
) -> tuple[KeyImpact, ...]:
    """
    Return the active keys that `change` affects, and invalidate those that can never be valid again.

    Raises InvalidatesKeysError unless `accept` is the number of invalidated keys.
    """
    keys = store.keys.search(tx, filters._replace(not_ended=True))
    impacts = tuple(impact.find_impacts(change, load_key_facts(tx, gam, keys)))
    invalidated = [each for each in impacts if each.is_permanent]
    if gam.dry_run is None:
        require_accepted(invalidated, accept)
    gam.record_impact(*impacts)
    for each in invalidated:
        store.keys.record_end(tx, each.key.id, "invalidated", gam.now(), each.reason)
    return impacts


def require_accepted(invalidated: list[KeyImpact], accept: int | None) -> None:
    """Raise InvalidatesKeysError unless `accept` is the number of invalidated keys; without any it may be None."""
    if len(invalidated) != (accept or 0) or (invalidated and accept is None):
        raise invalidates_keys_error(invalidated, accept)


def invalidates_keys_error(invalidated: list[KeyImpact], accept: int | None) -> InvalidatesKeysError:
    count = "1 active key" if len(invalidated) == 1 else f"{len(invalidated):,} active keys"
    instead = f", not {accept}" if accept is not None else ""
    return InvalidatesKeysError(
        f"this permanently invalidates {count}{instead}",
        f"add --accept-invalidating {len(invalidated)} to confirm",
        invalidated,
    )
