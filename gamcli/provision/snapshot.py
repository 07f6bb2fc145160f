"""The actual state: what the store has of the objects that manifests list or manage, read in one transaction."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gamcli import store
from gamcli.model import App, AuthType, Key, Repository, User, normalize_name
from gamcli.provision.desired import Desired
from gamcli.rules import scopes
from gamcli.rules.apps import is_client_id
from gamcli.rules.credentials import api_key_lookup_id
from gamcli.rules.users import by_identifier
from gamcli.store import Transaction


@dataclass(frozen=True, slots=True)
class Actual:
    """
    All authentication types, and of the other objects those that the manifests list or their owners manage.

    Records are found by normalized name, current keys by pair. `attributes` are those that scopes refer to and at least
    one user has; `restricted_apps` are the applications that allow only one authentication type, by that type.
    """

    repository: Repository
    auth_types: Mapping[str, AuthType]
    apps: Mapping[str, App]
    users: Mapping[str, User]
    keys: Mapping[tuple[str, str], Key]
    managed_keys: tuple[Key, ...] = ()
    attributes: frozenset[str] = frozenset()
    restricted_apps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    adopted: frozenset[tuple[str, str]] = frozenset()
    provided_keys: Mapping[str, Key] = field(default_factory=dict)
    """The existing keys whose IDs are those of keys that the manifests provide."""


def read(tx: Transaction, desired: Desired) -> Actual:
    auth_types = {normalize_name(each.name): each for each in store.auth_types.search(tx)}
    apps, users = _read_apps(tx, desired), _read_users(tx, desired)
    current, managed = _read_keys(tx, desired, users)
    provided = [api_key_lookup_id(each.api_key) for each in desired.keys if each.api_key is not None]
    return Actual(
        repository=store.repository.get(tx),
        auth_types=auth_types,
        apps=apps,
        users=users,
        keys={(key.user_guid, key.client_id): key for key in current},
        managed_keys=tuple(managed),
        attributes=frozenset(
            name for name in _referenced_attributes(desired) if store.users.is_attribute_used(tx, name)
        ),
        restricted_apps={
            name: tuple(store.apps.find_names_restricted_to(tx, name))
            for name, auth_type in auth_types.items()
            if auth_type.managed_by in desired.owners
        },
        adopted=store.adoptions.load_all(tx),
        provided_keys={key.id: key for key_id in provided if (key := store.keys.find(tx, key_id)) is not None},
    )


def _read_apps(tx: Transaction, desired: Desired) -> dict[str, App]:
    names = [*(name for app in desired.apps for name in app.names), *(key.app for key in desired.keys)]
    provided = (str(app.fields["client_id"]) for app in desired.apps if "client_id" in app.fields)
    client_ids = [*provided, *filter(is_client_id, dict.fromkeys(names))]
    apps = [*store.apps.find_by_names(tx, names, client_ids), *store.apps.find_managed(tx, desired.owners)]
    return {normalize_name(app.name): app for app in apps}


def _read_users(tx: Transaction, desired: Desired) -> dict[str, User]:
    """Return users by name. Managed users are read with one query, so that most names need no separate query."""
    users = by_identifier(store.users.find_managed(tx, desired.owners))
    emails = (str(user.fields["email"]) for user in desired.users if user.fields.get("email"))
    for texts in ((name for user in desired.users for name in user.names), (key.user for key in desired.keys), emails):
        missing = [text for text in map(normalize_name, texts) if text not in users]
        users.update(by_identifier(store.users.find_by_names(tx, missing)))
    return {normalize_name(user.name): user for user in users.values()}


def _read_keys(tx: Transaction, desired: Desired, users: Mapping[str, User]) -> tuple[list[Key], list[Key]]:
    """Return the current keys of all listed pairs, and all managed keys, sorted."""
    known = by_identifier(users.values())
    known |= {
        name: known[old] for item in desired.users for name, *moved in [item.names] for old in moved if old in known
    }
    guids = {known[text].guid: None for each in desired.keys if (text := normalize_name(each.user)) in known}
    current = list(store.keys.find_current_of_users(tx, guids))
    loaded = {key.id for key in current}
    other_ids = [key_id for key_id in store.keys.find_managed_ids(tx, desired.owners) if key_id not in loaded]
    others = [key for key in (store.keys.find(tx, key_id) for key_id in other_ids) if key is not None]
    managed = [key for key in current if key.managed_by in desired.owners]
    return current, sorted(
        [*managed, *others], key=lambda key: (normalize_name(key.user), normalize_name(key.app), key.id)
    )


def _referenced_attributes(desired: Desired) -> Iterator[str]:
    lists = {app.fields.get("scopes", ()) for app in desired.apps} | {key.scopes or () for key in desired.keys}
    names = {name for words in lists if isinstance(words, tuple) for word in words for name in scopes.split(word)}
    return filter(None, map(scopes.attribute_id, names))
