"""Do the tables of all files agree: is nothing named twice, does each key ask for what its application publishes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from gamcli.errors import Problem
from gamcli.model import APIKEY, normalize_name
from gamcli.provision.desired import DesiredKey, DesiredObject, Location
from gamcli.rules import scopes

_beyond = lru_cache(maxsize=1024)(scopes.find_disallowed)  # the same few lists, in thousands of keys


def named_twice(wanted: Iterable[DesiredObject]) -> Iterator[Problem]:
    """Yield a fault for each table that names what another one named, whatever the case."""
    first: dict[str, Location] = {}
    for each in wanted:
        earlier = first.setdefault(normalize_name(each.name), each.place)
        if earlier is not each.place:
            yield each.problem(_defined(earlier))


def _defined(earlier: Location) -> str:
    return f"defined already in {earlier.file}:{earlier.line}"


def users(wanted: Iterable[DesiredObject]) -> Iterator[Problem]:
    """Yield a fault for each email that names another user too."""
    owners = {normalize_name(each.name): each for each in wanted}
    for each in wanted:
        email = each.fields.get("email")
        if isinstance(email, str) and email:
            other = owners.setdefault(normalize_name(email), each)
            if other is not each:
                yield each.problem(f"names user '{other.name}' too ({other.place.file}:{other.place.line})", "email")


def apps(wanted: Iterable[DesiredObject], auth_types: Iterable[DesiredObject]) -> Iterator[Problem]:
    """Yield a fault for each client id that names another application too, and for types that no key can have."""
    owners = {normalize_name(each.name): each for each in wanted}
    kinds = {normalize_name(each.name): each.fields.get("type", APIKEY) for each in auth_types}
    for each in wanted:
        client_id, auth_type = each.fields.get("client_id"), each.fields.get("api_keys.auth_type")
        other = owners.setdefault(normalize_name(client_id), each) if isinstance(client_id, str) else each
        if other is not each:
            where = f"{other.place.file}:{other.place.line}"
            yield each.problem(f"names application '{other.name}' too ({where})", "client_id")
        if isinstance(auth_type, str) and kinds.get(normalize_name(auth_type), APIKEY) != APIKEY:
            yield each.problem(f"authentication type '{auth_type}' is not of kind {APIKEY}", "api_keys.auth_type")


class Keys:
    """The keys of all files, beside the users and applications that the files define."""

    def __init__(self, users: Iterable[DesiredObject], apps: Iterable[DesiredObject]) -> None:
        self._users = {
            normalize_name(str(each.fields["email"])): each.name for each in users if each.fields.get("email")
        }
        self._users |= {normalize_name(each.name): each.name for each in users}
        self._apps = {normalize_name(each.name): each for each in apps}
        self._apps |= {str(each.fields["client_id"]): each for each in apps if "client_id" in each.fields}
        self._first: dict[tuple[str, str], Location] = {}

    def agreed(self, keys: Iterable[DesiredKey], faults: list[Problem]) -> Iterator[DesiredKey]:
        """Yield each key by the names of its user and application; what is wrong with one goes to `faults`."""
        for key in keys:
            user = self._users.get(normalize_name(key.user), key.user)
            app = self._apps.get(key.app) or self._apps.get(normalize_name(key.app))
            name = key.app if app is None else app.name
            earlier = self._first.setdefault((normalize_name(user), normalize_name(name)), key.place)
            if earlier is not key.place:
                faults.append(key.problem(f"a key of user '{user}' for application '{name}' is {_defined(earlier)}"))
            if app is not None and key.scopes:
                faults.extend(_unpublished(key, app))
            yield key if (user, name) == (key.user, key.app) else replace(key, user=user, app=name)


def _unpublished(key: DesiredKey, app: DesiredObject) -> Iterator[Problem]:
    published = app.fields.get("scopes")
    beyond = _beyond(key.scopes, published) if published is not None else ()
    if beyond:
        all_ = scopes.join(published) if isinstance(published, tuple) and published else "nothing"
        yield key.problem(
            f"application '{app.name}' does not publish {scopes.join(beyond)}; it publishes {all_}", "scopes"
        )
