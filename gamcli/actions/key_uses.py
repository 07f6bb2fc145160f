"""
Counts the grants of API keys between the writes to the store.

The use of a key is written at once if the last such write is a minute old, so that a busy key is not written for every
token. Later grants of the minute are counted here and written with the next one, after a minute, or when the server
stops. A server that is killed loses these counts.
"""

from datetime import datetime
from itertools import islice, takewhile

from gamcli.model import Key
from gamcli.rules import keys
from gamcli.store.key_uses import KeyUse

MAX_OVERDUE = 256
"""At most this many counts that are a minute old are written in one transaction, so that no request waits long."""


class KeyUses:
    """
    The uses of keys that are not written yet. Used by one thread.

    `begin` before each transaction that counts and writes, and `roll_back` when it was not committed.
    """

    def __init__(self) -> None:
        self._due: dict[str, KeyUse] = {}
        self._waiting: dict[str, KeyUse] = {}  # the oldest first
        self._written_at: dict[str, datetime] = {}
        self._waiting_before: dict[str, KeyUse | None] = {}  # what the transaction has changed

    def begin(self) -> None:
        self._waiting_before.clear()

    def roll_back(self) -> None:
        """Undo what was counted and what was returned to be written since `begin`."""
        for key_id in self._waiting_before:
            self._written_at.pop(key_id, None)
        before = {**self._waiting, **self._waiting_before}
        uses = [(key_id, use) for key_id, use in before.items() if use is not None]
        self._waiting = dict(sorted(uses, key=lambda item: item[1].since))
        self._due.clear()
        self.begin()

    def add(self, key: Key, now: datetime, address: str | None) -> None:
        """Count a grant to a client with this address, None if it is unknown or not to be recorded."""
        is_due = keys.should_record_use(self._written_at.get(key.id, key.last_used_at), now)
        before = self._due.get(key.id) or self._waiting.get(key.id) or KeyUse(0, now, now, address)
        use = KeyUse(before.grants + 1, before.since, now, address)
        self._waiting_before.setdefault(key.id, self._waiting.get(key.id))
        if is_due or key.id in self._due:
            self._waiting.pop(key.id, None)
            self._due[key.id] = use
        else:
            self._waiting[key.id] = use

    def pop_due(self, now: datetime, *, everything: bool = False) -> dict[str, KeyUse]:
        """Return what is to be written now, each once."""
        due, self._due = self._due, {}
        overdue = self._waiting if everything else list(islice(self._iter_overdue(now), MAX_OVERDUE))
        due.update((key_id, self._waiting[key_id]) for key_id in overdue)
        for key_id in due:
            self._waiting_before.setdefault(key_id, self._waiting.pop(key_id, None))
        self._written_at.update(dict.fromkeys(due, now))
        return due

    def has_overdue(self, now: datetime) -> bool:
        return any(self._iter_overdue(now))

    def _iter_overdue(self, now: datetime) -> "takewhile[str]":
        return takewhile(lambda key_id: keys.should_record_use(self._waiting[key_id].since, now), self._waiting)

    def forget_writes(self) -> None:
        """Forget when uses were written, since they may not have been, or keys may have been changed."""
        self._written_at.clear()
