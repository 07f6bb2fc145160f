"""The actual state: what the store holds of all that a set of manifests is about, read in one transaction."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gamcli import store
from gamcli.model import App, AuthType, Key, Repository, User, normalize_name
from gamcli.provision.desired import Desired
from gamcli.rules import scopes
from gamcli.rules.apps import is_client_id
from gamcli.store import Transaction


@dataclass(frozen=True, slots=True)
class Actual:
    """
    What is there: all authentication types, and what the manifests name or their owners manage of the rest.

    Records are found by the fold of their names, current keys by the GUID and the client_id of their pair. `attributes`
    are those that scopes name and some user carries; `allowing` names the applications that allow only one type.
    """

    repository: Repository
    auth_types: Mapping[str, AuthType]
    apps: Mapping[str, App]
    users: Mapping[str, User]
    keys: Mapping[tuple[str, str], Key]
    managed_keys: tuple[Key, ...] = ()
    attributes: frozenset[str] = frozenset()
    allowing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    adopted: frozenset[tuple[str, str]] = frozenset()


def read(tx: Transaction, desired: Desired) -> Actual:
    """Return what the store holds of what `desired` is about."""
    auth_types = {normalize_name(each.name): each for each in store.auth_types.search(tx)}
    apps, users = _apps(tx, desired), _users(tx, desired)
    current, managed = _keys(tx, desired, users)
    return Actual(
        repository=store.repository.get(tx),
        auth_types=auth_types,
        apps=apps,
        users=users,
        keys={(key.user_guid, key.client_id): key for key in current},
        managed_keys=tuple(managed),
        attributes=frozenset(name for name in _attributes(desired) if store.users.is_attribute_used(tx, name)),
        allowing={
            name: tuple(store.apps.find_names_restricted_to(tx, name))
            for name, each in auth_types.items()
            if each.managed_by in desired.owners
        },
        adopted=store.adoptions.load_all(tx),
    )


def called(users: Iterable[User]) -> dict[str, User]:
    """Return users by every text that names them: name, email, GUID."""
    found: dict[str, User] = {}
    for user in users:
        found[user.guid] = found[normalize_name(user.name)] = user
        if user.email:
            found[normalize_name(user.email)] = user
    return found


def _apps(tx: Transaction, desired: Desired) -> dict[str, App]:
    names = [*(each.name for each in desired.apps), *(each.app for each in desired.keys)]
    brought = (str(each.fields["client_id"]) for each in desired.apps if "client_id" in each.fields)
    client_ids = [*brought, *filter(is_client_id, dict.fromkeys(names))]
    found = [*store.apps.find_by_names(tx, names, client_ids), *store.apps.find_managed(tx, desired.owners)]
    return {normalize_name(each.name): each for each in found}


def _users(tx: Transaction, desired: Desired) -> dict[str, User]:
    """Return them by name; what is managed is read at once, so that most names need no search."""
    found = called(store.users.find_managed(tx, desired.owners))
    emails = (str(each.fields["email"]) for each in desired.users if each.fields.get("email"))
    for texts in ((each.name for each in desired.users), (each.user for each in desired.keys), emails):
        missing = [text for text in map(normalize_name, texts) if text not in found]
        found.update(called(store.users.find_by_names(tx, missing)))
    return {normalize_name(each.name): each for each in found.values()}


def _keys(tx: Transaction, desired: Desired, users: Mapping[str, User]) -> tuple[list[Key], list[Key]]:
    """Return the current keys of all for whom one is wanted, and the keys that are managed beside them."""
    known = called(users.values())
    guids = {known[text].guid: None for each in desired.keys if (text := normalize_name(each.user)) in known}
    current = list(store.keys.find_current_of_users(tx, guids))
    read = {each.id for each in current}
    others = (key_id for key_id in store.keys.find_managed_ids(tx, desired.owners) if key_id not in read)
    more = [key for key in (store.keys.find(tx, key_id) for key_id in list(others)) if key is not None]
    managed = [key for key in current if key.managed_by in desired.owners]
    return current, sorted(
        [*managed, *more], key=lambda key: (normalize_name(key.user), normalize_name(key.app), key.id)
    )


def _attributes(desired: Desired) -> Iterator[str]:
    named = {each.fields.get("scopes", ()) for each in desired.apps} | {each.scopes or () for each in desired.keys}
    words = {name for joined in named if isinstance(joined, tuple) for word in joined for name in scopes.split(word)}
    return filter(None, map(scopes.attribute_id, words))
