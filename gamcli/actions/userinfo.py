"""
Returns the claims of access tokens, for all requests of a turn together.

A cached response is returned without reading while nothing at all was written to the store, which only a file knows.
Otherwise the head of the audit log is read, in the same statement as the tokens that are not cached. While it stays the
same, applications, users and keys are as they were, and so are most tokens. But issuing a token, which is not audited,
may invalidate tokens with a session, and those of applications with one token per user. These are read again.

A transaction of a grant counts as made before all changes that it does not see, although it ends after them. One that
began before its application allowed several tokens per user may still invalidate a token. So all are read again after
READ_AGAIN_AFTER.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.grant_cache import MAX_ENTRIES, BoundedCache
from gamcli.errors import RefusedError
from gamcli.model import App, User
from gamcli.model.tokens import Token
from gamcli.rules import claims
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.store import Transaction
from gamcli.store.engine import DataVersion, Query
from gamcli.store.grant_facts import AskedClient, ClientFacts
from gamcli.store.hash_chain import ChainHead

READ_AGAIN_AFTER = timedelta(seconds=5)
"""A cached token is read again after this time, whatever the audit log says."""

ResponseT = TypeVar("ResponseT")
DecideClaims = Callable[[claims.UserinfoFacts], dict[str, object]]


class Owner(NamedTuple):
    """The application and user of a token, None if deleted; `pairwise_key` is that of the repository."""

    app: App | None
    user: User | None
    pairwise_key: bytes = b""

    def __repr__(self) -> str:
        return f"Owner({self.app!r}, {self.user!r})"


NO_OWNER = Owner(None, None)


class CachedClaims(NamedTuple, Generic[ResponseT]):
    """
    The response with the claims of `token`, which was read at that time and version of the store.

    Only changes that are audited invalidate a token that `needs_audit`; others may be invalidated by a grant.
    """

    version: DataVersion | None
    read_at: datetime
    token: Token
    response: ResponseT
    needs_audit: bool

    def holds_without_change(self, now: datetime) -> bool:
        """Say whether the response is right unless the audit log has another head than when it was read."""
        is_recent = timedelta() <= now - self.read_at < READ_AGAIN_AFTER
        return self.needs_audit and is_recent and self.token.status(now) == "active"


class ClaimsResult(NamedTuple, Generic[ResponseT]):
    """The token that was sent, None if there is none, and the response with its claims or the refusal."""

    token: Token | None
    response: ResponseT | RefusedError


class ClaimsCache(Generic[ResponseT]):
    """Responses by the digest of their token, and the applications and users of tokens. Used by one thread."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.responses: BoundedCache[bytes, CachedClaims[ResponseT]] = BoundedCache(max_entries)
        self.clients: BoundedCache[AskedClient, ClientFacts] = BoundedCache(max_entries)
        self.users: BoundedCache[str, User] = BoundedCache(max_entries)
        self._head: ChainHead | None = None

    def clear_if_changed(self, head: ChainHead | None) -> bool:
        """Drop everything unless the head of the audit log is the one before; return whether it is not."""
        if head == self._head:
            return False
        self.responses.clear()
        self.clients.clear()
        self.users.clear()
        self._head = head
        return True

    def find(self, digest: bytes, now: datetime, version: DataVersion | None) -> CachedClaims[ResponseT] | None:
        """Return the cached response if nothing was written since, which only some engines know."""
        entry = self.responses.get(digest)
        return entry if entry and entry.version == version is not None and entry.token.status(now) == "active" else None


def userinfo(gam: Gam, secret: Secret) -> dict[str, object]:
    """Return the claims of an access token; raises RefusedError with the rule that refused."""
    (result,) = load_claims(gam, [secret], ClaimsCache[dict[str, object]](), lambda built: built)
    if isinstance(result.response, RefusedError):
        raise result.response
    return result.response


def load_claims(
    gam: Gam,
    secrets: Sequence[Secret],
    cache: ClaimsCache[ResponseT],
    build_response: Callable[[dict[str, object]], ResponseT],
    decide: DecideClaims = claims.decide,
) -> list[ClaimsResult[ResponseT]]:
    """
    Return the response with the claims of each access token, or the refusal of the first rule that does not hold.

    Reads all tokens that are not cached in one statement, and their applications and users in one each. A cache is for
    one `decide`.
    """
    now, digests = gam.now(), [secret.digest() for secret in secrets]
    distinct = dict(zip(digests, secrets, strict=True))
    results = gam.store.read_without_transaction(
        lambda tx: _ClaimsTurn(now, tx.data_version(), cache, build_response, decide).answer(tx, distinct)
    )
    return [results[digest] for digest in digests]


