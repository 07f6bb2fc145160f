"""Which desired keys have to be issued: every pair of user and application has one active key, as listed."""

from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.errors import Problem, RefusedError, UsageError
from gamcli.model import App, AuthType, Key, User, format_rfc3339, normalize_name
from gamcli.model.plan import CREATE, UPDATE
from gamcli.provision.desired import DesiredKey
from gamcli.provision.diff_objects import DiffOptions, KindDiff, Match, ScopeParser, unknown_name
from gamcli.provision.plan import Pair, Step
from gamcli.provision.snapshot import Actual
from gamcli.rules import durations, scopes
from gamcli.rules import keys as rules
from gamcli.rules.api_key_grant import find_auth_type
from gamcli.rules.credentials import Secret, api_key_lookup_id
from gamcli.rules.grants import GrantFacts
from gamcli.rules.users import by_identifier

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
    """The records that keys refer to, as they will be."""

    auth_types: KindDiff[AuthType]
    apps: KindDiff[App]
    users: KindDiff[User]


class KeyDiff:
    """
    The steps for all keys: each desired key is compared with the current key of its pair.

    `users` are the names of the users of all pairs that are listed.
    """

    def __init__(self, actual: Actual, state: PlannedState, parse_scopes: ScopeParser, options: DiffOptions) -> None:
        self.matches, self.problems, self.users = list[Match](), list[Problem](), dict[Pair, str]()
        self._actual, self._state, self._parse_scopes, self._options = actual, state, parse_scopes, options
        apps = state.apps.records
        self._apps = {app.client_id.lower(): app for app in apps.values()} | apps
        self._users = by_identifier(state.users.records.values())
        self._first: dict[Pair, DesiredKey] = {}
        self._by_id: dict[str, DesiredKey] = {}

    def add(self, item: DesiredKey) -> None:
        """Add the step for one key, or its problems."""
        user_name, app_name = normalize_name(item.user), normalize_name(item.app)
        user, app = self._users.get(user_name), self._apps.get(app_name)
        has_failed = user_name in self._state.users.failed, app_name in self._state.apps.failed
        if user is None and not has_failed[0]:
            self._report(item, unknown_name("user", item.user, self._state.users.records.values()), "user")
        if app is None and not has_failed[1]:
            self._report(item, unknown_name("application", item.app, self._state.apps.records.values()), "app")
        if user is None or app is None or any(has_failed):
            return
        pair = user.guid, app.client_id
        earlier = (self._first.setdefault(pair, item) if item.is_current else item).location
        if earlier is not item.location:
            self._report(item, f"this key is already defined in {earlier.file}:{earlier.line}")
            return
        self.users[pair] = user.name
        try:
            step = self._find_step(item, user, app)
            self._require_new_id(step, item)
            self.matches.append(Match(item.owner, step))
        except UsageError as error:
            field = next((name for word, name in FIELD_OF_WORD.items() if word in error.message), "expires_in")
            self._report(item, error.message, field)
        except RefusedError as error:
            self._report(item, error.message, FIELD_OF_RULE.get(error.rule, ""))

    def _report(self, item: DesiredKey, message: str, field: str = "") -> None:
        self.problems.append(item.problem(message, field))

    def _require_new_id(self, step: Step, item: DesiredKey) -> None:
        """Raise UsageError if the key of a step is already that of another user or application."""
        key = step.after
        assert isinstance(key, Key)
        first = self._by_id.setdefault(key.id, item)
        if first is not item:
            raise UsageError(f"this api_key is already used in {first.location.file}:{first.location.line}")
        other = self._actual.provided_keys.get(key.id)
        if other is not None and step.before is not key:
            is_own = (other.user_guid, other.client_id) == (key.user_guid, key.client_id)
            hint = "; remove api_key to issue a new key" if is_own else ""
            raise UsageError(f"this api_key already exists: key {other.id} of {other.user} for {other.app}{hint}")

    def _find_provided(self, item: DesiredKey, pair: Pair) -> Key | None:
        """Return the key that the manifest provides if the user has it for the application, whatever its state."""
        if item.api_key is None:
            return None
        known = self._actual.provided_keys.get(api_key_lookup_id(item.api_key))
        is_same = known and item.api_key.matches(known.digest) and (known.user_guid, known.client_id) == pair
        return known if is_same else None

    def _find_step(self, item: DesiredKey, user: User, app: App) -> Step:
        """
        Return the step for one key; raises UsageError and RefusedError.

        A key that the manifest provides is imported once: if the user has it already, its successor takes its place. A
        key of a seed that cannot be used is not the current key of its user and application.
        """
        now, name, pair = self._options.now, f"{user.name} for {app.name}", (user.guid, app.client_id)
        requested_scopes = None if item.scopes is None else self._parse_scopes(item.scopes, app.scopes)
        known = self._find_provided(item, pair)
        current = self._actual.keys.get(pair) if item.is_current else known
        if current is not None and item.is_current and not _remains_valid(current, app, now):
            current = None
        is_same = not item.is_current or (requested_scopes in (None, current and current.scopes))
        if current is not None and is_same and (item.api_key is None or known is not None):
            if not self._is_due(current, item):
                return Step(UPDATE, "key", name, current, current, item=item)
            successor = self._issue(item, user, app, _renewal_options(item, current, now))
            return Step(UPDATE, "key", name, current, *successor, item, item.overlap, _renewal_note(current, now))
        chosen_scopes = None if requested_scopes == app.scopes else requested_scopes
        key_options = rules.KeyOptions(
            chosen_scopes, _lifetime(item, now), item.label, managed_by=item.owner, api_key=item.api_key
        )
        return Step(
            UPDATE if current else CREATE, "key", name, current, *self._issue(item, user, app, key_options), item
        )

    def _is_due(self, key: Key, item: DesiredKey) -> bool:
        """
        Return whether the manifest asks to renew the key now.

        One that expires on the date in the manifest is not renewed before that date is changed, one of a seed never.
        """
        if item.renew_within is None or (self._options.is_seed and item.api_key is not None):
            return False
        is_as_listed = item.expires_at is not None and key.expires_at is not None and key.expires_at >= item.expires_at
        return not is_as_listed and rules.is_expiring(key, self._options.now, item.renew_within)

    def _issue(
        self, item: DesiredKey, user: User, app: App, key_options: rules.KeyOptions
    ) -> tuple[Key, Secret | None]:
        """Return the new key, and its secret unless the manifest provides it."""
        now, auth_types = self._options.now, self._state.auth_types.records.values()
        facts = GrantFacts(now, app=app, user=user, auth_type=find_auth_type(app, auth_types))
        if self._options.is_seed:
            facts = rules.with_everything_enabled(facts)
        issued = rules.issue(facts, key_options, self._options.entropy)
        key = rules.with_status(issued.record, item.status, now)
        if self._is_due(key, item):
            raise UsageError(
                "renew_within is not shorter than the lifetime of the key: it would be renewed immediately"
            )
        return key, issued.secret if key_options.api_key is None else None


def _remains_valid(key: Key, app: App, now: datetime) -> bool:
    """Return whether the key is active, and stays so with the planned application."""
    return key.is_valid(now) and not scopes.find_disallowed(key.scopes, app.scopes)


def _lifetime(item: DesiredKey, now: datetime) -> timedelta | None:
    """Return the lifetime of a key that is issued now; raises UsageError for a date in the past."""
    if item.expires_at is None:
        return item.expires_in
    if item.expires_at <= now:
        raise UsageError(f"expires_at is in the past: {format_rfc3339(item.expires_at)}")
    return item.expires_at - now


def _renewal_options(item: DesiredKey, old: Key, now: datetime) -> rules.KeyOptions:
    renewal = rules.renewal_options(old)
    lifetime = _lifetime(item, now) or renewal.expires_in
    return renewal._replace(expires_in=lifetime, label=item.label or old.label, managed_by=item.owner)


def _renewal_note(old: Key, now: datetime) -> str:
    assert old.expires_at is not None
    return f"expires in {durations.format_remaining(old.expires_at - now)}: rotate"
