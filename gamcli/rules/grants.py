"""
The protocol of the API key grant, top to bottom: which rules are judged, in which order, and what each one says.

A `Rule` is judged on `Facts`: what was sent, and what the store holds about it; what is missing is None. The same rules
decide at the token endpoint (`decide`), when a key is made (`keys.issue`), and when a change is weighed (`impact`).
Their names are those of the refusal table in `server.refusals`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gamcli.errors import RefusedError, command
from gamcli.model import APIKEY, App, AuthType, Key, Repository, User, fold
from gamcli.rules import durations, scopes
from gamcli.rules.credentials import NO_DIGEST, NO_SECRET, Secret


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The parameters of a request to access_token (GAM wiki 56104); text that was not sent is empty."""

    client_id: str = ""
    client_secret: Secret = NO_SECRET
    api_key: Secret = NO_SECRET
    authentication_type_name: str = ""
    username: str = ""
    scope: str = ""
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What the rules are judged on; None is what does not exist or was not asked for.

    `attributes` are those that the request's scopes name and some user carries.
    """

    now: datetime
    app: App | None = None
    auth_type: AuthType | None = None
    user: User | None = None
    key: Key | None = None
    repository: Repository | None = None
    request: TokenRequest | None = None
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: does it hold, what does its refusal say, and which command mends it (if one does)."""

    name: str
    holds: Callable[[Facts], bool]
    says: Callable[[Facts], str]
    mend: Callable[[Facts], str | None] = lambda _: None

    def refusal(self, facts: Facts) -> RefusedError:
        """Return the refusal that this rule raises for `facts`."""
        return RefusedError(self.name, self.says(facts), self.mend(facts))


@dataclass(frozen=True, slots=True)
class Grant:
    """
    What an access token of the repository with that GUID carries, as decided at that instant.

    `expires_in` is in seconds (0 = never), `user_guid` empty when ids are not shared.
    """

    at: datetime
    repository: str
    key: Key
    app: App
    user: User
    scopes: tuple[str, ...]
    expires_at: datetime | None
    expires_in: int
    user_guid: str


def _request(facts: Facts) -> TokenRequest:
    return facts.request or TokenRequest()


def _app(facts: Facts) -> App:
    assert facts.app is not None, "judged after the rule that the application is known"
    return facts.app


def _key(facts: Facts) -> Key:
    assert facts.key is not None, "judged after the rule that the key is proven"
    return facts.key


def _user(facts: Facts) -> User:
    assert facts.user is not None, "judged after the rule that the key is proven"
    return facts.user


def _secret_is_right(facts: Facts) -> bool:
    # Two comparisons, always: a guesser's clock does not tell whether an earlier secret is still good.
    app, sent = _app(facts), _request(facts).client_secret
    is_present, is_earlier = sent.matches(app.secret_digest), sent.matches(app.retiring_digest or NO_DIGEST)
    return is_present or (is_earlier and app.secret_retires_at(facts.now) is not None)


def _repository_is_this(facts: Facts) -> bool:
    asked = _request(facts).repository.lower()
    return not asked or facts.repository is None or asked == facts.repository.guid


def _auth_type_is_right(facts: Facts) -> bool:
    kind, allowed = facts.auth_type, _app(facts).api_keys.auth_type
    if kind is None or kind.type != APIKEY:
        return False
    wanted = (allowed, facts.key.auth_type if facts.key else None)
    return all(name is None or fold(name) == fold(kind.name) for name in wanted)


def _auth_type_name(facts: Facts) -> str:
    return facts.auth_type.name if facts.auth_type else _request(facts).authentication_type_name


def _key_is_proven(facts: Facts) -> bool:
    # The comparison comes first and always: a guesser's clock tells nothing about which part was wrong.
    proven = _request(facts).api_key.matches(facts.key.digest if facts.key else NO_DIGEST)
    if not proven or facts.user is None or _key(facts).client_id != _app(facts).client_id:
        return False
    username = _request(facts).username
    return not username or facts.user.is_called(username)


def _key_is_not(status: str) -> Callable[[Facts], bool]:
    return lambda facts: _key(facts).status(facts.now) != status


def _key_scopes_are_allowed(facts: Facts) -> bool:
    key = _key(facts)
    return key.status(facts.now) != "invalidated" and not scopes.beyond(key.scopes, _app(facts).scopes)


def _scopes_are_allowed(facts: Facts) -> bool:
    wanted, held = scopes.split(_request(facts).scope), _key(facts).scopes
    named = {name: scopes.attribute_id(name) for name in wanted if name not in held}
    return not scopes.beyond(wanted, held) and all(each in facts.attributes for each in named.values() if each)


def _allow_auth_type(facts: Facts) -> str:
    if facts.auth_type is None or facts.auth_type.type != APIKEY:
        return command("auth-type", "list", "--type", APIKEY)
    return command("app", "update", _app(facts).name, "--api-key-auth-type", facts.auth_type.name)


def _new_key(facts: Facts) -> str:
    return command("key", "generate", "--user", _key(facts).user, "--app", _key(facts).app)


def _current_key(facts: Facts) -> str:
    return command("key", "list", "--user", _key(facts).user, "--app", _key(facts).app, "--status", "active")


