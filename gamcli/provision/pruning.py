"""What the owners of manifests manage and name no longer: deleted when that is asked for, or only told."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from gamcli.errors import ConflictError, command
from gamcli.model import App, AuthType, User, normalize_name
from gamcli.model.plan import DELETE
from gamcli.provision.desired import DesiredObject
from gamcli.provision.draft import RELEASE, Draft, Step
from gamcli.provision.snapshot import Actual
from gamcli.store.adoptions import Manageable, identity

Named = TypeVar("Named", AuthType, App, User)


def unnamed(draft: Draft, actual: Actual) -> list[Step]:
    """
    Return the steps that delete, or let go, what is managed and named no longer, the keys left out.

    What is deleted leaves the draft at once: nothing wanted may stand on it.
    """
    desired = draft.desired
    users = [_step(actual, "user", each.name, each) for each in _left(draft, draft.users, desired.users)]
    apps = [_step(actual, "app", each.name, each) for each in _left(draft, draft.apps, desired.apps)]
    types = [_step(actual, "auth-type", each.name, each) for each in _left(draft, draft.auth_types, desired.auth_types)]
    if draft.terms.prune:
        _leave(draft.users, users)
        _leave(draft.apps, apps)
        _leave(draft.auth_types, types)
    return [*users, *apps, *types]


def _left(draft: Draft, there: Mapping[str, Named], wanted: Iterable[DesiredObject]) -> Iterator[Named]:
    named = {normalize_name(each.name) for each in wanted}
    return (each for name, each in there.items() if each.managed_by in draft.desired.owners and name not in named)


def _step(actual: Actual, kind: str, name: str, record: Manageable) -> Step:
    if identity(record) in actual.adopted:
        return Step(RELEASE, kind, name, record, replace(record, managed_by=None))
    return Step(DELETE, kind, name, record, None)


def _leave(there: dict[str, Named], steps: Iterable[Step]) -> None:
    for step in steps:
        name = normalize_name(step.name)
        if step.action == DELETE:
            del there[name]
        else:
            there[name] = replace(there[name], managed_by=None)


def prune(draft: Draft, actual: Actual, steps: list[Step]) -> None:
    """Add the steps that delete, keys first; or, when nobody asked for that, what they leave."""
    going = [step for step in steps if step.action == DELETE]
    gone = {identity(step.before)[1] for step in going if isinstance(step.before, App | User)}
    left = [
        _step(actual, "key", f"{key.user} for {key.app}", key)
        for key in actual.managed_keys
        if key.is_valid(draft.terms.now)
        and (key.user_guid, key.client_id) not in draft.pairs
        and gone.isdisjoint((key.user_guid, key.client_id))
    ]
    if not draft.terms.prune:
        draft.leaves += [*left, *steps]
        return
    draft.steps += [*left, *steps]
    for step in going:
        if step.kind == "auth-type":
            draft.held += _holding(draft, actual, step.name)


def _holding(draft: Draft, actual: Actual, name: str) -> Iterator[ConflictError]:
    """Yield why an authentication type cannot be deleted."""
    if normalize_name(draft.repository.default_auth_type) == normalize_name(name):
        yield ConflictError(
            f"authentication type '{name}' is the default of the repository",
            command("auth-type", "set-default", "ANOTHER"),
        )
    for app in actual.allowing.get(normalize_name(name), ()):
        if _still_allows(draft, actual, app, name):
            yield ConflictError(
                f"application '{app}' allows only authentication type '{name}'",
                command("app", "update", app, "--api-key-auth-type", "any"),
            )


def _still_allows(draft: Draft, actual: Actual, app: str, auth_type: str) -> bool:
    after = draft.apps.get(normalize_name(app))
    if after is None:
        return normalize_name(app) not in actual.apps
    return normalize_name(after.api_keys.auth_type or "") == normalize_name(auth_type)
