"""Issue API keys: what an application requires of a key, a user and a scope."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.errors import RefusedError, UsageError, command, format_count
from gamcli.model import App, Key
from gamcli.model.credential_formats import API_KEY_PREFIX, CLIENT_SECRET_PREFIX
from gamcli.rules import api_key_grant, durations, grants, names, scopes
from gamcli.rules.credentials import Entropy, Secret, api_key_lookup_id, mint_api_key, parse_api_key_id

ISSUE_RULES = (
    grants.APP_DISABLED,
    grants.REMOTE_REST_OFF,
    api_key_grant.API_KEYS_OFF,
    grants.AUTH_TYPE_UNAVAILABLE,
    api_key_grant.AUTH_TYPE_WRONG,
    grants.USER_INACTIVE,
    grants.USER_BLOCKED,
)
"""The rules that a new key must satisfy, in order."""


class KeyOptions(NamedTuple):
    """
    The options of a new key: `scopes` None = all published ones, `expires_in` None = the application's timeout.

    `api_key` is a key that the client already has, None to mint one.
    A key that renews another one (`is_renewal`) has its scopes, whether users may choose scopes or not.
    """

    scopes: tuple[str, ...] | None = None
    expires_in: timedelta | None = None
    label: str = ""
    is_renewal: bool = False
    managed_by: str | None = None
    api_key: Secret | None = None


class IssuedKey(NamedTuple):
    """A new key: its record, and its secret, which is shown only once."""

    record: Key
    secret: Secret


def approve(facts: grants.GrantFacts, options: KeyOptions) -> tuple[tuple[str, ...], datetime | None]:
    """Return scopes and expiry of a key with these options, or raise RefusedError for the first violated rule."""
    grants.require(ISSUE_RULES, facts)
    names.check_text("the label", options.label)
    app = facts.known_app
    return _allowed_scopes(app, options), _key_expiry(app, options.expires_in, facts.now)


def issue(facts: grants.GrantFacts, options: KeyOptions, entropy: Entropy) -> IssuedKey:
    """Return a new key for the user and application of `facts`, or raise RefusedError for the first violated rule."""
    granted_scopes, expires_at = approve(facts, options)
    app, user, given = facts.known_app, facts.known_user, options.api_key
    key_id, secret = mint_api_key(entropy) if given is None else (api_key_lookup_id(given), given)
    record = Key(
        id=key_id,
        user=user.name,
        user_guid=user.guid,
        app=app.name,
        client_id=app.client_id,
        scopes=granted_scopes,
        digest=secret.digest(),
        created_at=facts.now,
        expires_at=expires_at,
        label=options.label,
        managed_by=options.managed_by,
        auth_type=app.api_keys.auth_type,
    )
    return IssuedKey(record, secret)


MIN_IMPORTED_LENGTH, MAX_IMPORTED_LENGTH = 20, 2048


def check_imported(api_key: Secret) -> Secret:
    """Return an API key of another system if it can be imported; the messages of UsageError do not contain it."""
    text = api_key.reveal()
    if text.startswith(API_KEY_PREFIX) and parse_api_key_id(api_key) is None:
        raise UsageError(
            "the API key is damaged: its format or checksum is wrong",
            command("key", "inspect", "--api-key-file", "FILE"),
        )
    if text.startswith(CLIENT_SECRET_PREFIX):
        raise UsageError("this is a client secret, not an API key", "use the file that contains the API key")
    if not (text.isascii() and text.isprintable()):
        raise UsageError("the API key has a character that is not printable ASCII", IMPORTED_FORM)
    if text != text.strip():
        raise UsageError("the API key begins or ends with a space", IMPORTED_FORM)
    if not MIN_IMPORTED_LENGTH <= len(text) <= MAX_IMPORTED_LENGTH:
        raise UsageError(f"the API key has {format_count(len(text), 'character')}", IMPORTED_FORM)
    return api_key


IMPORTED_FORM = f"use {MIN_IMPORTED_LENGTH} to {MAX_IMPORTED_LENGTH:,} printable ASCII characters on one line"


def renewal_options(key: Key) -> KeyOptions:
    """Return the options of the key that replaces `key`: the same scopes, label and lifetime."""
    lifetime = None if key.expires_at is None else key.expires_at - key.created_at
    return KeyOptions(key.scopes, lifetime, key.label, is_renewal=True)


STATUSES = ("active", "revoked", "expired", "suspended")
"""The statuses that a key of a seed can begin with."""


def with_status(key: Key, status: str, now: datetime) -> Key:
    """Return a new key as it is with one of STATUSES; an expired one expired an hour ago."""
    if status == "revoked":
        return key._replace(ended_at=now, end="revoked")
    if status == "suspended":
        return key._replace(disabled_at=now)
    if status == "expired":
        lifetime = DAY if key.expires_at is None else key.expires_at - key.created_at
        expired_at = now - timedelta(hours=1)
        return key._replace(created_at=expired_at - lifetime, expires_at=expired_at)
    return key


def with_everything_enabled(facts: grants.GrantFacts) -> grants.GrantFacts:
    """Return the facts without what suspends keys: a seed can contain the keys of a blocked user."""
    app, user, auth_type = facts.known_app, facts.known_user, facts.auth_type
    api_keys = replace(app.api_keys, enabled=True)
    return facts._replace(
        app=app._replace(enabled=True, remote_rest=True, api_keys=api_keys),
        user=user._replace(enabled=True, blocked=False),
        auth_type=None if auth_type is None else auth_type._replace(enabled=True),
    )


def is_expiring(key: Key, now: datetime, within: timedelta | None) -> bool:
    """Return whether `key` expires within that time; None = any time."""
    return within is None or (key.expires_at is not None and key.expires_at - now <= within)


def require_larger_lifetime(key: Key, window: timedelta | None) -> None:
    """Raise UsageError if a new key would be due for rotation immediately, with the largest `window` that works."""
    if window is None or key.expires_at is None or key.expires_at - key.created_at > window:
        return
    lifetime = key.expires_at - key.created_at
    unit = next((size for size in (DAY, timedelta(hours=1), timedelta(minutes=1)) if lifetime > size), SECOND)
    largest = unit * (-(-lifetime // unit) - 1)
    valid_for, limit = durations.format_duration(lifetime), durations.format_duration(largest)
    raise UsageError(
        f"the new key would be due for rotation immediately: it is valid for {valid_for}",
        f"use a window of at most {limit}",
    )


DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def _allowed_scopes(app: App, options: KeyOptions) -> tuple[str, ...]:
    requested = options.scopes
    if requested is None:
        return app.scopes
    if not app.api_keys.scope_choice and not options.is_renewal:
        raise RefusedError(
            "scope_choice_off",
            f"application '{app.name}' does not let users choose scopes",
            f"omit --scope, or {command('app', 'update', app.name, '--api-key-scope-choice')}",
        )
    disallowed = scopes.find_disallowed(requested, app.scopes)
    if disallowed:
        raise RefusedError(
            "scope_beyond",
            f"application '{app.name}' does not publish {scopes.join(disallowed)}",
            command("app", "update", app.name, "--add-scope", scopes.join(disallowed)),
        )
    return requested


def _key_expiry(app: App, requested: timedelta | None, now: datetime) -> datetime | None:
    if requested is not None and requested <= timedelta(0):
        raise UsageError("the lifetime of a key must be greater than 0", "use a duration such as 90d, or omit it")
    latest = durations.add_duration(now, timedelta(hours=app.api_keys.timeout_hours))
    return durations.earliest(latest, None if requested is None else durations.add_duration(now, requested))


def is_shortened(key: Key, requested: timedelta | None) -> bool:
    """Return whether the application's timeout gave `key` a shorter lifetime than requested."""
    return requested is not None and key.expires_at is not None and key.expires_at - key.created_at < requested


LAST_USED_RESOLUTION = timedelta(minutes=1)
"""The last use of a key is written at most this often."""


def should_record_use(last_used_at: datetime | None, now: datetime) -> bool:
    return last_used_at is None or now - last_used_at >= LAST_USED_RESOLUTION
