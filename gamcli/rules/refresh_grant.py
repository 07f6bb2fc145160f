"""
The refresh grant, top to bottom: which rules are judged, in which order, what each one says (GAM wiki 55623).

A refresh token is good once. Who uses it a second time has copied it, or was copied: the session ends for both
(RFC 9700 §4.14.2).
"""

from dataclasses import dataclass

from gamcli.errors import RefusedError, command
from gamcli.model.sessions import RefreshToken, Session
from gamcli.rules import api_key_grant, grants, password_grant, scopes
from gamcli.rules.credentials import NO_DIGEST
from gamcli.rules.grants import Facts, Grant, Rule


@dataclass(frozen=True, slots=True)
class Reuse:
    """The second use of a refresh token: the session ends, and `refusal` is what the client is told."""

    session: int
    refusal: RefusedError


def _token_is_proven(facts: Facts) -> bool:
    proven = facts.sent.refresh_token.matches(facts.refresh_token.digest if facts.refresh_token else NO_DIGEST)
    session = facts.session
    return proven and session is not None and session.client_id == facts.the_app.client_id and facts.user is not None


def _session(facts: Facts) -> Session:
    assert facts.session is not None, "judged after the rule that the refresh token is proven"
    return facts.session


def _token(facts: Facts) -> RefreshToken:
    assert facts.refresh_token is not None, "judged after the rule that the refresh token is proven"
    return facts.refresh_token


def _withdrawn(facts: Facts) -> str:
    return scopes.join(scopes.beyond(_session(facts).scopes, facts.the_app.scopes))


REFRESH_UNKNOWN = Rule(
    "refresh_unknown", _token_is_proven, lambda _: "the refresh token is not one of this application"
)
SCOPE_WITHDRAWN = Rule(
    "scope_unpublished",
    lambda f: not _withdrawn(f),
    lambda f: f"application '{f.the_app.name}' no longer publishes {_withdrawn(f)}",
    lambda f: command("app", "update", f.the_app.name, "--add-scope", _withdrawn(f)),
)
REFRESH_USED = Rule(
    "refresh_used",
    lambda f: _token(f).used_at is None,
    lambda _: "the refresh token was used before: its session has ended",
)
REFRESH_EXPIRED = Rule(
    "refresh_expired", lambda f: f.now < _token(f).expires_at, lambda _: "the refresh token has expired"
)
REFRESH_REVOKED = Rule(
    "refresh_revoked",
    lambda f: _session(f).revoked_at is None and not _token(f).superseded,
    lambda _: "the session of the refresh token was ended",
)
RENEWALS_SPENT = Rule(
    "renewals_spent",
    lambda f: _token(f).counter <= f.the_app.token.renewals,
    lambda f: f"application '{f.the_app.name}' allows {f.the_app.token.renewals} renewals",
    lambda f: command("app", "update", f.the_app.name, "--token-renewals", str(_token(f).counter)),
)

PROOF = (*grants.CLIENT_RULES, grants.APP_DISABLED, grants.REMOTE_REST_OFF, REFRESH_UNKNOWN)
"""What is judged first: without a refresh token that is proven there is nothing to judge the other rules on."""

SPENT = (REFRESH_USED, REFRESH_EXPIRED, REFRESH_REVOKED, RENEWALS_SPENT)
"""What is judged last."""

OF_KEY = (*PROOF, *api_key_grant.KEY_RULES, *SPENT)
"""The rules of a session that began with an API key: it goes on while its key would do for another one."""

OF_PASSWORD = (*PROOF, *password_grant.LOGIN_RULES, SCOPE_WITHDRAWN, *SPENT)
"""The rules of a session that began with a password."""


def decide(facts: Facts) -> Grant | Reuse:
    """Return what the next token of a session carries, or its end, or raise RefusedError with the rule that said no."""
    began_with_key = facts.session is not None and facts.session.key is not None
    broken = grants.first_broken(OF_KEY if began_with_key else OF_PASSWORD, facts)
    if broken is None:
        return _renewed(facts)
    if _is_reuse(facts):
        return Reuse(_session(facts).id, broken.refusal(facts))
    raise broken.refusal(facts)


def _is_reuse(facts: Facts) -> bool:
    """Say whether a client that has proven itself has used the refresh token before, whatever else is wrong."""
    proven = grants.first_broken((*grants.CLIENT_RULES, REFRESH_UNKNOWN), facts) is None
    return proven and _token(facts).used_at is not None


def _renewed(facts: Facts) -> Grant:
    session, token = _session(facts), _token(facts)
    renewed = grants.of(facts, session.scopes, facts.key, token.counter + 1)
    return renewed._replace(initial_properties=session.initial_properties, spent=token)
