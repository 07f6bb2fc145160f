"""Access tokens: the claims read with one, and listing and revoking them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import ChangeResult
from gamcli.actions.grant_cache import AppAndUser, GrantCache
from gamcli.errors import NotFoundError, command
from gamcli.model import Token
from gamcli.model.token_ids import parse_token_id
from gamcli.rules import claims
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.store import Transaction
from gamcli.store.tokens import TokenFilter

ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Which tokens a list shows; None and an empty `statuses` mean all."""

    user: str | None = None
    app: str | None = None
    key: str | None = None
    statuses: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


def userinfo(gam: Gam, secret: Secret) -> dict[str, object]:
    """Return the claims of an access token; raises RefusedError with the rule that refused."""
    return cached_userinfo(gam, secret, GrantCache(), lambda response: response)


def cached_userinfo(
    gam: Gam,
    secret: Secret,
    cache: GrantCache[ResponseT],
    build_response: Callable[[dict[str, object]], ResponseT],
    found_token: Callable[[Token], object] = lambda _: None,
) -> ResponseT:
    """
    Return the response with the claims of an access token, cached if possible; raises RefusedError.

    Calls `found_token` with the token if it exists, also when it is refused.
    """
    digest, now = secret.digest(), gam.now()
    cached = cache.cached_claims(digest, now)
    if cached is not None:
        found_token(cached.token)
        return cached.response
    row = parse_access_token(secret)
    token = cache.find_token(gam, row) if row is not None else None
    if token is not None and secret.matches(token.digest):
        found_token(token)
    cached = cache.cached_claims(digest, now, token)
    if cached is not None:
        return cached.response
    app, user, pairwise_key = (
        AppAndUser(None, None) if token is None else cache.find_app_and_user(gam, token.client_id, token.user_guid)
    )
    response = build_response(claims.decide(claims.UserinfoFacts(now, secret, token, app, user, pairwise_key)))
    if token is not None:
        cache.add_claims(digest, token, response)
    return response


def show(gam: Gam, token_id: str) -> Token:
    """Return the token with that id; raises NotFoundError."""
    with gam.store.reading() as tx:
        return _load_token(tx, token_id)


def _load_token(tx: Transaction, token_id: str) -> Token:
    row = parse_token_id(token_id)
    token = store.tokens.find(tx, row) if row is not None else None
    if token is None:
        raise NotFoundError(f"no token with ID '{token_id}'", command("token", "list"))
    return token


@contextmanager
def search(gam: Gam, search: TokenSearch) -> Iterator[Iterator[Token]]:
    """Yield the tokens that match, read one by one inside the `with`."""
    now = gam.now()
    with gam.store.reading() as tx:
        filters = TokenFilter(
            user_guid=None if search.user is None else store.users.get(tx, search.user).guid,
            client_id=None if search.app is None else store.apps.get(tx, search.app).client_id,
            key=None if search.key is None else store.keys.get_by_prefix(tx, search.key).id,
            sort=search.sort,
        )
        rows = store.tokens.search(tx, filters)
        matching = (token for token in rows if not search.statuses or token.status(now) in search.statuses)
        yield islice(matching, search.limit)


def revoke(gam: Gam, token_id: str) -> ChangeResult[Token]:
    """Revoke the token and its session; an inactive token is left unchanged."""
    with gam.store.writing() as tx:
        before, now = _load_token(tx, token_id), gam.now()
        if replace(before, is_suspended=False).status(now) != "active":
            return ChangeResult(before, is_changed=False)
        store.tokens.revoke(tx, before.row, now)
        if before.session_row is not None:
            store.sessions.revoke(tx, before.session_row, now)
        after = replace(before, ended_at=now)
        gam.record(tx, "token.revoke", before.id, (before, after), user=before.user, app=before.app)
    return ChangeResult(replace(after, is_revoked=True, reason="revoked"))
