"""
Facts that earlier requests were granted on, ready to be judged again: most clients send one request over and over.

They are dropped the moment an admin changes anything, so that a revocation by another process counts for the very next
request: every change writes an audit entry, and grants write none. Nothing is decided here: each request is judged anew
on the facts, with its own instant.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from gamcli import store
from gamcli.actions import Gam
from gamcli.rules.grants import Facts

ROOM = 4096
"""How many requests are remembered; each takes about 2 kB, its records shared with others."""

USE_STEP = timedelta(minutes=1)
"""How far a key's stored last use may lie behind."""


class Prepared:
    """The facts by the digest of the request that they were found for; used by one thread."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._found: dict[bytes, Facts] = {}
        self._state: object = None

    def find(self, gam: Gam, digest: bytes) -> Facts | None:
        """Return what is still true of the request with that digest, at this instant; None when it must be read."""
        with gam.store.reading() as tx:
            state = store.audit.head(tx)
        if state != self._state:
            self._found.clear()
            self._state = state
        facts = self._found.get(digest)
        if facts is None:
            return None
        now = gam.now()
        if facts.key is not None and is_worth_noting(facts.key.last_used_at, now):  # by this grant, not by the next
            self._found[digest] = replace(facts, key=replace(facts.key, last_used_at=now))
        return replace(facts, now=now)

    def keep(self, digest: bytes, facts: Facts) -> None:
        """Remember facts that the last `find` did not know."""
        if len(self._found) >= self._room:
            self._found.clear()
        self._found[digest] = facts


def is_worth_noting(last_used_at: datetime | None, now: datetime) -> bool:
    """Say whether a key's last use is to be written again."""
    return last_used_at is None or now - last_used_at >= USE_STEP
