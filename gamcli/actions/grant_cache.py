"""
Caches what earlier requests needed, since most clients send the same request over and over.

Grants: every change writes an audit entry, and issuing a token writes none. So a cached decision holds while the head
of the audit log stays the same, which is checked in the transaction that saves the token.

Claims: issuing a token may end other tokens. So cached claims are returned without reading only while nothing at all
was written to the store, or when the token, read again, is unchanged.

A change by another process therefore counts for the very next request. Refusals are not cached.
"""

from dataclasses import replace
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.issuance import GrantDecision
from gamcli.errors import StoreError
from gamcli.model import App, Token, User
from gamcli.rules import keys
from gamcli.store import Transaction
from gamcli.store.hash_chain import ChainHead
from gamcli.store.sqlite.database import DataVersion

MAX_ENTRIES = 4096
"""At most this many entries of each kind are cached; an entry takes about 2 kB."""

ResponseT = TypeVar("ResponseT")
CacheKeyT = TypeVar("CacheKeyT")
CacheValueT = TypeVar("CacheValueT")


class AppAndUser(NamedTuple):
    """The application and user of a token, None if deleted; `pairwise_key` if the application hides user ids."""

    app: App | None
    user: User | None
    pairwise_key: bytes = b""

    def __repr__(self) -> str:
        return f"AppAndUser({self.app!r}, {self.user!r})"


class CachedClaims(NamedTuple, Generic[ResponseT]):
    """The response with the claims of `token` at that version of the store."""

    version: DataVersion | None
    token: Token
    response: ResponseT


class GrantCache(Generic[ResponseT]):
    """
    Decisions by the digest of their request, and responses with claims by the digest of their token.

    Used by one thread. Call `check_version` when a batch of requests has arrived, `forget_version` after it.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._grants: dict[bytes, GrantDecision] = {}
        self._claims: dict[bytes, CachedClaims[ResponseT]] = {}
        self._apps_and_users: dict[tuple[str, str], AppAndUser] = {}
        self._head: ChainHead | None = None
        self._version: DataVersion | None = None

    def find_grant(self, digest: bytes, now: datetime) -> GrantDecision | None:
        decision = self._grants.get(digest)
        if decision is None or not decision.is_valid(now):
            return None
        grant = decision.grant
        if grant.key is not None and keys.should_record_use(grant.key.last_used_at, now):
            # This grant records the use; the next one need not.
            used = grant._replace(key=replace(grant.key, last_used_at=now))
            self._grants[digest] = decision._replace(result=used)
        return decision

    def add_grant(self, digest: bytes, decision: GrantDecision) -> None:
        self._clear_if_changed(decision.audit_head)
        self._insert(self._grants, digest, decision)

    def invalidate(self, tx: Transaction) -> None:
        """Clear the cache if anything was changed before this transaction."""
        self._clear_if_changed(tx.cached(store.audit.load_head))

    def check_version(self, gam: Gam) -> None:
        try:
            self._version = gam.store.read_without_transaction(Transaction.data_version)
        except StoreError:  # the next read reports it
            self._version = None

    def forget_version(self) -> None:
        self._version = None

    def cached_claims(self, digest: bytes, now: datetime, token: Token | None = None) -> CachedClaims[ResponseT] | None:
        """
        Return the cached claims of the token with that digest, or None.

        It is current if nothing was written since, or if `token`, read just now, is unchanged.
        """
        entry = self._claims.get(digest)
        if entry is None or entry.token.status(now) != "active":
            return None
        if entry.version == self._version is not None:
            return entry
        if token is None or token != entry.token:
            return None
        self._claims[digest] = entry._replace(version=self._version)
        return entry

    def add_claims(self, digest: bytes, token: Token, response: ResponseT) -> None:
        self._insert(self._claims, digest, CachedClaims(self._version, token, response))

    def find_token(self, gam: Gam, row: int) -> Token | None:
        """Read the token in that row, and clear the cache if anything was changed."""

        def read(tx: Transaction) -> tuple[ChainHead | None, Token | None]:
            return store.audit.load_head(tx), store.tokens.find(tx, row)

        head, token = gam.store.read_without_transaction(read)
        self._clear_if_changed(head)
        return token

    def find_app_and_user(self, gam: Gam, client_id: str, user_guid: str) -> AppAndUser:
        entry = self._apps_and_users.get((client_id, user_guid))
        if entry is None:
            with gam.store.reading() as tx:
                entry = load_app_and_user(tx, client_id, user_guid)
            self._insert(self._apps_and_users, (client_id, user_guid), entry)
        return entry

    def _insert(self, entries: dict[CacheKeyT, CacheValueT], key: CacheKeyT, value: CacheValueT) -> None:
        if len(entries) >= self._max_entries:
            del entries[next(iter(entries))]  # the oldest
        entries[key] = value

    def _clear_if_changed(self, head: ChainHead | None) -> None:
        if head != self._head:
            self._grants.clear()
            self._claims.clear()
            self._apps_and_users.clear()
            self._head = head


def load_app_and_user(tx: Transaction, client_id: str, user_guid: str) -> AppAndUser:
    app, user = store.apps.find_by_client_id(tx, client_id), store.users.find_by_guid(tx, user_guid)
    hidden = app is not None and not app.share_user_ids
    return AppAndUser(app, user, store.repository.get(tx).pairwise_key if hidden else b"")
