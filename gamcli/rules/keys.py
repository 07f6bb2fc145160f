"""May this key be made: what an application asks of a key, a user and a scope before it takes them."""

from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.errors import RefusedError, UsageError, command
from gamcli.model import App, Key
from gamcli.rules import api_key_grant, durations, grants, names, scopes
from gamcli.rules.credentials import Entropy, Secret, mint_api_key

ISSUING = (
    grants.APP_DISABLED,
    grants.REMOTE_REST_OFF,
    api_key_grant.API_KEYS_OFF,
    grants.AUTH_TYPE_UNAVAILABLE,
    api_key_grant.AUTH_TYPE_WRONG,
    grants.USER_INACTIVE,
    grants.USER_BLOCKED,
)
"""The rules that a new key must satisfy, in the order in which they are judged."""


class KeyTerms(NamedTuple):
    """
    What is asked of a new key: `scopes` None = all that are published, `expires_in` None = the timeout.

    One that `renews` an earlier key carries its scopes, whether users may choose some or not.
    """

    scopes: tuple[str, ...] | None = None
    expires_in: timedelta | None = None
    label: str = ""
    renews: bool = False
    managed_by: str | None = None


class IssuedKey(NamedTuple):
    """A new key: its record and, this once, its secret."""

    record: Key
    secret: Secret


class Agreed(NamedTuple):
    """What a key may be that satisfies all rules, before it is minted."""

    app: App
    auth_type: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


def agree(facts: grants.Facts, terms: KeyTerms) -> Agreed:
    """Return what a key of `terms` may be, or raise RefusedError with the rule that said no."""
    grants.require(ISSUING, facts)
    app, auth_type = facts.app, facts.auth_type
    assert app is not None
    assert auth_type is not None
    names.check_text("the label", terms.label)
    return Agreed(app, auth_type.name, _scopes(app, terms), _expiry(app, terms.expires_in, facts.now))


def issue(facts: grants.Facts, terms: KeyTerms, entropy: Entropy) -> IssuedKey:
    """Return a new key for the user and application of `facts`, or raise RefusedError with the rule that said no."""
    app, auth_type, allowed, expires_at = agree(facts, terms)
    user = facts.user
    assert user is not None
    key_id, secret = mint_api_key(entropy)
    record = Key(
        id=key_id,
        user=user.name,
        user_guid=user.guid,
        app=app.name,
        client_id=app.client_id,
        auth_type=auth_type,
        scopes=allowed,
        digest=secret.digest(),
        created_at=facts.now,
        expires_at=expires_at,
        label=terms.label,
        managed_by=terms.managed_by,
    )
    return IssuedKey(record, secret)


def renewing(key: Key) -> KeyTerms:
    """Return the terms of the key that follows `key`: its scopes, its label, and a life as long as it had."""
    life = None if key.expires_at is None else key.expires_at - key.created_at
    return KeyTerms(key.scopes, life, key.label, renews=True)


def is_due(key: Key, now: datetime, within: timedelta | None) -> bool:
    """Say whether `key` expires `within` so much time; None asks nothing."""
    return within is None or (key.expires_at is not None and key.expires_at - now <= within)


def _scopes(app: App, terms: KeyTerms) -> tuple[str, ...]:
    asked = terms.scopes
    if asked is None:
        return app.scopes
    if not app.api_keys.scope_choice and not terms.renews:
        raise RefusedError(
            "scope_choice_off",
            f"application '{app.name}' does not let users choose scopes",
            f"leave out --scope, or {command('app', 'update', app.name, '--api-key-scope-choice')}",
        )
    beyond = scopes.beyond(asked, app.scopes)
    if beyond:
        raise RefusedError(
            "scope_beyond",
            f"application '{app.name}' does not publish {scopes.join(beyond)}",
            command("app", "update", app.name, "--add-scope", scopes.join(beyond)),
        )
    return asked


def _expiry(app: App, asked: timedelta | None, now: datetime) -> datetime | None:
    if asked is not None and asked <= timedelta(0):
        raise UsageError("a key that expires at once is of no use", "a duration such as 90d, or leave it out")
    longest = durations.after(now, timedelta(hours=app.api_keys.timeout_hours))
    return durations.earliest(longest, None if asked is None else durations.after(now, asked))


def auth_type_for(app: App, asked: str | None, default: str) -> str:
    """Return the name of the type that a new key of `app` gets: as asked, as the application allows, or `default`."""
    return asked or app.api_keys.auth_type or default


def is_cut_short(key: Key, asked: timedelta | None) -> bool:
    """Say whether the application's timeout gave `key` less than was asked."""
    return asked is not None and key.expires_at is not None and key.expires_at - key.created_at < asked
