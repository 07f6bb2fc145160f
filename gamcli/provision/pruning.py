"""Managed objects that manifests no longer list: deleted with `prune`, otherwise only reported."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from gamcli.errors import ConflictError, DeletesObjectsError, Problem, command, format_count
from gamcli.model import App, AuthType, Key, Repository, User, normalize_name
from gamcli.model.plan import DELETE
from gamcli.provision.desired import Desired, DesiredObject
from gamcli.provision.plan import RELEASE, Pair, Step
from gamcli.provision.snapshot import Actual
from gamcli.store.adoptions import Manageable, identity

Record = TypeVar("Record", AuthType, App, User)


def find_unlisted(desired: Desired, actual: Actual) -> list[Step]:
    """Return the steps that delete, or release, all unlisted objects except keys."""

    def unlisted(records: Mapping[str, Record], objects: Iterable[DesiredObject]) -> Iterator[Record]:
        listed = {name for item in objects for name in item.names}
        return (
            record
            for name, record in records.items()
            if record.managed_by in desired.owners and name not in listed
        )  # fmt: skip

    return [
        *(_removal(actual, "user", user.name, user) for user in unlisted(actual.users, desired.users)),
        *(_removal(actual, "app", app.name, app) for app in unlisted(actual.apps, desired.apps)),
        *(_removal(actual, "auth-type", each.name, each) for each in unlisted(actual.auth_types, desired.auth_types)),
    ]


def _removal(actual: Actual, kind: str, name: str, record: Manageable) -> Step:
    if identity(record) in actual.adopted:
        return Step(RELEASE, kind, name, record, record._replace(managed_by=None))
    return Step(DELETE, kind, name, record, None)


def without(records: Mapping[str, Record], kind: str, pruned: Iterable[Step]) -> dict[str, Record]:
    """Return the records of one kind that remain after pruning."""
    remaining = dict(records)
    for step in pruned:
        name = normalize_name(step.name)
        if step.kind != kind:
            continue
        if step.action == DELETE:
            del remaining[name]
        else:
            remaining[name] = remaining[name]._replace(managed_by=None)
    return remaining


def find_unlisted_keys(actual: Actual, unlisted: Iterable[Step], listed: Iterable[Pair], now: datetime) -> list[Step]:
    """Return the steps that revoke, or release, unlisted keys; keys of deleted users and applications go with those."""
    deleted = {
        identity(step.before)[1]
        for step in unlisted
        if step.action == DELETE and isinstance(step.before, App | User)
    }  # fmt: skip
    pairs = set(listed)

    def is_unlisted(key: Key) -> bool:
        pair = key.user_guid, key.client_id
        return key.is_valid(now) and pair not in pairs and deleted.isdisjoint(pair)

    return [
        _removal(actual, "key", f"{key.user} for {key.app}", key) for key in filter(is_unlisted, actual.managed_keys)
    ]


def find_empty(desired: Desired, removals: Iterable[Step]) -> list[Problem]:
    """Return a problem for each owner whose files name nothing, if pruning would remove what it manages."""
    message = "defines no objects: --prune would delete everything that its owner manages"
    owners = {
        each.managed_by for each in (step.before for step in removals) if each and not isinstance(each, Repository)
    }
    return [Problem(file, 1, message) for owner, file in desired.empty_files.items() if owner in owners]


MAX_UNCONFIRMED = 10
"""This many objects can be deleted without their number."""


def require_accepted(count: int, accept: int | None) -> None:
    """Raise DeletesObjectsError if a plan deletes more than a few objects and `accept` is not their number."""
    if count != accept and (count > MAX_UNCONFIRMED or accept is not None):
        instead = f", not {accept}" if accept is not None else ""
        raise DeletesObjectsError(
            f"this deletes {format_count(count, 'object')}{instead}", f"add --accept-deleting {count} to confirm"
        )


def find_conflicts(
    actual: Actual, pruned: Iterable[Step], repository: Repository, apps: Mapping[str, App]
) -> Iterator[ConflictError]:
    """Yield the reasons why authentication types cannot be deleted; `repository` and `apps` are as they will be."""
    planned_apps = {app.client_id: app for app in apps.values()}
    for step in pruned:
        if step.action != DELETE or step.kind != "auth-type":
            continue
        name = normalize_name(step.name)
        if normalize_name(repository.default_auth_type) == name:
            yield ConflictError(
                f"authentication type '{step.name}' is the default of the repository",
                command("auth-type", "set-default", "ANOTHER"),
            )
        for app in actual.restricted_apps.get(name, ()):
            stored = actual.apps.get(normalize_name(app))
            planned = stored and planned_apps.get(stored.client_id)
            still_restricted = (
                stored is None if planned is None else normalize_name(planned.api_keys.auth_type or "") == name
            )
            if still_restricted:
                yield ConflictError(
                    f"application '{app}' allows only authentication type '{step.name}'",
                    command("app", "update", app, "--api-key-auth-type", "any"),
                )
