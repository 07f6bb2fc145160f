"""
The API key grant, top to bottom: which rules are judged, in which order, and what each one says (GAM wiki 56104).

The same rules decide at the token endpoint (`decide`), when a key is made (`keys.issue`), and when a change is weighed
(`impact`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from gamcli.errors import command
from gamcli.model import APIKEY, fold
from gamcli.rules import durations, grants, scopes
from gamcli.rules.credentials import NO_DIGEST
from gamcli.rules.grants import Facts, Grant, Rule


def _auth_type_is_right(facts: Facts) -> bool:
    kind, allowed = facts.auth_type, facts.the_app.api_keys.auth_type
    if kind is None or kind.type != APIKEY:
        return False
    wanted = (allowed, facts.key.auth_type if facts.key and not _is_guessed(facts) else None)
    return all(name is None or fold(name) == fold(kind.name) for name in wanted)


def _is_guessed(facts: Facts) -> bool:
    """Say whether a key was sent that is not the one of its id: of that one, nobody learns anything."""
    proven = facts.sent.api_key.matches(facts.key.digest if facts.key else NO_DIGEST)
    return not proven and facts.sent.api_key.reveal() != ""


def _key_is_proven(facts: Facts) -> bool:
    # The comparison comes first and always: a guesser's clock tells nothing about which part was wrong.
    proven = facts.sent.api_key.matches(facts.key.digest if facts.key else NO_DIGEST)
    if not proven or facts.user is None or facts.the_key.client_id != facts.the_app.client_id:
        return False
    username = facts.sent.username
    return not username or facts.user.is_called(username)


def _key_is_not(status: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.the_key.status(facts.now) != status


def _key_scopes_are_allowed(facts: Facts) -> bool:
    key = facts.the_key
    return key.status(facts.now) != "invalidated" and not scopes.beyond(key.scopes, facts.the_app.scopes)


def _scopes_are_allowed(facts: Facts) -> bool:
    return grants.are_within(scopes.split(facts.sent.scope), facts.the_key.scopes, facts.attributes)


def _allow_auth_type(facts: Facts) -> str:
    if facts.auth_type is None or facts.auth_type.type != APIKEY:
        return command("auth-type", "list", "--type", APIKEY)
    return command("app", "update", facts.the_app.name, "--api-key-auth-type", facts.auth_type.name)


def _new_key(facts: Facts) -> str:
    return command("key", "generate", "--user", facts.the_key.user, "--app", facts.the_key.app)


def _current_key(facts: Facts) -> str:
    return command("key", "list", "--user", facts.the_key.user, "--app", facts.the_key.app, "--status", "active")


def _look_at_the_key(facts: Facts) -> str:
    if facts.key is None:
        return command("key", "inspect", "--api-key-file", "FILE")
    return _show_key(facts)  # whose it is, and for which application


def _show_key(facts: Facts) -> str:
    return command("key", "show", facts.the_key.id)


AUTH_TYPE_WRONG = Rule(
    "auth_type_wrong",
    _auth_type_is_right,
    lambda f: f"authentication type '{grants.auth_type_name(f)}' is not for API keys of application '{f.the_app.name}'",
    _allow_auth_type,
)
API_KEYS_OFF = Rule(
    "api_keys_off",
    lambda f: f.the_app.api_keys.enabled,
    lambda f: f"application '{f.the_app.name}' does not take API keys",
    lambda f: command("app", "update", f.the_app.name, "--remote-rest", "--api-keys"),
)
KEY_UNPROVEN = Rule(
    "key_unproven",
    _key_is_proven,
    lambda _: "the API key is not one of this application and user",
    _look_at_the_key,
)
KEY_EXPIRED = Rule("key_expired", _key_is_not("expired"), lambda _: "the API key has expired", _new_key)
KEY_REVOKED = Rule("key_revoked", _key_is_not("revoked"), lambda _: "the API key was revoked", _new_key)
KEY_REPLACED = Rule("key_replaced", _key_is_not("replaced"), lambda _: "the API key was replaced", _current_key)
KEY_INVALIDATED = Rule(
    "key_invalidated",
    _key_scopes_are_allowed,
    lambda _: "the API key is invalid since one of its scopes was withdrawn",
    _new_key,
)
SCOPE_BEYOND = Rule(
    "scope_beyond", _scopes_are_allowed, lambda _: "a scope goes beyond those of the API key", _show_key
)

KEY_STATE_RULES = (KEY_EXPIRED, KEY_REVOKED, KEY_REPLACED, KEY_INVALIDATED)
API_KEY_GRANT = (
    *grants.CLIENT_RULES,
    grants.APP_DISABLED,
    grants.REMOTE_REST_OFF,
    grants.REPOSITORY_WRONG,
    grants.AUTH_TYPE_UNAVAILABLE,
    AUTH_TYPE_WRONG,
    API_KEYS_OFF,
    KEY_UNPROVEN,
    *KEY_STATE_RULES,
    *grants.USER_RULES,
    SCOPE_BEYOND,
)
"""The rules of the API key grant in the order in which they are judged: the first that does not hold speaks."""

KEY_RULES = (grants.AUTH_TYPE_UNAVAILABLE, AUTH_TYPE_WRONG, API_KEYS_OFF, *KEY_STATE_RULES, *grants.USER_RULES)
"""The rules about the state of a key and of what it stands on, beside its application."""

STANDING = (grants.APP_DISABLED, grants.REMOTE_REST_OFF, *KEY_RULES)
"""The rules that depend on the state of the store alone, not on what a client sends."""


def decide(facts: Facts, judged: Iterable[Rule] = API_KEY_GRANT) -> Grant:
    """Return what the token of an API key grant carries, or raise RefusedError with the rule that said no."""
    grants.require(judged, facts)
    return grants.of(facts, scopes.split(facts.sent.scope) or facts.the_key.scopes, facts.the_key)


def decided_until(facts: Facts) -> datetime | None:
    """Return the first instant at which `decide`, which granted, could refuse the same facts; None = never."""
    key = facts.the_key
    return durations.earliest(facts.the_app.secret_retires_at(facts.now), key.expires_at, key.retires_at)
