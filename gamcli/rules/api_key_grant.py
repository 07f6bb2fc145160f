"""
The API key grant: its rules in the order in which they are checked, with their messages (GAM wiki 56104).

The same rules decide at the token endpoint (`decide`), when a key is issued (`keys.issue`), and what a change does to
existing keys (`impact`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from gamcli.errors import command
from gamcli.model import APIKEY, App, AuthType, normalize_name
from gamcli.rules import durations, grants, scopes
from gamcli.rules.credentials import NO_DIGEST
from gamcli.rules.grants import Grant, GrantFacts, Rule


def _has_valid_auth_type(facts: GrantFacts) -> bool:
    auth_type, allowed = facts.auth_type, facts.known_app.api_keys.auth_type
    if auth_type is None or auth_type.type != APIKEY:
        return False
    return allowed is None or normalize_name(allowed) == normalize_name(auth_type.name)


def find_auth_type(app: App | None, auth_types: Iterable[AuthType]) -> AuthType | None:
    """
    Return the authentication type that requests with keys of `app` can name.

    That is the only one that the application allows, or else one of kind APIkey: an enabled one, the default one, the
    oldest one.
    """
    allowed = None if app is None or app.api_keys.auth_type is None else normalize_name(app.api_keys.auth_type)
    usable = (each for each in auth_types if (normalize_name(each.name) == allowed if allowed else each.type == APIKEY))
    return min(usable, key=lambda each: (not each.enabled, not each.default, each.created_at, each.name), default=None)


def _has_valid_key(facts: GrantFacts) -> bool:
    # Always compare first: the response time must not show which part was wrong.
    matches = facts.parameters.api_key.matches(facts.key.digest if facts.key else NO_DIGEST)
    if not matches or facts.user is None or facts.known_key.client_id != facts.known_app.client_id:
        return False
    username = facts.parameters.username
    return not username or facts.user.is_called(username)


def _status_is_not(status: str) -> Callable[[GrantFacts], bool]:
    return lambda facts: facts.known_key.status(facts.now) != status


def _are_key_scopes_published(facts: GrantFacts) -> bool:
    key = facts.known_key
    return key.status(facts.now) != "invalidated" and not scopes.find_disallowed(key.scopes, facts.known_app.scopes)


def _suggest_new_key(facts: GrantFacts) -> str:
    return command("key", "generate", "--user", facts.known_key.user, "--app", facts.known_key.app)


AUTH_TYPE_MISSING = Rule(
    "auth_type_missing",
    lambda f: (
        f.parameters.authentication_type_name != ""
        or f.session is not None
        or f.auth_type is None
        or f.auth_type.type == APIKEY
    ),
    lambda f: (
        f"authentication_type_name is missing, and the default type '{f.auth_type_name}' does not accept API keys"
    ),
    lambda f: f"send authentication_type_name={f.known_app.api_keys.auth_type or 'apikey'}",
)
AUTH_TYPE_WRONG = Rule(
    "auth_type_wrong",
    _has_valid_auth_type,
    lambda f: (
        f"authentication type '{f.auth_type_name}' is not allowed for API keys of application '{f.known_app.name}'"
    ),
    lambda f: (
        command("app", "update", f.known_app.name, "--api-key-auth-type", f.auth_type.name)
        if f.auth_type is not None and f.auth_type.type == APIKEY
        else command("auth-type", "list", "--type", APIKEY)
    ),
    lambda f: "not_for_keys" if f.auth_type is None or f.auth_type.type != APIKEY else "not_allowed",
)
API_KEYS_OFF = Rule(
    "api_keys_off",
    lambda f: f.known_app.api_keys.enabled,
    lambda f: f"application '{f.known_app.name}' does not accept API keys",
    lambda f: command("app", "update", f.known_app.name, "--remote-rest", "--api-keys"),
)
KEY_UNPROVEN = Rule(
    "key_unproven",
    _has_valid_key,
    lambda _: "the API key is unknown, or belongs to another application or user",
    lambda f: command("key", "show", f.key.id) if f.key else command("key", "inspect", "--api-key-file", "FILE"),
)
KEY_EXPIRED = Rule("key_expired", _status_is_not("expired"), lambda _: "the API key has expired", _suggest_new_key)
KEY_REVOKED = Rule("key_revoked", _status_is_not("revoked"), lambda _: "the API key was revoked", _suggest_new_key)
KEY_REPLACED = Rule(
    "key_replaced",
    _status_is_not("replaced"),
    lambda _: "the API key was replaced",
    lambda f: command("key", "list", "--user", f.known_key.user, "--app", f.known_key.app, "--status", "active"),
)
KEY_INVALIDATED = Rule(
    "key_invalidated",
    _are_key_scopes_published,
    lambda _: "the API key is invalid because one of its scopes was withdrawn",
    _suggest_new_key,
)
KEY_DISABLED = Rule(
    "key_disabled",
    lambda f: f.known_key.enabled,
    lambda _: "the API key is suspended: it was disabled",
    lambda f: command("key", "enable", f.known_key.id),
)
SCOPE_BEYOND = Rule(
    "scope_beyond",
    lambda f: grants.find_refused_scope(f) is None,
    lambda _: "a requested scope is not a scope of the API key",
    lambda f: command("key", "show", f.known_key.id),
    lambda f: grants.scope_cause(f, "beyond"),
)

KEY_STATE_RULES = (KEY_EXPIRED, KEY_REVOKED, KEY_REPLACED, KEY_INVALIDATED, KEY_DISABLED)
API_KEY_GRANT = (
    *grants.CLIENT_RULES,
    grants.APP_DISABLED,
    grants.REMOTE_REST_OFF,
    grants.REPOSITORY_WRONG,
    AUTH_TYPE_MISSING,
    grants.AUTH_TYPE_UNAVAILABLE,
    AUTH_TYPE_WRONG,
    API_KEYS_OFF,
    KEY_UNPROVEN,
    *KEY_STATE_RULES,
    *grants.USER_RULES,
    SCOPE_BEYOND,
)
"""The rules of the API key grant, in order: the first violated rule refuses the request."""

KEY_RULES = (grants.AUTH_TYPE_UNAVAILABLE, AUTH_TYPE_WRONG, API_KEYS_OFF, *KEY_STATE_RULES, *grants.USER_RULES)
"""The rules about the state of a key, its user and its authentication type."""

STORE_STATE_RULES = (grants.APP_DISABLED, grants.REMOTE_REST_OFF, *KEY_RULES)
"""The rules that depend only on the store, not on the request."""


def decide(facts: GrantFacts, rules: Iterable[Rule] = API_KEY_GRANT) -> Grant:
    """Return the contents of the access token, or raise RefusedError for the first violated rule."""
    grants.require(rules, facts)
    return grants.build_grant(facts, facts.requested_scopes or facts.allowed_scopes)


def decision_expires_at(facts: GrantFacts) -> datetime | None:
    """Return when `decide`, which granted these facts, could refuse them; None = never."""
    key = facts.known_key
    return durations.earliest(facts.known_app.secret_retires_at(facts.now), key.expires_at, key.retires_at)
