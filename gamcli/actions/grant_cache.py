"""
What was decided and found for earlier requests, ready for the next: most clients send one request over and over.

It counts no longer the moment an admin changes anything, so that a revocation by another process counts for the very
next request: every change writes an audit entry, and grants write none. Grants are compared with the head of the trail
in the transaction that keeps their tokens, whose requests have all come before it began. Grants end tokens too: what
a token reveals is told again while nothing at all was written, or once the token was found to be as it was. Refusals
are not kept.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import StoreError
from gamcli.model import App, Token, User
from gamcli.rules.grants import Grant, Rule, TokenRequest
from gamcli.store import Transaction
from gamcli.store.hash_chain import ChainHead
from gamcli.store.sqlite.database import DataVersion

MAX_ENTRIES = 4096
"""How many requests, and holders of tokens, are remembered; each takes about 2 kB, its records shared with others."""

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""How far a key's stored last use may lie behind."""


ResponseT = TypeVar("ResponseT")
CacheKeyT = TypeVar("CacheKeyT")
CacheValueT = TypeVar("CacheValueT")


class AppAndUser(NamedTuple):
    """Whose a token is: its application and user, None is gone; `pairwise_key` where that application needs it."""

    app: App | None
    user: User | None
    pairwise_key: bytes = b""

    def __repr__(self) -> str:
        return f"AppAndUser({self.app!r}, {self.user!r})"


class CachedGrant(NamedTuple):
    """
    A grant to an API key, as the rules `judged` decided it for `request` while the trail of the store had that head.

    While it has, they decide alike from `since` to `until`, None = for ever.
    """

    request: TokenRequest
    grant: Grant
    rules: Iterable[Rule]
    audit_head: ChainHead | None
    valid_from: datetime
    valid_until: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Say whether the rules decide alike at `now`."""
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


class CachedClaims(NamedTuple, Generic[ResponseT]):
    """What the bearer of a token was told, while the token was this one and the store of that version."""

    version: DataVersion | None
    token: Token
    response: ResponseT


class GrantCache(Generic[ResponseT]):
    """
    Grants by the digest of the request they were decided for, answers by the digest of the token they were given to.

    Used by one thread. What was told is told again without reading anything if nothing at all was written to the store
    up to the last `look`: who asks has to have come before that.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._grants: dict[bytes, CachedGrant] = {}
        self._claims: dict[bytes, CachedClaims[ResponseT]] = {}
        self._apps_and_users: dict[tuple[str, str], AppAndUser] = {}
        self._head: ChainHead | None = None
        self._version: DataVersion | None = None

    def find_grant(self, digest: bytes, now: datetime) -> CachedGrant | None:
        """Return what is ready for the request with that digest at `now`; None when it must be decided."""
        ready = self._grants.get(digest)
        if ready is None or not ready.is_valid(now):
            return None
        key = ready.grant.key
        if key is not None and should_record_use(key.last_used_at, now):  # by this grant, not by the next
            noted = ready.grant._replace(key=replace(key, last_used_at=now))
            self._grants[digest] = ready._replace(grant=noted)
        return ready

    def add_grant(self, digest: bytes, grant: CachedGrant) -> None:
        """Remember what was decided for the request with that digest."""
        self._clear_if_changed(grant.audit_head)
        self._insert(self._grants, digest, grant)

    def invalidate(self, tx: Transaction) -> None:
        """Forget what is not true any more in `tx`."""
        self._clear_if_changed(tx.cached(store.audit.load_head))

    def check_version(self, gam: Gam) -> None:
        """Look whether anything was written; where that cannot be seen, nothing is told without reading it."""
        try:
            self._version = gam.store.read_without_transaction(Transaction.data_version)
        except StoreError:  # whoever reads it hears what is wrong
            self._version = None

    def forget_version(self) -> None:
        """Tell nothing without reading it, until the next `look`."""
        self._version = None

    def cached_claims(self, digest: bytes, now: datetime, token: Token | None = None) -> ResponseT | None:
        """
        Return what the bearer was told; None when it would not be told so again, or nobody knows.

        That nothing was written is enough to know, and so is that `token`, which was just found, is as it was.
        """
        told = self._claims.get(digest)
        if told is None or told.token.status(now) != "active":
            return None
        if told.version == self._version is not None:
            return told.response
        if token is None or token != told.token:
            return None
        self._claims[digest] = told._replace(version=self._version)
        return told.response

    def add_claims(self, digest: bytes, token: Token, response: ResponseT) -> None:
        """Remember what the bearer of `token`, which was just found, is told."""
        self._insert(self._claims, digest, CachedClaims(self._version, token, response))

    def find_token(self, gam: Gam, row: int) -> Token | None:
        """Return the token in that row, None when there is none; what is known of its holder is as true as that."""

        def read(tx: Transaction) -> tuple[ChainHead | None, Token | None]:
            return store.audit.load_head(tx), store.tokens.find(tx, row)

        head, found = gam.store.read_without_transaction(read)
        self._clear_if_changed(head)
        return found

    def find_app_and_user(self, gam: Gam, client_id: str, user_guid: str) -> AppAndUser:
        """Return whose the `token` that was just found is: its application and user."""
        found = self._apps_and_users.get((client_id, user_guid))
        if found is None:
            with gam.store.reading() as tx:
                found = load_app_and_user(tx, client_id, user_guid)
            self._insert(self._apps_and_users, (client_id, user_guid), found)
        return found

    def _insert(self, entries: dict[CacheKeyT, CacheValueT], key: CacheKeyT, value: CacheValueT) -> None:
        """Remember it; when there are too many, begin anew."""
        if len(entries) >= self._max_entries:
            entries.clear()
        entries[key] = value

    def _clear_if_changed(self, head: ChainHead | None) -> None:
        """Forget everything when anything was changed: the trail has another head."""
        if head != self._head:
            self._grants.clear()
            self._claims.clear()
            self._apps_and_users.clear()
            self._head = head


def load_app_and_user(tx: Transaction, client_id: str, user_guid: str) -> AppAndUser:
    """Return whose a token of that application and user is."""
    app, user = store.apps.find_by_client_id(tx, client_id), store.users.find_by_guid(tx, user_guid)
    hidden = app is not None and not app.share_user_ids
    return AppAndUser(app, user, store.repository.get(tx).pairwise_key if hidden else b"")


def should_record_use(last_used_at: datetime | None, now: datetime) -> bool:
    """Say whether a key's last use is to be written again."""
    return last_used_at is None or now - last_used_at >= LAST_USED_RESOLUTION
