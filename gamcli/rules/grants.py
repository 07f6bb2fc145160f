"""
What all grants share: the token request, the facts, the definition of a rule, and the rules about the client.

A `Rule` checks `GrantFacts`: the request, and what the store holds about it. The first violated rule refuses the
request. The rules of each grant and their order are in `api_key_grant`, `password_grant` and `refresh_grant`; their
names are those of the table in `server.endpoints.refusals`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

from gamcli.errors import RefusedError, command
from gamcli.model import App, AuthType, Key, Repository, User
from gamcli.rules import claims, durations, scopes
from gamcli.rules.credentials import NO_DIGEST, NO_SECRET, Secret

if TYPE_CHECKING:
    from gamcli.model.tokens import InitialProperty, RefreshToken, Session

API_KEY, PASSWORD, REFRESH = "api_key", "password", "refresh_token"
"""The grants, named by the parameter that each requires."""

GRANTS = (API_KEY, PASSWORD, REFRESH)

REFRESH_TIMEOUT = timedelta(minutes=43_200)
"""The lifetime of a refresh token: GAM's default of OAuthRefreshTokenExpire (wiki 58097)."""


class TokenRequest(NamedTuple):
    """
    The parameters of a request to access_token (GAM wiki 55623, 56104); a missing parameter is empty.

    The `unencoded` credentials are those of HTTP Basic as they were sent, for clients that do not form-encode them.
    """

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
    initial_properties: "tuple[InitialProperty, ...]" = ()
    unencoded_client_id: str = ""
    unencoded_client_secret: Secret = NO_SECRET


