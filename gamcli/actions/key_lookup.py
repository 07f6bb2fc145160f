"""Finding a key by its user and application, or by its complete ID."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import parse_scopes
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, NotFoundError, command
from gamcli.model import Key
from gamcli.store.apps import AppFilter


def find_matching(gam: Gam, spec: KeySpec) -> Key | None:
    """
    Return the active key of a user and application, None if there is none; for an import, the key in `spec`.

    Raises ConflictError if it has other scopes or another label than those of `spec`.
    """
    with gam.store.reading() as tx:
        user, app = store.users.get(tx, spec.user), store.apps.get(tx, spec.app)
        key = store.keys.find_current(tx, user.guid, app.client_id)
        if key is None or not key.is_valid(gam.now()):
            return None
        if spec.api_key is not None and not spec.api_key.matches(key.digest):
            return None
        requested = key.scopes if spec.scopes is None else parse_scopes(tx, app.scopes, spec.scopes)
    if set(requested) != set(key.scopes) or spec.label not in ("", key.label):
        raise ConflictError(
            f"user '{key.user}' already has a key for application '{key.app}' with different settings: {key.id}",
            command("key", "show", key.id),
        )
    return key


def exists(gam: Gam, key_id: str) -> bool:
    """Return whether there is a key with this complete ID."""
    with gam.store.reading() as tx:
        return store.keys.find(tx, key_id) is not None


def find_current(gam: Gam, user: str, app: str) -> Key:
    """Return the latest key of a user for an application; raises NotFoundError."""
    with gam.store.reading() as tx:
        found_user, found_app = store.users.get(tx, user), store.apps.get(tx, app)
        key = store.keys.find_current(tx, found_user.guid, found_app.client_id)
    if key is None:
        raise NotFoundError(
            f"user '{found_user.name}' has no key for application '{found_app.name}'",
            command("key", "generate", "--user", found_user.name, "--app", found_app.name),
        )
    return key


@dataclass(frozen=True, slots=True)
class AvailableApp:
    """An application for which a user can have a key, and the status and ID of the current key if it is valid."""

    app: str
    client_id: str
    status: str = "none"
    key: str | None = None


@contextmanager
def find_available_apps(gam: Gam, user: str) -> Iterator[Iterator[AvailableApp]]:
    """Yield the applications for which `user` can have a key."""
    with gam.store.reading() as tx:
        guid, now = store.users.get(tx, user).guid, gam.now()
        apps = store.apps.search(tx, AppFilter(enabled=True, remote_rest=True, api_keys=True))
        current = ((app, store.keys.find_current(tx, guid, app.client_id)) for app in apps)
        yield (
            AvailableApp(app.name, app.client_id, *((key.status(now), key.id) if key and key.is_valid(now) else ()))
            for app, key in current
        )
