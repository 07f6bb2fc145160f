"""
`diff`: a pure function from the desired and the actual state to an execution plan.

Authentication types come first, then the default type, applications, users and keys, so that each step finds what it
refers to; deletions come last, in reverse order. The records are built by the same rules as in the commands.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import NamedTuple

from gamcli.errors import ConflictError, Problem
from gamcli.model import App, AuthType, Repository, User, normalize_name
from gamcli.model.plan import UPDATE
from gamcli.provision import diff_keys, pruning
from gamcli.provision.desired import Desired, DesiredObject
from gamcli.provision.diff_keys import PlannedState
from gamcli.provision.diff_objects import (
    DiffOptions,
    Fields,
    KindDiff,
    Match,
    ScopeParser,
    build_app,
    build_auth_type,
    build_user,
    diff_kind,
    resolve_settings,
    unknown_name,
)  # fmt: skip
from gamcli.provision.plan import Adoption, ExecutionPlan, Step
from gamcli.provision.snapshot import Actual
from gamcli.rules import scopes
from gamcli.rules.credentials import mint_client_secret


class Diff(NamedTuple):
    """A plan, and the reasons why it cannot be applied."""

    plan: ExecutionPlan
    problems: list[Problem]
    conflicts: list[ConflictError]


def diff(desired: Desired, actual: Actual, options: DiffOptions) -> Diff:
    """Return the steps that lead from `actual` to `desired`, with all problems and ownership conflicts."""
    unlisted = pruning.find_unlisted(desired, actual)
    pruned = unlisted if options.prune else []
    parse_scopes = _scope_parser(desired, actual)
    auth_types = diff_kind(
        "auth-type", desired.auth_types, pruning.without(actual.auth_types, "auth-type", pruned),
        lambda item, before, fields: build_auth_type(item, before, fields, options),
    )  # fmt: skip
    repository, default_problems = _planned_default(desired, actual.repository, auth_types.records)
    apps = _diff_apps(desired, pruning.without(actual.apps, "app", pruned), auth_types.records, parse_scopes, options)
    users = diff_kind(
        "user", desired.users, pruning.without(actual.users, "user", pruned),
        lambda item, before, fields: build_user(item, before, fields, options),
    )  # fmt: skip
    state = PlannedState(
        auth_types.records, repository.default_auth_type, apps.records, users.records, apps.failed, users.failed
    )
    keys = diff_keys.diff_keys(desired.keys, actual.keys, state, parse_scopes, options)
    removals = [*pruning.find_unlisted_keys(actual, unlisted, keys.users, options.now), *unlisted]
    default_step = Step(UPDATE, "repository", "repository", actual.repository, repository)
    planned = [
        *(match.step for match in auth_types.matches), default_step,
        *(match.step for match in (*apps.matches, *users.matches, *keys.matches)),
    ]  # fmt: skip
    changes = [step for step in planned if step.before is not step.after]
    adoptions, foreign = _find_adoptions(
        [*auth_types.matches, *apps.matches, *users.matches, *keys.matches], adopt=options.adopt
    )
    plan = ExecutionPlan(
        desired, (*changes, *(removals if options.prune else ())), tuple(adoptions),
        () if options.prune else tuple(removals), apps.records, keys.users, frozenset(actual.keys),
    )  # fmt: skip
    problems = [
        *auth_types.problems, *default_problems, *apps.problems, *users.problems,
        *_find_duplicates(desired, apps.records, users.records), *keys.problems,
    ]  # fmt: skip
    conflicts = pruning.find_conflicts(actual, pruned, repository, apps.records)
    return Diff(plan, problems, [*conflicts, *_ownership_conflict(foreign)])


def _diff_apps(
    desired: Desired,
    existing: Mapping[str, App],
    auth_types: Mapping[str, AuthType],
    parse_scopes: ScopeParser,
    options: DiffOptions,
) -> KindDiff[App]:
    names = (normalize_name(app.name) for app in desired.apps)
    secrets = {name: mint_client_secret(options.entropy) for name in names if name not in existing}

    def build(item: DesiredObject, before: App | None, fields: Fields) -> App:
        settings = resolve_settings(fields, before, auth_types, parse_scopes)
        return build_app(item, before, settings, secrets.get(normalize_name(item.name)), options)

    return diff_kind("app", desired.apps, existing, build, secrets)


def _scope_parser(desired: Desired, actual: Actual) -> ScopeParser:
    attributes = {*actual.attributes}
    for user in desired.users:
        listed = user.fields.get("attributes")
        attributes.update(listed if isinstance(listed, dict) else ())

    @cache
    def parse(words: tuple[str, ...], published: tuple[str, ...]) -> tuple[str, ...]:
        return scopes.parse(words, lambda name: name in attributes or f"user_{name}" in published)

    return parse


def _planned_default(
    desired: Desired, repository: Repository, auth_types: Mapping[str, AuthType]
) -> tuple[Repository, list[Problem]]:
    name, location = desired.default_auth_type, desired.default_location
    if name is None or location is None:
        return repository, []
    auth_type = auth_types.get(normalize_name(name))
    if auth_type is None:
        return repository, [location.problem(unknown_name("authentication type", name, auth_types.values()))]
    if normalize_name(auth_type.name) == normalize_name(repository.default_auth_type):
        return repository, []
    return replace(repository, default_auth_type=auth_type.name), []


def _find_duplicates(desired: Desired, apps: Mapping[str, App], users: Mapping[str, User]) -> Iterator[Problem]:
    """Yield a problem for each name, email or ID that would identify two users or two applications."""
    of_users = {users[name].guid: each for each in desired.users if (name := normalize_name(each.name)) in users}
    yield from _duplicate_problems("user", chain.from_iterable(map(_user_identifiers, users.values())), of_users)
    of_apps = {apps[name].client_id: each for each in desired.apps if (name := normalize_name(each.name)) in apps}
    identifiers = (
        (text, app.client_id)
        for app in apps.values()
        for text in (normalize_name(app.name), app.client_id.lower())
    )  # fmt: skip
    yield from _duplicate_problems("application", identifiers, of_apps)


def _user_identifiers(user: User) -> Iterator[tuple[str, str]]:
    for text in (normalize_name(user.name), user.guid, normalize_name(user.email)):
        if text:
            yield text, user.guid


def _duplicate_problems(
    noun: str, identifiers: Iterable[tuple[str, str]], objects: Mapping[str, DesiredObject]
) -> Iterator[Problem]:
    """Report each text with two meanings at the field of the later object that has it, or else at the object."""
    first: dict[str, str] = {}
    for text, record_id in identifiers:
        earlier = first.setdefault(text, record_id)
        if earlier == record_id:
            continue
        involved = [objects[each] for each in (earlier, record_id) if each in objects]
        fields = ((item, name) for item in reversed(involved) for name in ("email", "client_id"))
        places = [place for place in fields if normalize_name(str(place[0].fields.get(place[1], ""))) == text]
        for item, name in [*places, *((item, "") for item in involved)][:1]:
            yield item.problem(f"'{text}' already identifies another {noun}", name)


def _find_adoptions(matches: Iterable[Match], *, adopt: bool) -> tuple[list[Adoption], list[Adoption]]:
    """Return the records to adopt, and those that stay with another owner, which is a conflict."""
    adoptions, foreign = list[Adoption](), list[Adoption]()
    for new_owner, step in matches:
        if step.before is None or isinstance(step.before, Repository) or step.before.managed_by == new_owner:
            continue
        adoption = Adoption(step.kind, step.name, step.before.managed_by, new_owner, step.before)
        if adoption.owner is not None and not adopt:
            foreign.append(adoption)
        elif step.kind != "key" or step.before is step.after:  # a key that is replaced needs no new owner
            adoptions.append(adoption)
    return adoptions, foreign


def _ownership_conflict(foreign: list[Adoption]) -> Iterator[ConflictError]:
    if foreign:
        first, *others = foreign
        more = f", and {len(others)} more have other owners" if others else ""
        yield ConflictError(
            f"{first.kind} '{first.name}' is managed by '{first.owner}'{more}", "add --adopt to take over"
        )
