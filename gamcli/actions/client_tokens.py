"""
What an application may ask about its own tokens, and revoke: RFC 7662 and RFC 7009.

An application learns nothing about the tokens of others: they are as inactive as unknown ones.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.grant_facts import read_facts
from gamcli.actions.userinfo import ClaimsCache, load_claims
from gamcli.errors import RefusedError
from gamcli.model import App
from gamcli.model.token_ids import format_token_id
from gamcli.rules import claims, grants, refresh_grant, scopes
from gamcli.rules.credentials import Secret, parse_access_token, parse_refresh_token
from gamcli.rules.grants import Grant, GrantFacts, TokenRequest
from gamcli.store import Transaction

CLIENT_RULES = (*grants.CLIENT_RULES, grants.APP_DISABLED)
"""Rules 4 to 6."""

INACTIVE: dict[str, object] = {"active": False}

CheckApp = Callable[[App], None]


def introspect(gam: Gam, request: TokenRequest, check_app: CheckApp) -> dict[str, object]:
    """
    Return the state of a token of the client (RFC 7662 §2.2); raises RefusedError when the client is refused.

    The `refresh_token` of the request is the token, of either kind.
    """
    facts = _authenticate(gam, request, check_app)
    return _describe_access_token(gam, facts) or _describe_refresh_token(facts) or INACTIVE


def revoke(gam: Gam, request: TokenRequest, check_app: CheckApp) -> dict[str, object]:
    """Revoke a token of the client with its session (RFC 7009 §2.1); an inactive or unknown one is left unchanged."""
    app, secret = _authenticate(gam, request, check_app).known_app, request.refresh_token
    with gam.store.writing() as tx:
        now = gam.now()
        token = _find_access_token(tx, app, secret, now) or _find_refresh_token(tx, app, secret)
        if token is not None and token.is_active:
            store.tokens.revoke(tx, token.row, now)
            if token.session is not None:
                store.sessions.revoke(tx, [token.session], now)
            gam.record(tx, "token.revoke", format_token_id(token.row), user=token.user, app=app.name, by="client")
    return {}


def _authenticate(gam: Gam, request: TokenRequest, check_app: CheckApp) -> GrantFacts:
    facts = read_facts(gam, request, check_app)
    grants.require(CLIENT_RULES, facts)
    return facts


def _describe_access_token(gam: Gam, facts: GrantFacts) -> dict[str, object] | None:
    """Return the state of an active access token: what userinfo would accept."""
    secret, app = facts.parameters.refresh_token, facts.known_app
    cache = ClaimsCache[dict[str, object]]()
    (result,) = load_claims(gam, [secret], cache, lambda built: built, claims.decide_with_subject)
    token, revealed = result.token, result.response
    if token is None or token.client_id != app.client_id or isinstance(revealed, RefusedError):
        return None
    withdrawn = scopes.find_disallowed(token.scopes, app.scopes)
    return {
        "active": True,
        "scope": " ".join(scope for scope in token.scopes if scope not in withdrawn),
        "client_id": app.client_id,
        **({"username": revealed["username"]} if "username" in revealed else {}),
        "token_type": "Bearer",
        **_expiry(token.expires_at),
        "iat": int(token.issued_at.timestamp()),
        "sub": revealed["sub"],
    }


def _describe_refresh_token(facts: GrantFacts) -> dict[str, object] | None:
    """Return the state of an active refresh token: one that could be used now."""
    try:
        grant = refresh_grant.decide(facts)
    except RefusedError:
        return None
    if not isinstance(grant, Grant) or facts.refresh_token is None:
        return None
    scope = {"scope": " ".join(grant.scopes), "client_id": grant.app.client_id}
    return {"active": True, **scope, **_expiry(facts.refresh_token.expires_at), "sub": grant.user_guid}


def _expiry(at: datetime | None) -> dict[str, object]:
    return {"exp": int(at.timestamp())} if at is not None else {}


class _OwnToken(NamedTuple):
    """A token of the client: the row of the access token, also for a refresh token, and its session."""

    row: int
    session: int | None
    user: str
    is_active: bool


def _find_access_token(tx: Transaction, app: App, secret: Secret, now: datetime) -> _OwnToken | None:
    row = parse_access_token(secret)
    token = store.tokens.find(tx, row) if row is not None else None
    if token is None or not secret.matches(token.digest) or token.client_id != app.client_id:
        return None
    is_active = token._replace(is_suspended=False).status(now) == "active"
    return _OwnToken(token.row, token.session_row, token.user, is_active)


def _find_refresh_token(tx: Transaction, app: App, secret: Secret) -> _OwnToken | None:
    position = parse_refresh_token(secret)
    found = tx.fetch(store.grant_facts.find_refresh_tokens([position])).get(position) if position is not None else None
    if found is None or not secret.matches(found.token.digest) or found.session.client_id != app.client_id:
        return None
    user = found.user.name if found.user else ""
    return _OwnToken(found.token.token, found.session.id, user, found.session.revoked_at is None)
