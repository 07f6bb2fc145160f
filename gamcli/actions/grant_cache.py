"""
Caches what the turns before have loaded and decided, since most clients send the same request over and over.

Every change writes an audit entry, and issuing a token writes none. So a decision holds while the head of the audit log
stays the same, which is compared in the transaction that saves the token: a change by any process counts for the next
request. Refusals and password and refresh grants are not cached.

On PostgreSQL this is right under READ COMMITTED, where each statement sees what was committed when it began. The head
is read by the first statement of a transaction that begins after the requests have arrived. A change that was
acknowledged before is committed, and its entry is in the same commit, so the statement sees a newer head. The
statements that follow see at least as much: also those that are sent with it, in one round trip, since they run after
it. A change that is committed later is ordered after the grant. When all decisions are cached, the first statement
compares the head in the database, and the rows follow in the same round trip. Nothing depends on notifications between
nodes: none are sent.
"""

from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from gamcli.actions.key_uses import KeyUses
from gamcli.rules.grants import Grant, TokenRequest
from gamcli.store.grant_facts import AskedClient, ClientFacts
from gamcli.store.hash_chain import ChainHead

MAX_ENTRIES = 4096
"""At most this many entries of each kind are cached; an entry takes about 2 kB."""

CacheKeyT = TypeVar("CacheKeyT")
CacheValueT = TypeVar("CacheValueT")


class BoundedCache(dict[CacheKeyT, CacheValueT]):
    """A dictionary that drops its oldest entry for one more than `max_entries`."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        super().__init__()

    def __setitem__(self, key: CacheKeyT, value: CacheValueT) -> None:
        if len(self) >= self._max_entries and key not in self:
            del self[next(iter(self))]
        super().__setitem__(key, value)

    def update(self, entries: Mapping[CacheKeyT, CacheValueT]) -> None:  # type: ignore[override] # less than of a dict
        for key, value in entries.items():  # `dict.update` would not drop any
            self[key] = value


class CachedGrant(NamedTuple):
    """The grant that the rules decided for `request`; they decide alike from `valid_from` until `valid_until`."""

    request: TokenRequest
    grant: Grant
    valid_from: datetime
    valid_until: datetime | None

    def is_valid(self, now: datetime) -> bool:
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


class GrantCache:
    """
    Grants by the digest of their request, and applications with authentication types, at one head of the audit log.

    Used by one thread. `clear` it when a transaction that used it has failed; when it has only met a busy store,
    `key_uses.roll_back` is enough.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.clients: MutableMapping[AskedClient, ClientFacts] = BoundedCache(max_entries)
        self.grants: BoundedCache[bytes, CachedGrant] = BoundedCache(max_entries)
        self.key_uses = KeyUses()
        self._head: ChainHead | None = None

    @property
    def head(self) -> ChainHead | None:
        """The head of the audit log at which all entries were cached, or None if nothing is cached."""
        return self._head if self.grants else None

    def clear_if_changed(self, head: ChainHead | None) -> bool:
        """Drop everything unless the head of the audit log is the one before; return whether something was dropped."""
        had_entries = bool(self.clients)  # all grants have one
        if head == self._head:
            return False
        self.clear()
        self._head = head
        return had_entries

    def clear(self) -> None:
        self.clients.clear()
        self.grants.clear()
        self.key_uses.roll_back()
        self.key_uses.forget_writes()

    def find_grant(self, digest: bytes, now: datetime) -> Grant | None:
        entry = self.grants.get(digest)
        return entry.grant if entry is not None and entry.is_valid(now) else None
