"""
What all grants share: what is sent, the facts that it is judged on, what a rule is, and the rules of every client.

A `Rule` is judged on `Facts`: what was sent, and what the store holds about it; what is missing is None. The first rule
that does not hold speaks. Which rules a grant has, in which order, stands in the file of that grant: `api_key_grant`,
`password_grant`, `refresh_grant`. Their names are those of the refusal table in `server.endpoints.refusals`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import NamedTuple

from gamcli.errors import RefusedError, command
from gamcli.model import App, AuthType, Key, Repository, User
from gamcli.model.sessions import InitialProperty, RefreshToken, Session
from gamcli.rules import durations, scopes
from gamcli.rules.credentials import NO_DIGEST, NO_SECRET, Secret

API_KEY, PASSWORD, REFRESH = "api_key", "password", "refresh_token"
"""The grants, each by the parameter that is its own."""

REFRESH_TIMEOUT = timedelta(minutes=43_200)
"""How long a refresh token lives: GAM's default of OAuthRefreshTokenExpire (wiki 58097)."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The parameters of a request to access_token (GAM wiki 55623, 56104); text that was not sent is empty."""

    client_id: str = ""
    client_secret: Secret = NO_SECRET
    api_key: Secret = NO_SECRET
    authentication_type_name: str = ""
    username: str = ""
    scope: str = ""
    repository: str = ""
    grant: str = API_KEY
    password: Secret = NO_SECRET
    refresh_token: Secret = NO_SECRET
    initial_properties: tuple[InitialProperty, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """
    What the rules are judged on; None is what does not exist or was not asked for.

    `attributes` are those that the request's scopes name and some user carries. `password_hash` is what a password is
    compared with, whether its user is known or not.
    """

    now: datetime
    app: App | None = None
    auth_type: AuthType | None = None
    user: User | None = None
    key: Key | None = None
    repository: Repository | None = None
    request: TokenRequest | None = None
    attributes: frozenset[str] = frozenset()
    password_hash: str = ""
    session: Session | None = None
    refresh_token: RefreshToken | None = None

    @property
    def parameters(self) -> TokenRequest:
        """What was sent; where nothing was, an empty request."""
        return self.request or TokenRequest()

    @property
    def known_app(self) -> App:
        """The application; judged after the rule that it is known."""
        assert self.app is not None, "judged after the rule that the application is known"
        return self.app

    @property
    def known_key(self) -> Key:
        """The key; judged after the rule that it is proven."""
        assert self.key is not None, "judged after the rule that the key is proven"
        return self.key

    @property
    def known_user(self) -> User:
        """The user; judged after the rule that they are known."""
        assert self.user is not None, "judged after the rule that the user is known"
        return self.user


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: does it hold, what does its refusal say, and which command mends it (if one does)."""

    name: str
    holds: Callable[[GrantFacts], bool]
    message: Callable[[GrantFacts], str]
    fix: Callable[[GrantFacts], str | None] = lambda _: None

    def refusal(self, facts: GrantFacts) -> RefusedError:
        """Return the refusal that this rule raises for `facts`."""
        return RefusedError(self.name, self.message(facts), self.fix(facts))


class Grant(NamedTuple):
    """
    What an access token of the repository with that GUID carries, whenever it is minted.

    `user_guid` is empty when ids are not shared. `key` is None when the session began with a password. `renewal` is the
    number of the refresh token that comes along, 0 = none does.
    """

    repository: str
    key: Key | None
    app: App
    user: User
    scopes: tuple[str, ...]
    user_guid: str
    auth_type: str
    renewal_number: int = 0
    initial_properties: tuple[InitialProperty, ...] = ()
    used_refresh_token: RefreshToken | None = None
    new_password_hash: str | None = None

    def __repr__(self) -> str:
        return f"Grant({self.app.name!r}, {self.user.name!r}, {self.scopes!r})"

    @property
    def key_id(self) -> str:
        """The id of the key that the session began with, empty when it began with a password."""
        return self.key.id if self.key else ""

    def expires_at(self, now: datetime) -> datetime | None:
        """Return when a token ends that is minted now, None = never; it never outlives its key."""
        own = durations.add_duration(now, timedelta(minutes=self.app.token.timeout_minutes))
        return own if self.key is None else durations.earliest(own, self.key.expires_at, self.key.retires_at)

    @property
    def has_session(self) -> bool:
        """Whether the token belongs to a session: one that goes on or begins with it."""
        return self.key is None or self.renewal_number > 0 or self.used_refresh_token is not None


def _has_valid_client_secret(facts: GrantFacts) -> bool:
    # Two comparisons, always: a guesser's clock does not tell whether an earlier secret is still good.
    app, sent = facts.known_app, facts.parameters.client_secret.digest()
    is_present = compare_digest(sent, app.secret_digest)
    is_earlier = compare_digest(sent, app.retiring_digest or NO_DIGEST)
    return is_present or (is_earlier and app.secret_retires_at(facts.now) is not None)


def _is_this_repository(facts: GrantFacts) -> bool:
    asked = facts.parameters.repository.lower()
    return not asked or facts.repository is None or asked == facts.repository.guid


def auth_type_name(facts: GrantFacts) -> str:
    """Return the name of the authentication type in question, known or not."""
    if facts.auth_type is not None:
        return facts.auth_type.name
    return facts.session.auth_type if facts.session else facts.parameters.authentication_type_name


def are_scopes_allowed(requested: Iterable[str], allowed: Iterable[str], attributes: frozenset[str]) -> bool:
    """Say whether `held` allows all scopes `wanted`; what is taken for an attribute must be one of `attributes`."""
    requested, allowed = tuple(requested), frozenset(allowed)
    named = {scopes.attribute_id(name) for name in requested if name not in allowed} - {None}
    return not scopes.find_disallowed(requested, allowed) and named <= attributes


CLIENT_ID_MISSING = Rule(
    "client_id_missing", lambda f: bool(f.parameters.client_id), lambda _: "no client_id", lambda _: None
)
CLIENT_UNKNOWN = Rule(
    "client_unknown",
    lambda f: f.app is not None,
    lambda f: f"no application has the client_id '{f.parameters.client_id}'",
    lambda _: command("app", "list"),
)
CLIENT_SECRET_WRONG = Rule(
    "client_secret_wrong",
    _has_valid_client_secret,
    lambda f: f"the client secret is not that of application '{f.known_app.name}'",
    lambda f: command("app", "rotate-secret", f.known_app.name),
)
APP_DISABLED = Rule(
    "app_disabled",
    lambda f: f.known_app.enabled,
    lambda f: f"application '{f.known_app.name}' is disabled",
    lambda f: command("app", "enable", f.known_app.name),
)
REMOTE_REST_OFF = Rule(
    "remote_rest_off",
    lambda f: f.known_app.remote_rest,
    lambda f: f"application '{f.known_app.name}' does not allow remote REST authentication",
    lambda f: command("app", "update", f.known_app.name, "--remote-rest"),
)
REPOSITORY_WRONG = Rule(
    "repository_wrong", _is_this_repository, lambda f: f"'{f.parameters.repository}' is not this repository"
)
AUTH_TYPE_UNAVAILABLE = Rule(
    "auth_type_unavailable",
    lambda f: f.auth_type is not None and f.auth_type.enabled,
    lambda f: f"authentication type '{auth_type_name(f)}' is unknown or disabled",
    lambda f: command("auth-type", "update", auth_type_name(f), "--enable") if f.auth_type else None,
)
USER_INACTIVE = Rule(
    "user_inactive",
    lambda f: f.known_user.enabled,
    lambda f: f"user '{f.known_user.name}' is not active",
    lambda f: command("user", "enable", f.known_user.name),
)
USER_BLOCKED = Rule(
    "user_blocked",
    lambda f: not f.known_user.blocked,
    lambda f: f"user '{f.known_user.name}' is blocked",
    lambda f: command("user", "unblock", f.known_user.name),
)
CLIENT_RULES = (CLIENT_ID_MISSING, CLIENT_UNKNOWN, CLIENT_SECRET_WRONG)
USER_RULES = (USER_INACTIVE, USER_BLOCKED)


def find_violation(rules: Iterable[Rule], facts: GrantFacts) -> Rule | None:
    """Return the first of `rules` that does not hold for `facts`, or None."""
    for rule in rules:
        if not rule.holds(facts):
            return rule
    return None


def require(rules: Iterable[Rule], facts: GrantFacts) -> None:
    """Raise the refusal of the first of `rules` that does not hold for `facts`."""
    broken = find_violation(rules, facts)
    if broken is not None:
        raise broken.refusal(facts)


def build_grant(facts: GrantFacts, granted_scopes: Iterable[str], key: Key | None = None, renewal: int = 1) -> Grant:
    """
    Return what a token with these scopes carries, once all rules hold.

    With it comes the refresh token for the renewal of that number, if the application allows so many.
    """
    app, user = facts.known_app, facts.known_user
    assert facts.repository is not None, "the repository of the store that was asked"
    return Grant(
        repository=facts.repository.guid,
        key=key,
        app=app,
        user=user,
        scopes=scopes.sort_scopes(granted_scopes),
        user_guid=user.guid if app.share_user_ids else "",
        auth_type=auth_type_name(facts),
        renewal_number=renewal if renewal <= app.token.renewals else 0,
        initial_properties=facts.parameters.initial_properties,
    )