CLIENT_ID_MISSING = Rule(
    "client_id_missing", lambda f: bool(_request(f).client_id), lambda _: "no client_id", lambda _: None
)
CLIENT_UNKNOWN = Rule(
    "client_unknown",
    lambda f: f.app is not None,
    lambda f: f"no application has the client_id '{_request(f).client_id}'",
    lambda _: command("app", "list"),
)
CLIENT_SECRET_WRONG = Rule(
    "client_secret_wrong",
    _secret_is_right,
    lambda f: f"the client secret is not that of application '{_app(f).name}'",
    lambda f: command("app", "rotate-secret", _app(f).name),
)
APP_DISABLED = Rule(
    "app_disabled",
    lambda f: _app(f).enabled,
    lambda f: f"application '{_app(f).name}' is disabled",
    lambda f: command("app", "enable", _app(f).name),
)
REMOTE_REST_OFF = Rule(
    "remote_rest_off",
    lambda f: _app(f).remote_rest,
    lambda f: f"application '{_app(f).name}' does not allow remote REST authentication",
    lambda f: command("app", "update", _app(f).name, "--remote-rest"),
)
REPOSITORY_WRONG = Rule(
    "repository_wrong", _repository_is_this, lambda f: f"'{_request(f).repository}' is not this repository"
)
AUTH_TYPE_UNAVAILABLE = Rule(
    "auth_type_unavailable",
    lambda f: f.auth_type is not None and f.auth_type.enabled,
    lambda f: f"authentication type '{_auth_type_name(f)}' is unknown or disabled",
    lambda f: command("auth-type", "update", _auth_type_name(f), "--enable") if f.auth_type else None,
)
AUTH_TYPE_WRONG = Rule(
    "auth_type_wrong",
    _auth_type_is_right,
    lambda f: f"authentication type '{_auth_type_name(f)}' is not for API keys of application '{_app(f).name}'",
    _allow_auth_type,
)
API_KEYS_OFF = Rule(
    "api_keys_off",
    lambda f: _app(f).api_keys.enabled,
    lambda f: f"application '{_app(f).name}' does not take API keys",
    lambda f: command("app", "update", _app(f).name, "--remote-rest", "--api-keys"),
)
KEY_UNPROVEN = Rule("key_unproven", _key_is_proven, lambda _: "the API key is not one of this application and user")
KEY_EXPIRED = Rule("key_expired", _key_is_not("expired"), lambda _: "the API key has expired", _new_key)
KEY_REVOKED = Rule("key_revoked", _key_is_not("revoked"), lambda _: "the API key was revoked", _new_key)
KEY_REPLACED = Rule("key_replaced", _key_is_not("replaced"), lambda _: "the API key was replaced", _current_key)
KEY_INVALIDATED = Rule(
    "key_invalidated",
    _key_scopes_are_allowed,
    lambda _: "the API key is invalid since one of its scopes was withdrawn",
    _new_key,
)
USER_INACTIVE = Rule(
    "user_inactive",
    lambda f: _user(f).enabled,
    lambda f: f"user '{_user(f).name}' is not active",
    lambda f: command("user", "enable", _user(f).name),
)
USER_BLOCKED = Rule(
    "user_blocked",
    lambda f: not _user(f).blocked,
    lambda f: f"user '{_user(f).name}' is blocked",
    lambda f: command("user", "unblock", _user(f).name),
)
SCOPE_BEYOND = Rule("scope_beyond", _scopes_are_allowed, lambda _: "a scope goes beyond those of the API key")

CLIENT_RULES = (CLIENT_ID_MISSING, CLIENT_UNKNOWN, CLIENT_SECRET_WRONG)
KEY_STATE_RULES = (KEY_EXPIRED, KEY_REVOKED, KEY_REPLACED, KEY_INVALIDATED)
API_KEY_GRANT = (
    *CLIENT_RULES,
    APP_DISABLED,
    REMOTE_REST_OFF,
    REPOSITORY_WRONG,
    AUTH_TYPE_UNAVAILABLE,
    AUTH_TYPE_WRONG,
    API_KEYS_OFF,
    KEY_UNPROVEN,
    *KEY_STATE_RULES,
    USER_INACTIVE,
    USER_BLOCKED,
    SCOPE_BEYOND,
)
"""The rules of the API key grant in the order in which they are judged: the first that does not hold speaks."""

STANDING = (
    APP_DISABLED,
    REMOTE_REST_OFF,
    AUTH_TYPE_UNAVAILABLE,
    AUTH_TYPE_WRONG,
    API_KEYS_OFF,
    *KEY_STATE_RULES,
    USER_INACTIVE,
    USER_BLOCKED,
)
"""The rules that depend on the state of the store alone, not on what a client sends."""


def first_broken(rules: Iterable[Rule], facts: Facts) -> Rule | None:
    """Return the first of `rules` that does not hold for `facts`, or None."""
    return next((rule for rule in rules if not rule.holds(facts)), None)


def require(rules: Iterable[Rule], facts: Facts) -> None:
    """Raise the refusal of the first of `rules` that does not hold for `facts`."""
    broken = first_broken(rules, facts)
    if broken is not None:
        raise broken.refusal(facts)


def decide(facts: Facts, judged: Iterable[Rule] = API_KEY_GRANT) -> Grant:
    """Return what the token of an API key grant carries, or raise RefusedError with the rule that said no."""
    require(judged, facts)
    app, key, user = _app(facts), _key(facts), _user(facts)
    assert facts.repository is not None, "the repository of the store that was asked"
    expires_at = durations.earliest(
        durations.after(facts.now, timedelta(minutes=app.token.timeout_minutes)), key.expires_at
    )
    expires_at = durations.earliest(expires_at, key.retires_at)
    return Grant(
        at=facts.now,
        repository=facts.repository.guid,
        key=key,
        app=app,
        user=user,
        scopes=scopes.ordered(scopes.split(_request(facts).scope) or key.scopes),
        expires_at=expires_at,
        expires_in=durations.seconds(facts.now, expires_at),
        user_guid=user.guid if app.share_user_ids else "",
    )
