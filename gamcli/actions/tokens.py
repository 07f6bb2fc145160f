"""Access tokens: a key traded for one, the claims read with it, and what an admin sees of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions import grants as found
from gamcli.actions.changes import ChangeResult
from gamcli.actions.grant_cache import AppAndUser, CachedGrant, GrantCache, should_record_use
from gamcli.errors import NotFoundError, RefusedError, command
from gamcli.model import App, Token, format_token_id, parse_token_id
from gamcli.rules import api_key_grant, claims, durations, grants, password_grant, refresh_grant, scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import NO_SECRET, Secret, mint_access_token, parse_access_token, parse_api_key_id
from gamcli.store import Transaction
from gamcli.store.tokens import TokenFilter, TokenGrant


class IssuedToken(NamedTuple):
    """
    A new access token and what it carries; `refresh_token` is empty where none comes along.

    `expires_in` is in seconds, 0 = never.
    """

    secret: Secret
    grant: grants.Grant
    row: int
    expires_in: int
    refresh_token: Secret = NO_SECRET

    @property
    def id(self) -> str:
        """The id of the token, as lists show it."""
        return format_token_id(self.row)


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Which tokens a list shows; None asks for all, `statuses` empty for every status."""

    user: str | None = None
    app: str | None = None
    key: str | None = None
    statuses: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


ResponseT = TypeVar("ResponseT")

Decision = CachedGrant | grants.Grant | refresh_grant.RefreshTokenReuse
"""What is to be written for a request: a token that is granted, or the end of a session."""


def decide(
    gam: Gam,
    request: grants.TokenRequest,
    check_app: Callable[[App], None] = lambda _: None,
    rules: Iterable[grants.Rule] = API_KEY_GRANT,
) -> Decision:
    """
    Decide what the token carries that `request` asks for, or raise RefusedError with the rule that said no.

    Nothing is written. `notice` hears of the application first, if there is one, whatever becomes of the grant; it may
    refuse it. A password takes long.
    """
    head = gam.store.read_without_transaction(
        store.audit.load_head
    )  # before the facts: who changes them between the two is heeded by `keep`
    with gam.store.reading() as tx:
        facts = found.load_facts(tx, gam, request)
    if facts.app is not None:
        check_app(facts.app)
    if request.grant == grants.PASSWORD:
        return found.rehash_if_outdated(gam, password_grant.decide(facts), request.password)
    if request.grant == grants.REFRESH:
        return refresh_grant.decide(facts)
    grant = api_key_grant.decide(facts, rules)
    return CachedGrant(request, grant, rules, head, facts.now, api_key_grant.decision_expires_at(facts))


def issue_token(gam: Gam, tx: Transaction, decision: Decision) -> IssuedToken:
    """
    Mint the access token of a grant and keep its digest; many grants may share a transaction.

    Raises RefusedError, and has written nothing of the grant then, when it cannot be kept any more; a session that
    ends with it has to be committed all the same.
    """
    now = gam.now()
    if isinstance(decision, refresh_grant.RefreshTokenReuse):
        store.sessions.revoke(tx, decision.session, now)
        raise decision.refusal
    grant = found.revalidate(tx, gam, decision, now)
    row = store.tokens.next_id(tx, now)
    secret = mint_access_token(grant.repository, row, gam.entropy)
    session = found.continue_or_start_session(tx, grant, row, now)
    holder = grant.key or session
    assert holder is not None, "a token without a key has a session"
    expires_at = grant.expires_at(now)
    carried = TokenGrant(scopes.join(grant.scopes), expires_at, session.id if session else None)
    store.tokens.add(tx, row, secret.digest(), now, holder, carried)
    refresh_token = found.issue_refresh_token(gam, tx, grant, session, row, now)
    if grant.app.one_token_per_user:
        store.tokens.supersede(tx, grant.app.client_id, grant.user.guid, row)
    _record_use(tx, grant, now)
    return IssuedToken(secret, grant, row, durations.seconds_until(now, expires_at), refresh_token)


def exchange(gam: Gam, request: grants.TokenRequest, rules: Iterable[grants.Rule] = API_KEY_GRANT) -> IssuedToken:
    """Trade what `request` carries for an access token, or raise RefusedError with the rule that said no."""
    decided = decide(gam, request, rules=rules)
    with gam.store.writing() as tx:
        try:
            return issue_token(gam, tx, decided)
        except RefusedError as refused:  # raised behind the commit: a session may have ended
            no = refused
    raise no