class GrantFacts(NamedTuple):
    """
    What the rules check; None stands for what does not exist or was not requested.

    `attributes` are those that the requested scopes name and some user has, except for `allowed_scopes`.
    `password_hash` is what the password is compared with, also for an unknown user. `is_password_right` is set if it
    was verified before.
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
    is_password_right: bool | None = None
    session: "Session | None" = None
    refresh_token: "RefreshToken | None" = None

    @property
    def parameters(self) -> TokenRequest:
        """The request, or an empty one."""
        return self.request or TokenRequest()

    @property
    def known_app(self) -> App:
        assert self.app is not None, "checked after the rule that the application exists"
        return self.app

    @property
    def known_key(self) -> Key:
        assert self.key is not None, "checked after the rule that the key is valid"
        return self.key

    @property
    def known_user(self) -> User:
        assert self.user is not None, "checked after the rule that the user exists"
        return self.user

    @property
    def known_session(self) -> "Session":
        assert self.session is not None, "checked after the rule that the refresh token is valid"
        return self.session

    @property
    def known_refresh_token(self) -> "RefreshToken":
        assert self.refresh_token is not None, "checked after the rule that it is valid"
        return self.refresh_token

    @property
    def auth_type_name(self) -> str:
        """The name of the requested authentication type, whether it exists or not."""
        if self.auth_type is not None:
            return self.auth_type.name
        return self.session.auth_type if self.session else self.parameters.authentication_type_name

    @property
    def allowed_scopes(self) -> tuple[str, ...]:
        """The scopes that can be granted: those of the key, or of the application if there is none."""
        return self.key.scopes if self.key is not None else self.known_app.scopes

    @property
    def requested_scopes(self) -> tuple[str, ...]:
        """The requested scopes; `fullcontrol` stands for all allowed ones (GAM wiki 55603)."""
        names, allowed = scopes.split(self.parameters.scope), self.allowed_scopes
        if scopes.FULLCONTROL not in names:
            return tuple(names)
        return (*allowed, *(name for name in names if name != scopes.FULLCONTROL and name not in allowed))


class Rule(NamedTuple):
    """
    One check of a grant: whether it holds, the message of its refusal, and the suggested command, if any.

    `cause` is that of the refusal (RefusedError), for a rule with several.
    """

    name: str
    holds: Callable[[GrantFacts], bool]
    message: Callable[[GrantFacts], str]
    fix: Callable[[GrantFacts], str | None] = lambda _: None
    cause: Callable[[GrantFacts], str] = lambda _: ""

    def refusal(self, facts: GrantFacts) -> RefusedError:
        return RefusedError(self.name, self.message(facts), self.fix(facts), self.cause(facts))


class Grant(NamedTuple):
    """
    The content of an access token; `repository` is a GUID.

    `user_guid` is the pairwise ID if the application does not share user IDs. `key` is None if the session began with
    a password. `renewal_number` is that of the refresh token issued with it, 0 = none.
    """

    repository: str
    key: Key | None
    app: App
    user: User
    scopes: tuple[str, ...]
    user_guid: str
    auth_type: str
    renewal_number: int = 0
    initial_properties: "tuple[InitialProperty, ...]" = ()
    used_refresh_token: "RefreshToken | None" = None

    def __repr__(self) -> str:
        return f"Grant({self.app.name!r}, {self.user.name!r}, {self.scopes!r})"

    @property
    def key_id(self) -> str:
        """The ID of the key that the session began with, empty if it began with a password."""
        return self.key.id if self.key else ""

    def expires_at(self, now: datetime) -> datetime | None:
        """Return when a token minted now expires, None = never; not later than its key."""
        token_expiry = durations.add_duration(now, timedelta(minutes=self.app.token.timeout_minutes))
        if self.key is None:
            return token_expiry
        return durations.earliest(token_expiry, self.key.expires_at, self.key.retires_at)

    @property
    def has_session(self) -> bool:
        """Whether the token continues or begins a session."""
        return self.key is None or self.renewal_number > 0 or self.used_refresh_token is not None


def _has_valid_client_secret(facts: GrantFacts) -> bool:
    # Always compare all: the response time must not show whether the previous secret is still valid.
    app, request = facts.known_app, facts.parameters
    sent, unencoded = request.client_secret.digest(), request.unencoded_client_secret.digest()
    is_current = compare_digest(sent, app.secret_digest) | compare_digest(unencoded, app.secret_digest)
    previous = app.retiring_digest or NO_DIGEST
    is_previous = compare_digest(sent, previous) | compare_digest(unencoded, previous)
    return is_current or (is_previous and app.secret_retires_at(facts.now) is not None)


def find_refused_scope(facts: GrantFacts) -> str | None:
    """Return the first requested scope that is not allowed; attribute scopes must name one of the attributes."""
    allowed = facts.allowed_scopes
    for name in facts.requested_scopes:
        is_attribute_used = scopes.attribute_id(name) in (None, *facts.attributes)
        if name not in allowed and not (is_attribute_used and scopes.is_allowed(name, allowed)):
            return name
    return None


def scope_cause(facts: GrantFacts, cause: str) -> str:
    """Return `cause` if the refused scope exists, else 'unknown'."""
    refused = find_refused_scope(facts)
    return cause if refused in scopes.TABLE or scopes.attribute_id(str(refused)) in facts.attributes else "unknown"


CLIENT_ID_MISSING = Rule("client_id_missing", lambda f: bool(f.parameters.client_id), lambda _: "client_id is missing")
CLIENT_UNKNOWN = Rule(
    "client_unknown",
    lambda f: f.app is not None,
    lambda f: f"no application has the client_id '{f.parameters.client_id}'",
    lambda _: command("app", "list"),
)
CLIENT_SECRET_WRONG = Rule(
    "client_secret_wrong",
    _has_valid_client_secret,
    lambda f: f"incorrect client secret for application '{f.known_app.name}'",
    lambda f: command("app", "rotate-secret", f.known_app.name, "--overlap", "24h"),
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
    "repository_wrong",
    lambda f: f.repository is None or f.parameters.repository.lower() in ("", f.repository.guid),
    lambda f: f"unknown repository '{f.parameters.repository}'",
)
AUTH_TYPE_UNAVAILABLE = Rule(
    "auth_type_unavailable",
    lambda f: f.auth_type is not None and f.auth_type.enabled,
    lambda f: (
        f"authentication type '{f.auth_type_name}' is unknown or disabled"
        if f.auth_type_name
        else "no authentication type accepts API keys"
    ),
    lambda f: command("auth-type", "update", f.auth_type_name, "--enable") if f.auth_type else None,
    lambda f: "disabled" if f.auth_type else "unknown",
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
    """Return the first of `rules` that does not hold, or None."""
    for rule in rules:
        if not rule.holds(facts):
            return rule
    return None


def require(rules: Iterable[Rule], facts: GrantFacts) -> None:
    """Raise the refusal of the first of `rules` that does not hold."""
    violated = find_violation(rules, facts)
    if violated is not None:
        raise violated.refusal(facts)


def build_grant(facts: GrantFacts, granted_scopes: Iterable[str], renewal: int = 1) -> Grant:
    """
    Return the content of a token with these scopes, once all rules hold.

    `renewal` is the number of the refresh token to issue with it, which is issued if the application allows that many.
    """
    app, user = facts.known_app, facts.known_user
    assert facts.repository is not None, "loaded with the facts"
    return Grant(
        repository=facts.repository.guid,
        key=facts.key,
        app=app,
        user=user,
        scopes=scopes.sort_scopes(granted_scopes),
        user_guid=claims.public_guid(user, app, facts.repository.pairwise_key),
        auth_type=facts.auth_type_name,
        renewal_number=renewal if renewal <= app.token.renewals else 0,
        initial_properties=facts.parameters.initial_properties,
    )
