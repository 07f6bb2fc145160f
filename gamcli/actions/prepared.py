"""
What earlier requests were judged on, ready to be judged again: most clients send one request over and over.

It is dropped the moment an admin changes anything, so that a revocation by another process counts for the very next
request: every change writes an audit entry, and grants write none. Nothing is decided here: each request is judged
anew, at its own instant. Tokens are not kept, for grants end them too.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.model import App, Token, User
from gamcli.rules.grants import Facts
from gamcli.store import Transaction

ROOM = 4096
"""How many requests, and holders of tokens, are remembered; each takes about 2 kB, its records shared with others."""

USE_STEP = timedelta(minutes=1)
"""How far a key's stored last use may lie behind."""


class Holder(NamedTuple):
    """Whose a token is: its application and user, None is gone; `pairwise_key` where that application needs it."""

    app: App | None
    user: User | None
    pairwise_key: bytes = b""

    def __repr__(self) -> str:
        return f"Holder({self.app!r}, {self.user!r})"


class Prepared:
    """Facts by the digest of the request that they were found for, and the holders of tokens; used by one thread."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._facts: dict[bytes, Facts] = {}
        self._holders: dict[tuple[str, str], Holder] = {}
        self._state: object = None

    def find(self, gam: Gam, digest: bytes) -> Facts | None:
        """Return what is still true of the request with that digest, at this instant; None when it must be read."""
        self._refresh(gam.store.glance(store.audit.head))
        facts = self._facts.get(digest)
        if facts is None:
            return None
        now = gam.now()
        if facts.key is not None and is_worth_noting(facts.key.last_used_at, now):  # by this grant, not by the next
            self._facts[digest] = replace(facts, key=replace(facts.key, last_used_at=now))
        return facts.at(now)

    def keep(self, digest: bytes, facts: Facts) -> None:
        """Remember facts that the last `find` did not know."""
        if len(self._facts) >= self._room:
            self._facts.clear()
        self._facts[digest] = facts

    def token(self, gam: Gam, row: int) -> Token | None:
        """Return the token in that row, None when there is none; what is known of its holder is as true as that."""

        def look(tx: Transaction) -> tuple[object, Token | None]:
            return store.audit.head(tx), store.tokens.find(tx, row)

        state, found = gam.store.glance(look)
        self._refresh(state)
        return found

    def holder(self, gam: Gam, client_id: str, user_guid: str) -> Holder:
        """Return whose the `token` that was just found is: its application and user."""
        found = self._holders.get((client_id, user_guid))
        if found is None:
            with gam.store.reading() as tx:
                found = holder(tx, client_id, user_guid)
            if len(self._holders) >= self._room:
                self._holders.clear()
            self._holders[client_id, user_guid] = found
        return found

    def _refresh(self, state: object) -> None:
        """Forget everything when anything was changed: the head of the audit trail is another."""
        if state != self._state:
            self._facts.clear()
            self._holders.clear()
            self._state = state


def holder(tx: Transaction, client_id: str, user_guid: str) -> Holder:
    """Return whose a token of that application and user is."""
    app, user = store.apps.of_client(tx, client_id), store.users.with_guid(tx, user_guid)
    hidden = app is not None and not app.share_user_ids
    return Holder(app, user, store.repository.the(tx).pairwise_key if hidden else b"")


def is_worth_noting(last_used_at: datetime | None, now: datetime) -> bool:
    """Say whether a key's last use is to be written again."""
    return last_used_at is None or now - last_used_at >= USE_STEP
