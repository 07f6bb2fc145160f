"""Access tokens: a key traded for one, the claims read with it, and what an admin sees of them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import Changed
from gamcli.errors import NotFoundError, command
from gamcli.model import App, Key, Token, User, token_id, token_row
from gamcli.rules import claims, grants, scopes
from gamcli.rules.credentials import Secret, access_token_row, api_key_id, mint_access_token
from gamcli.store import Transaction
from gamcli.store.tokens import TokenFilter

USE_STEP = timedelta(minutes=1)
"""How far a key's stored last use may lie behind."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token and what it carries."""

    secret: Secret
    grant: grants.Grant
    id: str


@dataclass(frozen=True, slots=True)
class TokenSearch:
    """Which tokens a list shows; None asks for all, `statuses` empty for every status."""

    user: str | None = None
    app: str | None = None
    key: str | None = None
    statuses: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


def decide(
    gam: Gam,
    request: grants.TokenRequest,
    notice: Callable[[App], None] = lambda _: None,
    judged: Iterable[grants.Rule] = grants.API_KEY_GRANT,
) -> grants.Grant:
    """
    Decide what the token carries that `request` asks for, or raise RefusedError with the rule that said no.

    Nothing is written. `notice` hears of the application as soon as it is found, whatever becomes of the grant; it may
    refuse it.
    """
    with gam.store.reading() as tx:
        facts = _facts(tx, gam, request)
    if facts.app is not None:
        notice(facts.app)
    return grants.decide(facts, judged)


def keep(gam: Gam, tx: Transaction, grant: grants.Grant) -> IssuedToken:
    """Mint the access token of a grant and keep its digest; many grants may share a transaction."""
    row = store.tokens.next_row(tx, grant.at)
    secret = mint_access_token(grant.repository, row, gam.entropy)
    store.tokens.add(tx, row, secret.digest(), grant.at, grant.key, (scopes.join(grant.scopes), grant.expires_at))
    if grant.app.one_token_per_user:
        store.tokens.supersede(tx, grant.app.client_id, grant.user.guid, row)
    _count(tx, grant, grant.at)
    return IssuedToken(secret, grant, token_id(row))


def exchange(
    gam: Gam, request: grants.TokenRequest, judged: Iterable[grants.Rule] = grants.API_KEY_GRANT
) -> IssuedToken:
    """Trade an API key for an access token, or raise RefusedError with the rule that said no (GAM wiki 56104)."""
    grant = decide(gam, request, judged=judged)
    with gam.store.writing() as tx:
        return keep(gam, tx, grant)


WITHOUT_CLIENT_SECRET = tuple(rule for rule in grants.API_KEY_GRANT if rule is not grants.CLIENT_SECRET_WRONG)
"""What is judged of those who can write the store: they could give the application another secret."""


def exchange_here(gam: Gam, app: str, api_key: Secret) -> IssuedToken:
    """Trade an API key as who administers the store; raises NotFoundError, or RefusedError as `exchange` does."""
    with gam.store.reading() as tx:
        client_id = store.apps.named(tx, app).client_id
        key, _ = _key_and_owner(tx, api_key_id(api_key))
    request = grants.TokenRequest(client_id, api_key=api_key, authentication_type_name=key.auth_type if key else "")
    return exchange(gam, request, judged=WITHOUT_CLIENT_SECRET)


def _count(tx: Transaction, grant: grants.Grant, now: datetime) -> None:
    """Count the grant in the commit of its token; a key's last use is written once a minute."""
    store.apps.authenticated(tx, grant.app.client_id, now)
    last = grant.key.last_used_at
    if last is None or now - last >= USE_STEP:
        store.keys.used(tx, grant.key.id, now)


def _facts(tx: Transaction, gam: Gam, request: grants.TokenRequest) -> grants.Facts:
    repository = store.repository.the(tx)
    key, user = _key_and_owner(tx, api_key_id(request.api_key))
    return grants.Facts(
        now=gam.now(),
        repository=repository,
        app=store.apps.of_client(tx, request.client_id),
        auth_type=store.auth_types.find(tx, request.authentication_type_name or repository.default_auth_type),
        key=key,
        user=user,
        request=request,
        attributes=_carried(tx, request.scope),
    )


def _carried(tx: Transaction, scope: str) -> frozenset[str]:
    """Return the attributes that `scope` names and some user carries."""
    named = filter(None, map(scopes.attribute_id, scopes.split(scope)))
    return frozenset(attribute for attribute in named if store.users.carries(tx, attribute))


def _key_and_owner(tx: Transaction, key_id: str | None) -> tuple[Key | None, User | None]:
    """Find a key and its owner; when there is none, read another's as well, so that the clock does not tell."""
    near = store.keys.at_or_before(tx, key_id) if key_id else None
    owner = store.users.with_guid(tx, near.user_guid) if near else None
    return (near, owner) if near and near.id == key_id else (None, None)


def userinfo(gam: Gam, secret: Secret) -> dict[str, object]:
    """Return the claims that an access token reveals, or raise RefusedError with the rule that said no."""
    row = access_token_row(secret)
    with gam.store.reading() as tx:
        token = store.tokens.find(tx, row) if row is not None else None
        app = store.apps.of_client(tx, token.client_id) if token else None
        user = store.users.with_guid(tx, token.user_guid) if token else None
        pairwise_key = store.repository.the(tx).pairwise_key if app and not app.share_user_ids else b""
    return claims.reveal(claims.Bearer(gam.now(), secret, token, app, user, pairwise_key))


def show(gam: Gam, token_id: str) -> Token:
    """Return the token with that id; raises NotFoundError."""
    with gam.store.reading() as tx:
        return _named(tx, token_id)


def _named(tx: Transaction, token_id: str) -> Token:
    row = token_row(token_id)
    found = store.tokens.find(tx, row) if row is not None else None
    if found is None:
        raise NotFoundError(f"no token with the id '{token_id}'", command("token", "list"))
    return found


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
        found = store.tokens.each(tx, wanted)
        matching = (token for token in found if not search.statuses or token.status(now) in search.statuses)
        yield islice(matching, search.limit)


def revoke(gam: Gam, token_id: str) -> Changed[Token]:
    """End the token now; what has ended already stays as it is."""
    with gam.store.writing() as tx:
        found, now = _named(tx, token_id), gam.now()
        if found.status(now) != "active":
            return Changed(found, differs=False)
        store.tokens.revoke(tx, found.row, now)
        after = replace(found, ended_at=now)
        gam.record(tx, "token.revoke", found.id, (found, after), user=found.user, app=found.app)
    return Changed(after)
