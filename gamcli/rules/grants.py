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
from gamcli.model.sessions import Property, RefreshToken, Session
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
    initial_properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
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
    def sent(self) -> TokenRequest:
        """What was sent; where nothing was, an empty request."""
        return self.request or TokenRequest()

    @property
    def the_app(self) -> App:
        """The application; judged after the rule that it is known."""
        assert self.app is not None, "judged after the rule that the application is known"
        return self.app

    @property
    def the_key(self) -> Key:
        """The key; judged after the rule that it is proven."""
        assert self.key is not None, "judged after the rule that the key is proven"
        return self.key

    @property
    def the_user(self) -> User:
        """The user; judged after the rule that they are known."""
        assert self.user is not None, "judged after the rule that the user is known"
        return self.user


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
    renewal: int = 0
    initial_properties: tuple[Property, ...] = ()
    spent: RefreshToken | None = None
    rehashed: str | None = None

    def __repr__(self) -> str:
        return f"Grant({self.app.name!r}, {self.user.name!r}, {self.scopes!r})"

    @property
    def key_id(self) -> str:
        """The id of the key that the session began with, empty when it began with a password."""
        return self.key.id if self.key else ""

    def expires_at(self, now: datetime) -> datetime | None:
        """Return when a token ends that is minted now, None = never; it never outlives its key."""
        own = durations.after(now, timedelta(minutes=self.app.token.timeout_minutes))
        return own if self.key is None else durations.earliest(own, self.key.expires_at, self.key.retires_at)

    @property
    def has_session(self) -> bool:
        """Whether the token belongs to a session: one that goes on or begins with it."""
        return self.key is None or self.renewal > 0 or self.spent is not None


def _secret_is_right(facts: Facts) -> bool:
    # Two comparisons, always: a guesser's clock does not tell whether an earlier secret is still good.
    app, sent = facts.the_app, facts.sent.client_secret.digest()
    is_present = compare_digest(sent, app.secret_digest)
    is_earlier = compare_digest(sent, app.retiring_digest or NO_DIGEST)
    return is_present or (is_earlier and app.secret_retires_at(facts.now) is not None)


def _repository_is_this(facts: Facts) -> bool:
    asked = facts.sent.repository.lower()
    return not asked or facts.repository is None or asked == facts.repository.guid


def auth_type_name(facts: Facts) -> str:
    """Return the name of the authentication type in question, known or not."""
    if facts.auth_type is not None:
        return facts.auth_type.name
    return facts.session.auth_type if facts.session else facts.sent.authentication_type_name


def are_within(wanted: Iterable[str], held: Iterable[str], attributes: frozenset[str]) -> bool:
    """Say whether `held` allows all scopes `wanted`; what is taken for an attribute must be one of `attributes`."""
    wanted, held = tuple(wanted), frozenset(held)
    named = {scopes.attribute_id(name) for name in wanted if name not in held} - {None}
    return not scopes.beyond(wanted, held) and named <= attributes


CLIENT_ID_MISSING = Rule(
    "client_id_missing", lambda f: bool(f.sent.client_id), lambda _: "no client_id", lambda _: None
)
CLIENT_UNKNOWN = Rule(
    "client_unknown",
    lambda f: f.app is not None,
    lambda f: f"no application has the client_id '{f.sent.client_id}'",
    lambda _: command("app", "list"),
)
CLIENT_SECRET_WRONG = Rule(
    "client_secret_wrong",
    _secret_is_right,
    lambda f: f"the client secret is not that of application '{f.the_app.name}'",
    lambda f: command("app", "rotate-secret", f.the_app.name),
)
APP_DISABLED = Rule(
    "app_disabled",
    lambda f: f.the_app.enabled,
    lambda f: f"application '{f.the_app.name}' is disabled",
    lambda f: command("app", "enable", f.the_app.name),
)
REMOTE_REST_OFF = Rule(
    "remote_rest_off",
    lambda f: f.the_app.remote_rest,
    lambda f: f"application '{f.the_app.name}' does not allow remote REST authentication",
    lambda f: command("app", "update", f.the_app.name, "--remote-rest"),
)
REPOSITORY_WRONG = Rule(
    "repository_wrong", _repository_is_this, lambda f: f"'{f.sent.repository}' is not this repository"
)
AUTH_TYPE_UNAVAILABLE = Rule(
    "auth_type_unavailable",
    lambda f: f.auth_type is not None and f.auth_type.enabled,
    lambda f: f"authentication type '{auth_type_name(f)}' is unknown or disabled",
    lambda f: command("auth-type", "update", auth_type_name(f), "--enable") if f.auth_type else None,
)
USER_INACTIVE = Rule(
    "user_inactive",
    lambda f: f.the_user.enabled,
    lambda f: f"user '{f.the_user.name}' is not active",
    lambda f: command("user", "enable", f.the_user.name),
)
USER_BLOCKED = Rule(
    "user_blocked",
    lambda f: not f.the_user.blocked,
    lambda f: f"user '{f.the_user.name}' is blocked",
    lambda f: command("user", "unblock", f.the_user.name),
)
CLIENT_RULES = (CLIENT_ID_MISSING, CLIENT_UNKNOWN, CLIENT_SECRET_WRONG)
USER_RULES = (USER_INACTIVE, USER_BLOCKED)


def first_broken(rules: Iterable[Rule], facts: Facts) -> Rule | None:
    """Return the first of `rules` that does not hold for `facts`, or None."""
    for rule in rules:
        if not rule.holds(facts):
            return rule
    return None


def require(rules: Iterable[Rule], facts: Facts) -> None:
    """Raise the refusal of the first of `rules` that does not hold for `facts`."""
    broken = first_broken(rules, facts)
    if broken is not None:
        raise broken.refusal(facts)


def of(facts: Facts, granted: Iterable[str], key: Key | None = None, renewal: int = 1) -> Grant:
    """
    Return what a token with these scopes carries, once all rules hold.

    With it comes the refresh token for the renewal of that number, if the application allows so many.
    """
    app, user = facts.the_app, facts.the_user
    assert facts.repository is not None, "the repository of the store that was asked"
    return Grant(
        repository=facts.repository.guid,
        key=key,
        app=app,
        user=user,
        scopes=scopes.ordered(granted),
        user_guid=user.guid if app.share_user_ids else "",
        auth_type=auth_type_name(facts),
        renewal=renewal if renewal <= app.token.renewals else 0,
        initial_properties=facts.sent.initial_properties,
    )
