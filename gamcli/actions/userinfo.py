"""
Returns the claims of access tokens, for all requests of a turn together.

Issuing a token may invalidate others. So a cached response is returned without reading only while nothing at all was
written to the store, or when its token, read again, is unchanged. The audit log is read in the same statement as the
tokens: while its head stays the same, applications and users are as they were.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.grant_cache import MAX_ENTRIES, BoundedCache
from gamcli.errors import RefusedError
from gamcli.model import App, Token, User
from gamcli.rules import claims
from gamcli.rules.credentials import Secret, parse_access_token
from gamcli.store import Transaction
from gamcli.store.engine import DataVersion
from gamcli.store.hash_chain import ChainHead

ResponseT = TypeVar("ResponseT")
DecideClaims = Callable[[claims.UserinfoFacts], dict[str, object]]


class Owner(NamedTuple):
    """The application and user of a token, None if deleted; `pairwise_key` is that of the repository."""

    app: App | None
    user: User | None
    pairwise_key: bytes = b""

    def __repr__(self) -> str:
        return f"Owner({self.app!r}, {self.user!r})"


class CachedClaims(NamedTuple, Generic[ResponseT]):
    """The response with the claims of `token` at that version of the store."""

    version: DataVersion | None
    token: Token
    response: ResponseT


class ClaimsResult(NamedTuple, Generic[ResponseT]):
    """The token that was sent, None if there is none, and the response with its claims or the refusal."""

    token: Token | None
    response: ResponseT | RefusedError


class ClaimsCache(Generic[ResponseT]):
    """Responses by the digest of their token, and the owners of tokens. Used by one thread."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.responses: BoundedCache[bytes, CachedClaims[ResponseT]] = BoundedCache(max_entries)
        self.owners: BoundedCache[tuple[str, str], Owner] = BoundedCache(max_entries)
        self._head: ChainHead | None = None

    def clear_if_changed(self, head: ChainHead | None) -> None:
        """Drop everything unless the head of the audit log is the one before."""
        if head != self._head:
            self.responses.clear()
            self.owners.clear()
            self._head = head

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
    version = gam.store.read_without_transaction(lambda tx: tx.data_version())
    cached = [cache.find(digest, now, version) for digest in digests]
    unknown = [secret for secret, entry in zip(secrets, cached, strict=True) if entry is None]
    read = gam.store.read_without_transaction(lambda tx: _load_tokens(tx, cache, unknown)) if unknown else {}
    turn = _ClaimsTurn(now, version, cache, build_response, decide)
    return [
        turn.respond(secret, digest, read) if entry is None else ClaimsResult(entry.token, entry.response)
        for secret, digest, entry in zip(secrets, digests, cached, strict=True)
    ]


ReadTokens = dict[int, tuple[Token, Owner]]


def _load_tokens(tx: Transaction, cache: ClaimsCache[ResponseT], secrets: Sequence[Secret]) -> ReadTokens:
    """Return tokens and their owners by the row of the token."""
    rows = {row for row in map(parse_access_token, secrets) if row is not None}
    head, tokens = store.tokens.find_with_head(tx, rows) if rows else (None, {})
    if not tokens:
        return {}
    cache.clear_if_changed(head)
    owners = {pair: cache.owners.get(pair) for pair in {_owner_of(token) for token in tokens.values()}}
    unknown = [pair for pair, owner in owners.items() if owner is None]
    loaded = _load_owners(tx, unknown) if unknown else {}
    cache.owners.update(loaded)
    return {row: (token, owners[_owner_of(token)] or loaded[_owner_of(token)]) for row, token in tokens.items()}


def _owner_of(token: Token) -> tuple[str, str]:
    return token.client_id, token.user_guid


def _load_owners(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Owner]:
    clients, users = tx.fetch_together(
        [
            store.grant_facts.find_clients(sorted({(client_id, "") for client_id, _ in pairs})),
            store.grant_facts.find_users_by_guid(sorted({guid for _, guid in pairs})),
        ]
    )
    return {
        (client_id, guid): Owner(client.app, users.get(guid), client.repository.pairwise_key)
        for client_id, guid in pairs
        for client in [clients[client_id, ""]]
    }


class _ClaimsTurn(NamedTuple, Generic[ResponseT]):
    now: datetime
    version: DataVersion | None
    cache: ClaimsCache[ResponseT]
    build_response: Callable[[dict[str, object]], ResponseT]
    decide: DecideClaims

    def respond(self, secret: Secret, digest: bytes, read: ReadTokens) -> ClaimsResult[ResponseT]:
        token, owner = read.get(parse_access_token(secret) or 0, (None, Owner(None, None)))
        is_known = token is not None and secret.matches(token.digest)
        cached = self.cache.responses.get(digest)
        try:
            if cached is not None and cached.token == token and cached.token.status(self.now) == "active":
                response = cached.response
            else:
                facts = claims.UserinfoFacts(self.now, secret, token, *owner)
                response = self.build_response(self.decide(facts))
        except RefusedError as error:
            return ClaimsResult(token if is_known else None, error)
        assert token is not None, "the rules refuse an unknown token"
        self.cache.responses[digest] = CachedClaims(self.version, token, response)
        return ClaimsResult(token, response)
