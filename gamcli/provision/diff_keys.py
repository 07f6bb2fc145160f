"""Which desired keys have to be issued: every pair of user and application has one active key, as listed."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.errors import Problem, RefusedError, UsageError
from gamcli.model import App, AuthType, Key, User, format_rfc3339, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision.desired import DesiredKey
from gamcli.provision.diff_objects import DiffOptions, Match, ScopeParser, unknown_name
from gamcli.provision.plan import Pair, Step
from gamcli.provision.snapshot import Actual, users_by_identifier
from gamcli.rules import durations, scopes
from gamcli.rules import keys as rules
from gamcli.rules.api_key_grant import find_auth_type
from gamcli.rules.credentials import Secret, api_key_lookup_id
from gamcli.rules.grants import GrantFacts

FIELD_OF_RULE = {
    "scope_choice_off": "scopes", "scope_beyond": "scopes",
}  # fmt: skip
"""The field of a desired key that causes the refusal, by rule."""

FIELD_OF_WORD = {
    "expires_at": "expires_at", "renew_within": "renew_within", "scope": "scopes", "label": "label",
    "api_key": "api_key",
}  # fmt: skip
"""The field of a desired key that causes a usage error, by a word of its message."""


class PlannedState(NamedTuple):
    """The records that keys refer to, as they will be, by normalized name; `failed_…` are objects with problems."""

    auth_types: Mapping[str, AuthType]
    apps: Mapping[str, App]
    users: Mapping[str, User]
    failed_apps: set[str]
    failed_users: set[str]


class KeyDiff(NamedTuple):
    """The result for all keys; `users` are the names of the users of all pairs that are listed."""

    matches: list[Match]
    problems: list[Problem]
    users: dict[Pair, str]


def diff_keys(
    keys: Iterable[DesiredKey],
    actual: Actual,
    state: PlannedState,
    parse_scopes: ScopeParser,
    options: DiffOptions,
) -> KeyDiff:
    """Compare the desired keys with the current key of each pair."""
    result = KeyDiff([], [], {})
    apps = {app.client_id.lower(): app for app in state.apps.values()} | dict(state.apps)
    users = users_by_identifier(state.users.values())
    first: dict[Pair, DesiredKey] = {}
    ids: dict[str, DesiredKey] = {}
    for item in keys:
        user, app = users.get(normalize_name(item.user)), apps.get(normalize_name(item.app))
        if user is None and normalize_name(item.user) not in state.failed_users:
            result.problems.append(item.problem(unknown_name("user", item.user, state.users.values()), "user"))
        if app is None and normalize_name(item.app) not in state.failed_apps:
            result.problems.append(item.problem(unknown_name("application", item.app, state.apps.values()), "app"))
        if user is None or app is None:
            continue
        pair = user.guid, app.client_id
        earlier = (first.setdefault(pair, item) if item.is_current else item).location
        if earlier is not item.location:
            result.problems.append(item.problem(f"this key is already defined in {earlier.file}:{earlier.line}"))
            continue
        result.users[pair] = user.name
        facts = GrantFacts(options.now, app=app, user=user, key=actual.keys.get(pair))
        try:
            known = _find_provided(item, facts, actual.provided_keys)
            step = _diff_key(item, facts, known, state, parse_scopes, options)
            _require_new_id(step, actual.provided_keys, ids.setdefault(getattr(step.after, "id", ""), item), item)
            result.matches.append(Match(item.owner, step))
        except UsageError as error:
            field = next((name for word, name in FIELD_OF_WORD.items() if word in error.message), "expires_in")
            result.problems.append(item.problem(error.message, field))
        except RefusedError as error:
            result.problems.append(item.problem(error.message, FIELD_OF_RULE.get(error.rule, "")))
    return result


def _require_new_id(step: Step, existing: Mapping[str, Key], first: DesiredKey, item: DesiredKey) -> None:
    """Raise UsageError if the key of a step is already that of another user or application."""
    key = step.after
    if first is not item:
        raise UsageError(f"this api_key is already used in {first.location.file}:{first.location.line}")
    if isinstance(key, Key) and step.before is not key and key.id in existing:
        other = existing[key.id]
        is_own = (other.user_guid, other.client_id) == (key.user_guid, key.client_id)
        hint = "; remove api_key to issue a new key" if is_own else ""
        raise UsageError(f"this api_key already exists: key {other.id} of {other.user} for {other.app}{hint}")


def _find_provided(item: DesiredKey, facts: GrantFacts, existing: Mapping[str, Key]) -> Key | None:
    """Return the key that the manifest provides if the user has it for the application, whatever its state is now."""
    known = None if item.api_key is None else existing.get(api_key_lookup_id(item.api_key))
    if known is None or item.api_key is None or not item.api_key.matches(known.digest):
        return None
    assert facts.app is not None
    assert facts.user is not None
    return known if (known.user_guid, known.client_id) == (facts.user.guid, facts.app.client_id) else None


def _diff_key(
    item: DesiredKey,
    facts: GrantFacts,
    known: Key | None,
    state: PlannedState,
    parse_scopes: ScopeParser,
    options: DiffOptions,
) -> Step:
    """
    Return the step for one key; raises UsageError and RefusedError.

    A key that the manifest provides is imported once: if it is `known`, its successor takes its place. A key of a seed
    that cannot be used is not the current key of its user and application.
    """
    app, user = facts.app, facts.user
    assert app is not None
    assert user is not None
    name = f"{user.name} for {app.name}"
    wanted_scopes = None if item.scopes is None else parse_scopes(item.scopes, app.scopes)
    current = facts.key if item.is_current else known
    if current is not None and item.is_current and not _remains_valid(current, app, options.now):
        current = None
    is_same = not item.is_current or (wanted_scopes in (None, current and current.scopes))
    if current is not None and is_same and (item.api_key is None or known is not None):
        if not _is_due(current, item, options):
            return Step(UPDATE, "key", name, current, current, item=item)
        return _renew(item, facts._replace(key=current), name, state, options)
    chosen_scopes = None if wanted_scopes == app.scopes else wanted_scopes
    key_options = rules.KeyOptions(
        chosen_scopes, _lifetime(item, options.now), item.label, managed_by=item.owner, api_key=item.api_key
    )
    issued = _issue(item, facts, app, key_options, state, options)
    return Step(UPDATE if current else CREATE, "key", name, current, *issued, item)


def _lifetime(item: DesiredKey, now: datetime) -> timedelta | None:
    """Return the lifetime of a key that is issued now; raises UsageError for a date in the past."""
    if item.expires_at is None:
        return item.expires_in
    if item.expires_at <= now:
        raise UsageError(f"expires_at is in the past: {format_rfc3339(item.expires_at)}")
    return item.expires_at - now


def _is_due(key: Key, item: DesiredKey, options: DiffOptions) -> bool:
    """
    Return whether the manifest asks to renew the key now.

    One that expires on the date in the manifest is not renewed before that date is changed, one of a seed never.
    """
    if item.renew_within is None or (options.is_seed and item.api_key is not None):
        return False
    is_as_listed = item.expires_at is not None and key.expires_at is not None and key.expires_at >= item.expires_at
    return not is_as_listed and rules.is_expiring(key, options.now, item.renew_within)


def _renew(item: DesiredKey, facts: GrantFacts, name: str, state: PlannedState, options: DiffOptions) -> Step:
    """Return the step that issues the successor of an expiring key."""
    old, app = facts.key, facts.app
    assert old is not None
    assert old.expires_at is not None
    assert app is not None
    renewal = rules.renewal_options(old)
    key_options = renewal._replace(
        expires_in=_lifetime(item, options.now) or renewal.expires_in,
        label=item.label or old.label,
        managed_by=item.owner,
    )
    issued = _issue(item, facts, app, key_options, state, options)
    note = f"expires in {durations.format_remaining(old.expires_at - options.now)}: rotate"
    return Step(UPDATE, "key", name, old, *issued, item, item.overlap, note)


def _remains_valid(key: Key, app: App, now: datetime) -> bool:
    """Return whether the key is active, and stays so with the planned application."""
    return key.is_valid(now) and not scopes.find_disallowed(key.scopes, app.scopes)


def _issue(
    item: DesiredKey,
    facts: GrantFacts,
    app: App,
    key_options: rules.KeyOptions,
    state: PlannedState,
    options: DiffOptions,
) -> tuple[Key, Secret | None]:
    """Return the new key, and its secret unless the manifest provides it."""
    auth_type = find_auth_type(app, state.auth_types.values())
    facts = GrantFacts(options.now, app=app, user=facts.user, auth_type=auth_type)
    issued = rules.issue(
        rules.with_everything_enabled(facts) if options.is_seed else facts, key_options, options.entropy
    )
    issued = issued._replace(record=rules.with_status(issued.record, item.status, options.now))
    if _is_due(issued.record, item, options):
        raise UsageError("renew_within is not shorter than the lifetime of the key: it would be renewed immediately")
    return issued.record, issued.secret if key_options.api_key is None else None
