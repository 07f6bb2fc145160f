"""
`diff`: a pure function from the desired and the actual state to an execution plan.

Authentication types come first, then the default type, applications, users and keys, so that each step finds what it
refers to; deletions come last, in reverse order. The records are built by the same rules as in the commands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from gamcli.errors import ConflictError, Problem
from gamcli.model import App, AuthType, Repository, User, normalize_name
from gamcli.model.plan import UPDATE
from gamcli.provision import pruning
from gamcli.provision.desired import Desired, DesiredObject
from gamcli.provision.diff_keys import KeyDiff, PlannedState
from gamcli.provision.diff_objects import (
    DiffOptions,
    Fields,
    KindDiff,
    Match,
    Record,
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
from gamcli.provision.toml_format import format_key, quote
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
        lambda item, before, fields: build_user(item, before, fields, options), broken=options.broken,
    )  # fmt: skip
    keys = KeyDiff(actual, PlannedState(auth_types, apps, users), parse_scopes, options)
    for item in desired.keys:
        keys.add(item)
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
        *_find_duplicates(desired, actual, apps.records, users.records, unlisted), *keys.problems,
        *(pruning.find_empty(desired, removals) if options.prune else ()),
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
    new = (app for app in desired.apps if existing.keys().isdisjoint(app.names))
    secrets = {normalize_name(app.name): mint_client_secret(options.entropy) for app in new}

    def build(item: DesiredObject, before: App | None, fields: Fields) -> App:
        settings = resolve_settings(fields, before, auth_types, parse_scopes)
        return build_app(item, before, settings, secrets.get(normalize_name(item.name)), options)

    return diff_kind("app", desired.apps, existing, build, secrets, broken=options.broken)


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
    return repository._replace(default_auth_type=auth_type.name), []


def _find_duplicates(
    desired: Desired, actual: Actual, apps: Mapping[str, App], users: Mapping[str, User], unlisted: Iterable[Step]
) -> Iterator[Problem]:
    """Yield a problem for each name, email or ID that would identify two users or two applications."""
    left = [*unlisted]  # objects that the owners manage and no longer list: they may have been renamed
    yield from _duplicate_problems("user", desired.users, users, _user_identifiers, left)
    deleted = {name: app for name, app in actual.apps.items() if name not in apps}  # only after all other steps
    moved = {name for app in desired.apps for name in app.names}
    kept = {name: app for name, app in deleted.items() if name not in moved}
    yield from _duplicate_problems("app", desired.apps, {**kept, **apps}, _app_identifiers, left)


def _user_identifiers(user: User) -> Iterator[str]:
    return filter(None, (normalize_name(user.name), user.guid, normalize_name(user.email)))


def _app_identifiers(app: App) -> Iterator[str]:
    return iter((normalize_name(app.name), app.client_id.lower()))


def _duplicate_problems(
    kind: str,
    objects: Iterable[DesiredObject],
    records: Mapping[str, Record],
    identifiers: Callable[[Record], Iterable[str]],
    unlisted: Iterable[Step],
) -> Iterator[Problem]:
    """Report each text with two meanings at the field of the later object that has it, or else at the object."""
    listed = {normalize_name(item.name): item for item in objects}
    left = {normalize_name(step.name) for step in unlisted if step.kind == kind}
    first: dict[str, str] = {}
    for name, record in records.items():
        for text in identifiers(record):
            earlier = first.setdefault(text, name)
            places = [(each, _field_with(text, listed[each])) for each in (name, earlier) if each in listed]
            if earlier == name or not places:
                continue
            at, field = next((place for place in places if place[1]), places[0])
            other = earlier if at == name else name
            message = f"'{text}' already identifies {NOUNS[kind]} '{records[other].name}'"
            advice = "" if other in listed else _rename_advice(kind, records[other].name, is_left=other in left)
            yield listed[at].problem(message + advice, field)


def _field_with(text: str, item: DesiredObject) -> str:
    """Return the field of an object that has a text, empty if none has."""
    names = (name for name in ("email", "client_id", "guid") if normalize_name(str(item.fields.get(name, ""))) == text)
    return next(names, "")


def _rename_advice(kind: str, name: str, *, is_left: bool) -> str:
    move = f"moved_from = {quote(name)}"
    if is_left:
        return f"; if it was renamed, add {move}"
    return f"; list it as [{kind}.{format_key(name)}], or rename it with {move}"


NOUNS = {"app": "application", "user": "user"}


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
            f"{first.kind} '{first.name}' is managed by '{first.owner}'{more}", "add --adopt to take ownership"
        )
