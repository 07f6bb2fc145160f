"""Long dead tokens and sessions, deleted a part at a time while others work on the store."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic, sleep

from gamcli.actions import Gam
from gamcli.model import format_rfc3339
from gamcli.model.maintenance import PruneResult
from gamcli.store import pruning
from gamcli.store.timestamps import to_micros

DEFAULT_RETENTION = pruning.DEFAULT_RETENTION


class PruneJob:
    """One walk over the tokens, then the sessions, that were dead at `before`, a part with each `step`."""

    def __init__(self, gam: Gam, before: datetime) -> None:
        self._gam = gam
        self._before = to_micros(before)
        self._tables = [*pruning.PRUNABLE]
        self._first_row = 0
        self._floor = 0
        self._result = PruneResult(before, 0, 0, 0)

    @property
    def result(self) -> PruneResult:
        """What went so far."""
        return self._result

    def count(self) -> PruneResult:
        """Count what is dead, and delete nothing; a session whose tokens are still there is not counted."""
        tokens = sessions = 0
        with self._gam.store.reading() as tx:
            for table in pruning.PRUNABLE:
                first = 0
                while part := pruning.next_range(tx, table, first, self._before):
                    number = pruning.count_prunable(tx, part)
                    tokens, sessions = tokens + number * (table == "token"), sessions + number * (table == "session")
                    first = part.last
        return replace(self._result, tokens=tokens, sessions=sessions)

    def step(self) -> bool:
        """Go on by one part, and say whether there is more to do; the last step writes the audit entry."""
        if self._tables:
            self._prune_part(self._tables[0])
            return True
        with self._gam.store.writing() as tx:
            if pruning.delete_floors(tx, self._floor):
                return True
            if self._result.tokens or self._result.sessions:
                told = {"tokens": self._result.tokens, "sessions": self._result.sessions}
                self._gam.record(tx, "token.prune", f"dead before {format_rfc3339(self._result.before)}", None, **told)
        return False

    def _prune_part(self, table: str) -> None:
        with self._gam.store.reading() as tx:
            part = pruning.next_range(tx, table, self._first_row, self._before)
            dead = pruning.count_prunable(tx, part) if part else 0
            if part is None and table == "token":
                # What the last token or one behind it superseded may be there still: it must not live again.
                self._floor = min(self._before, pruning.load_last_token_id(tx))
        if part is None:
            self._tables.pop(0)
            self._first_row = 0
            return
        if dead:
            self._delete(part)
        self._first_row = part.last

    def _delete(self, part: pruning.IdRange) -> None:
        with self._gam.store.writing() as tx:
            gone, refresh = pruning.delete_prunable(tx, part)
        so_far = self._result
        self._result = replace(
            so_far,
            tokens=so_far.tokens + gone * (part.table == "token"),
            sessions=so_far.sessions + gone * (part.table == "session"),
            refresh_tokens=so_far.refresh_tokens + refresh,
        )


def prune(gam: Gam, retention: timedelta, pause: Callable[[float], object] = sleep) -> PruneResult:
    """
    Delete the tokens and sessions that have been dead for longer than `kept`.

    After each part there is a `pause` as long as it took: whoever waits to write comes in.
    """
    walk = PruneJob(gam, gam.now() - retention)
    began = monotonic()
    while walk.step():
        pause(monotonic() - began)
        began = monotonic()
    return walk.result


def count_prunable(gam: Gam, retention: timedelta) -> PruneResult:
    """Count what `prune` would delete."""
    return PruneJob(gam, gam.now() - retention).count()
