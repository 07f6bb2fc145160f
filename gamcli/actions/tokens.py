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
from gamcli.actions.changes import Changed
from gamcli.actions.grant_cache import Holder, Prepared, Ready, is_worth_noting
from gamcli.errors import NotFoundError, RefusedError, command
from gamcli.model import App, Token, token_id, token_row
from gamcli.rules import api_key_grant, claims, durations, grants, password_grant, refresh_grant, scopes
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.credentials import NO_SECRET, Secret, access_token_row, api_key_id, mint_access_token
from gamcli.store import Transaction
from gamcli.store.tokens import Carried, TokenFilter


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
        return token_id(self.row)


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Which tokens a list shows; None asks for all, `statuses` empty for every status."""

    user: str | None = None
    app: str | None = None
    key: str | None = None
    statuses: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


Answered = TypeVar("Answered")

Decision = Ready | grants.Grant | refresh_grant.Reuse
"""What is to be written for a request: a token that is granted, or the end of a session."""


def decide(
    gam: Gam,
    request: grants.TokenRequest,
    notice: Callable[[App], None] = lambda _: None,
    judged: Iterable[grants.Rule] = API_KEY_GRANT,
) -> Decision:
    """
    Decide what the token carries that `request` asks for, or raise RefusedError with the rule that said no.

    Nothing is written. `notice` hears of the application first, if there is one, whatever becomes of the grant; it may
    refuse it. A password takes long.
    """
    head = gam.store.glance(store.audit.head)  # before the facts: who changes them between the two is heeded by `keep`
    with gam.store.reading() as tx:
        facts = found.facts(tx, gam, request)
    if facts.app is not None:
        notice(facts.app)
    if request.grant == grants.PASSWORD:
        return found.rehashed(gam, password_grant.decide(facts), request.password)
    if request.grant == grants.REFRESH:
        return refresh_grant.decide(facts)
    grant = api_key_grant.decide(facts, judged)
    return Ready(request, grant, judged, head, facts.now, api_key_grant.decided_until(facts))


def keep(gam: Gam, tx: Transaction, decided: Decision) -> IssuedToken:
    """
    Mint the access token of a grant and keep its digest; many grants may share a transaction.

    Raises RefusedError, and has written nothing of the grant then, when it cannot be kept any more; a session that
    ends with it has to be committed all the same.
    """
    now = gam.now()
    if isinstance(decided, refresh_grant.Reuse):
        store.sessions.end(tx, decided.session, now)
        raise decided.refusal
    grant = found.still(tx, gam, decided, now)
    row = store.tokens.next_row(tx, now)
    secret = mint_access_token(grant.repository, row, gam.entropy)
    session = found.session(tx, grant, row, now)
    holder = grant.key or session
    assert holder is not None, "a token without a key has a session"
    expires_at = grant.expires_at(now)
    carried = Carried(scopes.join(grant.scopes), expires_at, session.id if session else None)
    store.tokens.add(tx, row, secret.digest(), now, holder, carried)
    refresh_token = found.refresh_token(gam, tx, grant, session, row, now)
    if grant.app.one_token_per_user:
        store.tokens.supersede(tx, grant.app.client_id, grant.user.guid, row)
    _count(tx, grant, now)
    return IssuedToken(secret, grant, row, durations.seconds(now, expires_at), refresh_token)


def exchange(gam: Gam, request: grants.TokenRequest, judged: Iterable[grants.Rule] = API_KEY_GRANT) -> IssuedToken:
    """Trade what `request` carries for an access token, or raise RefusedError with the rule that said no."""
    decided = decide(gam, request, judged=judged)
    with gam.store.writing() as tx:
        try:
            return keep(gam, tx, decided)
        except RefusedError as refused:  # raised behind the commit: a session may have ended
            no = refused
    raise no


WITHOUT_CLIENT_SECRET = tuple(rule for rule in API_KEY_GRANT if rule is not grants.CLIENT_SECRET_WRONG)
"""What is judged of those who can write the store: they could give the application another secret."""


def exchange_here(gam: Gam, app: str, api_key: Secret) -> IssuedToken:
    """Trade an API key as who administers the store; raises NotFoundError, or RefusedError as `exchange` does."""
    with gam.store.reading() as tx:
        client_id = store.apps.named(tx, app).client_id
        key, _ = found.key_and_owner(tx, api_key_id(api_key))
    request = grants.TokenRequest(client_id, api_key=api_key, authentication_type_name=key.auth_type if key else "")
    return exchange(gam, request, judged=WITHOUT_CLIENT_SECRET)


def _count(tx: Transaction, grant: grants.Grant, now: datetime) -> None:
    """Count the grant in the commit of its token; a key's last use is written once a minute."""
    store.apps.authenticated(tx, grant.app.client_id, now)
    if grant.user.password_hash is not None and grant.rehashed is not None:
        store.users.rehash(tx, grant.user.guid, grant.user.password_hash, grant.rehashed)
    if grant.key is not None and is_worth_noting(grant.key.last_used_at, now):
        store.keys.used(tx, grant.key.id, now)


