"""
Manifests: files that list the desired authentication types, applications, users and keys.

The problems of all files are reported together, each with its file, line and key path, before anything is changed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from gamcli.errors import Problem, ProblemsError
from gamcli.model import APIKEY, normalize_name
from gamcli.provision import files, toml_format
from gamcli.provision.desired import Desired, DesiredKey, DesiredObject, Location
from gamcli.provision.fields import SECTIONS
from gamcli.provision.reader import Contents, Reader
from gamcli.rules import names, scopes

_find_disallowed = lru_cache(maxsize=1024)(scopes.find_disallowed)  # thousands of keys share a few scope lists


class InvalidManifestError(ProblemsError):
    """
    Manifests have problems; `desired` is what can be compared with a store all the same, to find more problems.

    It has no key with problems, and all applications and users, of which those in `broken` have problems. It is None
    if a problem may concern other objects, as in a file that cannot be parsed.
    """

    def __init__(
        self, problems: Sequence[Problem], desired: Desired | None, broken: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        super().__init__(problems)
        self.desired = desired
        self.broken = broken


def read(
    paths: Iterable[str | Path], environment: Mapping[str, str], owner: str | None = None, *, seed: bool = False
) -> Desired:
    """
    Return the desired state of all files and folders; raises InvalidManifestError.

    `environment` has the values of `${NAME}`. The objects of a file are managed by `owner`, by the owner that a comment
    names, or by the path of the file as it was given. A `seed` can contain secrets.
    """
    if owner is not None:
        names.check_name("an owner", owner, names.APP_NAME_LENGTH)
    contents = Contents()
    order: dict[str, int] = {}
    for file in files.read(paths, contents.problems):
        order[file.source.file] = len(order)
        Reader(file, contents, environment, owner, seed=seed).read()
    desired = replace(_merge(contents), empty_files=_find_empty_files(contents), is_seed=seed)
    if contents.problems:
        problems = sorted(contents.problems, key=lambda each: (order.get(each.file, -1), each.line))
        raise _explain(desired, problems, is_complete=all(each.file in order for each in problems))
    return desired


def _explain(desired: Desired, problems: Sequence[Problem], *, is_complete: bool) -> InvalidManifestError:
    """Return the error of a manifest; `is_complete` says whether all files could be parsed."""
    objects = {toml_format.format_path(each.location.keys): each for each in (*desired.apps, *desired.users)}
    broken, broken_keys = set[tuple[str, str]](), set[tuple[str, str]]()
    for problem in problems:
        words = problem.message.partition(": ")[0].split(".")
        section = words[0].partition("[")[0]
        item = next((objects[path] for path in accumulate(words, "{}.{}".format) if path in objects), None)
        if item is not None:
            broken.add((section, normalize_name(item.name)))
        elif section == "key":
            broken_keys.add((problem.file, words[0]))
        elif not is_complete or section in (*SECTIONS, "defaults"):
            return InvalidManifestError(problems, None)
    keys = ((key, toml_format.format_path(key.location.keys)) for key in desired.keys)
    intact = tuple(key for key, path in keys if (key.location.file, path) not in broken_keys)
    return InvalidManifestError(problems, replace(desired, keys=intact), frozenset(broken))


def _find_empty_files(contents: Contents) -> dict[str, str]:
    """Return the first file of each owner whose files name nothing that it manages: settings and defaults do not."""
    named = {each.owner for name, some in contents.objects.items() if name != "repository" for each in some}
    named |= {key.owner for key in contents.keys}
    return {owner: file for owner, file in contents.first_files.items() if owner not in named}


def _merge(contents: Contents) -> Desired:
    auth_types, apps, users, repositories = (
        contents.objects[name] for name in ("auth_type", "app", "user", "repository")
    )
    if "app" in contents.defaults:
        default_app = contents.defaults["app"].fields
        apps = [replace(app, fields={**default_app, **app.fields}) for app in apps]
    for objects in (auth_types, apps, users, repositories):
        contents.problems.extend(_check_names(objects))
    contents.problems.extend(_check_moves([*apps, *users]))
    contents.problems.extend(_check_emails(users))
    contents.problems.extend(_check_apps(apps, auth_types))
    default_key = contents.defaults["key"].fields if "key" in contents.defaults else {}
    listed_keys = [
        DesiredKey(location=location, owner=owner, references=references, **_with_defaults(fields, default_key))
        for location, owner, fields, references in contents.keys
    ]
    keys = tuple(_resolve_keys(listed_keys, users, apps, contents.problems))
    default, location = next(
        (
            (name, each.location.within("default_auth_type"))
            for each in repositories
            if isinstance(name := each.fields.get("default_auth_type"), str)
        ),
        (None, None),
    )
    guid = next((str(each.fields["guid"]) for each in repositories if "guid" in each.fields), None)
    owners = tuple(contents.first_files)
    warnings = tuple(contents.warnings)
    return Desired(
        tuple(auth_types), tuple(apps), tuple(users), keys, default, location, owners, warnings, repository_guid=guid
    )


def _with_defaults(fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a key with the defaults of those that it does not list; one expiry replaces another."""
    expiry = SECTIONS["key"].exclusive
    replaced = expiry if any(name in fields for name in expiry) else ()
    return {**{name: value for name, value in defaults.items() if name not in replaced}, **fields}


