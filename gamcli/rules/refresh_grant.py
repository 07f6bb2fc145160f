"""
The refresh grant: its rules in the order in which they are checked, with their messages (GAM wiki 55623).

A refresh token can be used once. A second use means that it was copied, so its session is revoked (RFC 9700 section
4.14.2).
"""

from dataclasses import dataclass

from gamcli.errors import RefusedError, command
from gamcli.rules import api_key_grant, grants, password_grant, scopes
from gamcli.rules.credentials import NO_DIGEST
from gamcli.rules.grants import Grant, GrantFacts, Rule


@dataclass(frozen=True, slots=True)
class RefreshTokenReuse:
    """The second use of a refresh token: its session must be revoked, and the client gets `refusal`."""

    session: int
    refusal: RefusedError


def _has_valid_refresh_token(facts: GrantFacts) -> bool:
    matches = facts.parameters.refresh_token.matches(facts.refresh_token.digest if facts.refresh_token else NO_DIGEST)
    session = facts.session
    return matches and session is not None and session.client_id == facts.known_app.client_id and facts.user is not None


def _withdrawn_scopes(facts: GrantFacts) -> str:
    return scopes.join(scopes.find_disallowed(facts.known_session.scopes, facts.known_app.scopes))


REFRESH_UNKNOWN = Rule(
    "refresh_unknown",
    _has_valid_refresh_token,
    lambda _: "the refresh token is unknown, or belongs to another application",
)
SCOPE_WITHDRAWN = Rule(
    "scope_unpublished",
    lambda f: not _withdrawn_scopes(f),
    lambda f: f"application '{f.known_app.name}' no longer publishes {_withdrawn_scopes(f)}",
    lambda f: command("app", "update", f.known_app.name, "--add-scope", _withdrawn_scopes(f)),
    lambda _: "withdrawn",
)
REFRESH_USED = Rule(
    "refresh_used",
    lambda f: f.known_refresh_token.used_at is None,
    lambda _: "the refresh token was already used: its session is revoked",
)
REFRESH_EXPIRED = Rule(
    "refresh_expired", lambda f: f.now < f.known_refresh_token.expires_at, lambda _: "the refresh token has expired"
)
REFRESH_REVOKED = Rule(
    "refresh_revoked",
    lambda f: f.known_session.revoked_at is None and not f.known_refresh_token.is_superseded,
    lambda _: "the session of the refresh token was revoked",
)
RENEWALS_SPENT = Rule(
    "renewals_spent",
    lambda f: f.known_refresh_token.counter <= f.known_app.token.renewals,
    lambda f: f"application '{f.known_app.name}' allows only {f.known_app.token.renewals} renewals",
    lambda f: command("app", "update", f.known_app.name, "--token-renewals", str(f.known_refresh_token.counter)),
)

CREDENTIAL_RULES = (*grants.CLIENT_RULES, grants.APP_DISABLED, grants.REMOTE_REST_OFF, REFRESH_UNKNOWN)
"""Checked first: the other rules need a valid refresh token."""

TOKEN_STATE_RULES = (REFRESH_USED, REFRESH_EXPIRED, REFRESH_REVOKED, RENEWALS_SPENT)
"""Checked last."""

KEY_SESSION_RULES = (*CREDENTIAL_RULES, *api_key_grant.KEY_RULES, *TOKEN_STATE_RULES)
"""The rules of a session that began with an API key: it can be renewed while the key could begin another one."""

PASSWORD_SESSION_RULES = (*CREDENTIAL_RULES, *password_grant.LOGIN_RULES, SCOPE_WITHDRAWN, *TOKEN_STATE_RULES)
"""The rules of a session that began with a password."""


def decide(facts: GrantFacts) -> Grant | RefreshTokenReuse:
    """Return the contents of the next access token, or the reuse of a refresh token, or raise RefusedError."""
    began_with_key = facts.session is not None and facts.session.key is not None
    violated = grants.find_violation(KEY_SESSION_RULES if began_with_key else PASSWORD_SESSION_RULES, facts)
    if violated is None:
        return _build_renewal(facts)
    if _is_reuse(facts):
        return RefreshTokenReuse(facts.known_session.id, violated.refusal(facts))
    raise violated.refusal(facts)


def _is_reuse(facts: GrantFacts) -> bool:
    """Return whether an authenticated client has used the refresh token before, whatever else is wrong."""
    is_authenticated = grants.find_violation((*grants.CLIENT_RULES, REFRESH_UNKNOWN), facts) is None
    return is_authenticated and facts.known_refresh_token.used_at is not None


def _build_renewal(facts: GrantFacts) -> Grant:
    session, token = facts.known_session, facts.known_refresh_token
    renewed = grants.build_grant(facts, session.scopes, token.counter + 1)
    return renewed._replace(initial_properties=session.initial_properties, used_refresh_token=token)