RULES_WITHOUT_CLIENT_SECRET = tuple(rule for rule in API_KEY_GRANT if rule is not grants.CLIENT_SECRET_WRONG)
"""What is judged of those who can write the store: they could give the application another secret."""


def exchange_locally(gam: Gam, app: str, api_key: Secret) -> IssuedToken:
    """Trade an API key as who administers the store; raises NotFoundError, or RefusedError as `exchange` does."""
    with gam.store.reading() as tx:
        client_id = store.apps.get(tx, app).client_id
        key, _ = found.find_key_and_user(tx, parse_api_key_id(api_key))
    request = grants.TokenRequest(client_id, api_key=api_key, authentication_type_name=key.auth_type if key else "")
    return exchange(gam, request, rules=RULES_WITHOUT_CLIENT_SECRET)


def _record_use(tx: Transaction, grant: grants.Grant, now: datetime) -> None:
    """Count the grant in the commit of its token; a key's last use is written once a minute."""
    store.apps.record_grant(tx, grant.app.client_id, now)
    if grant.user.password_hash is not None and grant.new_password_hash is not None:
        store.users.replace_password_hash(tx, grant.user.guid, grant.user.password_hash, grant.new_password_hash)
    if grant.key is not None and should_record_use(grant.key.last_used_at, now):
        store.keys.record_use(tx, grant.key.id, now)


def userinfo(gam: Gam, secret: Secret) -> dict[str, object]:
    """Return the claims that an access token reveals, or raise RefusedError with the rule that said no."""
    return cached_userinfo(gam, secret, GrantCache(), lambda found: found)


def cached_userinfo(
    gam: Gam, secret: Secret, cache: GrantCache[ResponseT], build_response: Callable[[dict[str, object]], ResponseT]
) -> ResponseT:
    """Return the claims that an access token reveals, as `answer` tells them, or raise RefusedError as `userinfo`."""
    digest, now = secret.digest(), gam.now()
    again = cache.cached_claims(digest, now)
    if again is not None:
        return again
    row = parse_access_token(secret)
    token = cache.find_token(gam, row) if row is not None else None
    again = cache.cached_claims(digest, now, token)
    if again is not None:
        return again
    held = (
        cache.find_app_and_user(gam, token.client_id, token.user_guid) if token is not None else AppAndUser(None, None)
    )
    made = build_response(
        claims.decide(claims.UserinfoFacts(now, secret, token, held.app, held.user, held.pairwise_key))
    )
    if token is not None:
        cache.add_claims(digest, token, made)
    return made


def show(gam: Gam, token_id: str) -> Token:
    """Return the token with that id; raises NotFoundError."""
    with gam.store.reading() as tx:
        return _load_token(tx, token_id)


def _load_token(tx: Transaction, token_id: str) -> Token:
    row = parse_token_id(token_id)
    token = store.tokens.find(tx, row) if row is not None else None
    if token is None:
        raise NotFoundError(f"no token with the id '{token_id}'", command("token", "list"))
    return token


@contextmanager
def search(gam: Gam, search: TokenSearch) -> Iterator[Iterator[Token]]:
    """Read the tokens that `search` describes, one by one, while the `with` lasts."""
    now = gam.now()
    with gam.store.reading() as tx:
        wanted = TokenFilter(
            user_guid=None if search.user is None else store.users.get(tx, search.user).guid,
            client_id=None if search.app is None else store.apps.get(tx, search.app).client_id,
            key=None if search.key is None else store.keys.get_by_prefix(tx, search.key).id,
            sort=search.sort,
        )
        every = store.tokens.search(tx, wanted)
        matching = (token for token in every if not search.statuses or token.status(now) in search.statuses)
        yield islice(matching, search.limit)


def revoke(gam: Gam, token_id: str) -> ChangeResult[Token]:
    """End the token now, with all others of its session; what has ended already stays as it is."""
    with gam.store.writing() as tx:
        before, now = _load_token(tx, token_id), gam.now()
        if before.status(now) != "active":
            return ChangeResult(before, is_changed=False)
        store.tokens.revoke(tx, before.row, now)
        if before.session_row is not None:
            store.sessions.revoke(tx, before.session_row, now)
        after = replace(before, ended_at=now)
        gam.record(tx, "token.revoke", before.id, (before, after), user=before.user, app=before.app)
    return ChangeResult(replace(after, is_revoked=True))