def userinfo(gam: Gam, secret: Secret) -> dict[str, object]:
    """Return the claims that an access token reveals, or raise RefusedError with the rule that said no."""
    return told(gam, secret, Prepared(), lambda found: found)


def told(
    gam: Gam, secret: Secret, prepared: Prepared[Answered], answer: Callable[[dict[str, object]], Answered]
) -> Answered:
    """Return the claims that an access token reveals, as `answer` tells them, or raise RefusedError as `userinfo`."""
    digest, now = secret.digest(), gam.now()
    again = prepared.told(digest, now)
    if again is not None:
        return again
    row = access_token_row(secret)
    token = prepared.token(gam, row) if row is not None else None
    again = prepared.told(digest, now, token)
    if again is not None:
        return again
    held = prepared.holder(gam, token.client_id, token.user_guid) if token is not None else Holder(None, None)
    made = answer(claims.reveal(claims.Bearer(now, secret, token, held.app, held.user, held.pairwise_key)))
    if token is not None:
        prepared.tell(digest, token, made)
    return made


def show(gam: Gam, token_id: str) -> Token:
    """Return the token with that id; raises NotFoundError."""
    with gam.store.reading() as tx:
        return _named(tx, token_id)


def _named(tx: Transaction, token_id: str) -> Token:
    row = token_row(token_id)
    token = store.tokens.find(tx, row) if row is not None else None
    if token is None:
        raise NotFoundError(f"no token with the id '{token_id}'", command("token", "list"))
    return token


@contextmanager
def listed(gam: Gam, search: TokenSearch) -> Iterator[Iterator[Token]]:
    """Read the tokens that `search` describes, one by one, while the `with` lasts."""
    now = gam.now()
    with gam.store.reading() as tx:
        wanted = TokenFilter(
            user_guid=None if search.user is None else store.users.named(tx, search.user).guid,
            client_id=None if search.app is None else store.apps.named(tx, search.app).client_id,
            key=None if search.key is None else store.keys.named(tx, search.key).id,
            sort=search.sort,
        )
        every = store.tokens.each(tx, wanted)
        matching = (token for token in every if not search.statuses or token.status(now) in search.statuses)
        yield islice(matching, search.limit)


def revoke(gam: Gam, token_id: str) -> Changed[Token]:
    """End the token now, with all others of its session; what has ended already stays as it is."""
    with gam.store.writing() as tx:
        before, now = _named(tx, token_id), gam.now()
        if before.status(now) != "active":
            return Changed(before, differs=False)
        store.tokens.revoke(tx, before.row, now)
        if before.session_row is not None:
            store.sessions.end(tx, before.session_row, now)
        after = replace(before, ended_at=now)
        gam.record(tx, "token.revoke", before.id, (before, after), user=before.user, app=before.app)
    return Changed(replace(after, ended=True))