def _check_names(objects: Iterable[DesiredObject]) -> Iterator[Problem]:
    first: dict[str, Location] = {}
    for item in objects:
        earlier = first.setdefault(normalize_name(item.name), item.location)
        if earlier is not item.location:
            yield item.problem(f"already defined in {_format(earlier)}")


def _check_moves(objects: Iterable[DesiredObject]) -> Iterator[Problem]:
    """Yield a problem for each earlier name that another object has, or moves from too."""
    objects = list(objects)
    known = {(each.location.keys[0], normalize_name(each.name)): each for each in objects}
    for item in objects:
        if item.moved_from is None:
            continue
        other = known.setdefault((item.location.keys[0], normalize_name(item.moved_from)), item)
        if other is item and normalize_name(item.moved_from) == normalize_name(item.name):
            yield item.problem("is the name of the object itself", "moved_from")
        elif other is not item:
            yield item.problem(f"'{item.moved_from}' is also used in {_format(other.location)}", "moved_from")


def _check_emails(users: Iterable[DesiredObject]) -> Iterator[Problem]:
    """Yield a problem for each email that is also the name or the email of another user."""
    by_identifier = {normalize_name(user.name): user for user in users}
    for user in users:
        email = user.fields.get("email")
        if isinstance(email, str) and email:
            other = by_identifier.setdefault(normalize_name(email), user)
            if other is not user:
                yield user.problem(f"also identifies user '{other.name}' ({_format(other.location)})", "email")


def _check_apps(apps: Iterable[DesiredObject], auth_types: Iterable[DesiredObject]) -> Iterator[Problem]:
    """Yield a problem for each client ID that also identifies another application, and for unusable types."""
    by_identifier = {normalize_name(app.name): app for app in apps}
    kinds = {normalize_name(each.name): each.fields.get("type", APIKEY) for each in auth_types}
    for app in apps:
        client_id, auth_type = app.fields.get("client_id"), app.fields.get("api_keys.auth_type")
        other = by_identifier.setdefault(normalize_name(client_id), app) if isinstance(client_id, str) else app
        if other is not app:
            yield app.problem(f"also identifies application '{other.name}' ({_format(other.location)})", "client_id")
        if isinstance(auth_type, str) and kinds.get(normalize_name(auth_type), APIKEY) != APIKEY:
            yield app.problem(f"authentication type '{auth_type}' is not of type {APIKEY}", "api_keys.auth_type")


def _resolve_keys(
    keys: Iterable[DesiredKey], users: Iterable[DesiredObject], apps: Iterable[DesiredObject], problems: list[Problem]
) -> Iterator[DesiredKey]:
    """Yield each key with the names of its user and application; adds to `problems`."""
    user_names = {normalize_name(str(user.fields["email"])): user.name for user in users if user.fields.get("email")}
    user_names |= {normalize_name(user.name): user.name for user in users}
    known_apps = {normalize_name(app.name): app for app in apps}
    known_apps |= {str(app.fields["client_id"]): app for app in apps if "client_id" in app.fields}
    first: dict[tuple[str, str], Location] = {}
    for key in keys:
        user = user_names.get(normalize_name(key.user), key.user)
        app = known_apps.get(key.app) or known_apps.get(normalize_name(key.app))
        app_name = key.app if app is None else app.name
        pair = normalize_name(user), normalize_name(app_name)
        earlier = first.setdefault(pair, key.location) if key.is_current else key.location
        if earlier is not key.location:
            problems.append(
                key.problem(
                    f"a key of user '{user}' for application '{app_name}' is already defined in {_format(earlier)}"
                )
            )
        if app is not None and key.scopes:
            problems.extend(_check_scopes(key, app))
        yield key if (user, app_name) == (key.user, key.app) else replace(key, user=user, app=app_name)


def _check_scopes(key: DesiredKey, app: DesiredObject) -> Iterator[Problem]:
    published = app.fields.get("scopes")
    disallowed = _find_disallowed(key.scopes, published) if published is not None else ()
    if disallowed:
        listed = scopes.join(published) if isinstance(published, tuple) and published else "nothing"
        yield key.problem(
            f"application '{app.name}' does not publish {scopes.join(disallowed)}; it publishes {listed}", "scopes"
        )


def _format(location: Location) -> str:
    return f"{location.file}:{location.line}"