ReadTokens = dict[bytes, tuple[Token, Owner]]


def _load_tokens(
    tx: Transaction, cache: ClaimsCache[ResponseT], secrets: Mapping[bytes, Secret], now: datetime
) -> ReadTokens:
    """
    Return tokens and their owners by the digest of the secret; tokens that cannot have changed are those of the cache.

    Whether they can is known from the head of the audit log, which is read in the same statement as the other tokens.
    """
    entries = ((digest, cache.responses.get(digest)) for digest in secrets)
    held = {digest: (each.token, NO_OWNER) for digest, each in entries if each and each.holds_without_change(now)}
    rows = {digest: parse_access_token(secret) for digest, secret in secrets.items() if digest not in held}
    asked = {row for row in rows.values() if row is not None}
    head, tokens = store.tokens.find_with_head(tx, asked) if asked else (None, {})
    if held and head is None:
        head = store.audit.load_head(tx)
    if not tokens and not held:
        return {}
    if cache.clear_if_changed(head) and held:
        return _load_tokens(tx, cache, secrets, now)
    owners = _load_owners(tx, cache, tokens.values())
    return held | {
        digest: (tokens[row], owners[row]) for digest, row in rows.items() if row is not None and row in tokens
    }


def _load_owners(tx: Transaction, cache: ClaimsCache[ResponseT], tokens: Collection[Token]) -> dict[int, Owner]:
    """Return the owner of each token by its row; reads the applications and users that are not cached together."""
    client_ids, guids = {(token.client_id, "") for token in tokens}, {token.user_guid for token in tokens}
    clients = {each: cache.clients[each] for each in client_ids if each in cache.clients}
    users = {each: cache.users[each] for each in guids if each in cache.users}
    asked: list[tuple[Query[Any], dict[Any, Any], BoundedCache[Any, Any]]] = []
    if missing_clients := sorted(client_ids - clients.keys()):
        asked.append((store.grant_facts.find_clients(missing_clients), clients, cache.clients))
    if missing_users := sorted(guids - users.keys()):
        asked.append((store.grant_facts.find_users_by_guid(missing_users), users, cache.users))
    for (_, known, cached), found in zip(asked, tx.fetch_together([query for query, *_ in asked]), strict=True):
        known.update(found)
        cached.update(found)
    return {
        token.row: Owner(client.app, users.get(token.user_guid), client.repository.pairwise_key)
        for token in tokens
        for client in [clients[token.client_id, ""]]
    }


class _ClaimsTurn(NamedTuple, Generic[ResponseT]):
    now: datetime
    version: DataVersion | None
    cache: ClaimsCache[ResponseT]
    build_response: Callable[[dict[str, object]], ResponseT]
    decide: DecideClaims

    def answer(self, tx: Transaction, secrets: Mapping[bytes, Secret]) -> dict[bytes, ClaimsResult[ResponseT]]:
        """Return the results by the digest of the secret."""
        cached = {digest: self.cache.find(digest, self.now, self.version) for digest in secrets}
        unknown = {digest: secrets[digest] for digest, entry in cached.items() if entry is None}
        read = _load_tokens(tx, self.cache, unknown, self.now) if unknown else {}
        return {
            digest: ClaimsResult(entry.token, entry.response) if entry else self.respond(secrets[digest], digest, read)
            for digest, entry in cached.items()
        }

    def respond(self, secret: Secret, digest: bytes, read: ReadTokens) -> ClaimsResult[ResponseT]:
        token, owner = read.get(digest, (None, NO_OWNER))
        cached = self.cache.responses.get(digest)
        if cached is not None and cached.token is token:
            return ClaimsResult(token, cached.response)
        try:
            if cached is not None and cached.token == token and token.status(self.now) == "active":
                response = cached.response
            else:
                facts = claims.UserinfoFacts(self.now, secret, token, *owner)
                response = self.build_response(self.decide(facts))
        except RefusedError as error:
            return ClaimsResult(token if token is not None and secret.matches(token.digest) else None, error)
        assert token is not None, "the rules refuse an unknown token"
        needs_audit = token.session_row is None and not (owner.app and owner.app.one_token_per_user)
        self.cache.responses[digest] = CachedClaims(self.version, self.now, token, response, needs_audit)
        return ClaimsResult(token, response)
