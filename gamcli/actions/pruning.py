"""Pruning: deletes old inactive tokens and sessions in small steps, so that other processes can write in between."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic, sleep

from gamcli import store
from gamcli.actions import Gam
from gamcli.model import format_rfc3339
from gamcli.model.maintenance import PruneResult
from gamcli.store import pruning
from gamcli.store.timestamps import to_micros

DEFAULT_RETENTION = pruning.DEFAULT_RETENTION


class PruneJob:
    """
    Deletes the tokens, then the sessions, that were inactive at `before`; one range of rows with each `step`.

    Then it deletes the sessions without application or user, whatever their age, and thereby ends their tokens.
    """

    def __init__(self, gam: Gam, before: datetime) -> None:
        self._gam = gam
        self._before = before
        self._cutoff = to_micros(before)
        self._tables = [*pruning.PRUNABLE]
        self._may_have_orphans = True
        self._first_row = 0
        self._floor = 0
        self._deleted: Counter[str] = Counter()

    def result(self, counts: Counter[str] | None = None) -> PruneResult:
        """Return these counts by table, or how many rows were deleted so far."""
        counts = self._deleted if counts is None else counts
        return PruneResult(self._before, counts["token"], counts["session"], counts["refresh_token"])

    def count(self) -> PruneResult:
        """Count the rows that can be deleted now; a session is not counted while it has tokens."""
        found: Counter[str] = Counter()
        with self._gam.store.reading() as tx:
            for table in pruning.PRUNABLE:
                first = 0
                while rows := pruning.next_range(tx, table, first, self._cutoff):
                    found[table] += pruning.count_prunable(tx, rows)
                    first = rows.last
            found["session"] += pruning.count_other_orphans(tx, self._cutoff)
        return self.result(found)

    def step(self) -> bool:
        """Delete one range and say whether there is more to do; the last step writes the audit entry."""
        if self._tables:
            self._prune_range(self._tables[0])
            return True
        if self._may_have_orphans:
            self._prune_orphans()
            return True
        with self._gam.store.writing() as tx:
            if pruning.delete_floors(tx, self._floor):
                return True
            tokens, sessions = self._deleted["token"], self._deleted["session"]
            if tokens or sessions:
                target = f"inactive before {format_rfc3339(self._before)}"
                self._gam.record(tx, "token.prune", target, None, tokens=tokens, sessions=sessions)
        return False

    def _prune_orphans(self) -> None:
        with self._gam.store.reading() as tx:
            self._may_have_orphans = store.sessions.count_orphans(tx) > 0
        if self._may_have_orphans:
            with self._gam.store.writing() as tx:
                sessions, refresh_tokens = store.sessions.delete_orphans(tx, pruning.CHUNK_ROWS)
            self._deleted.update(session=sessions, refresh_token=refresh_tokens)

    def _prune_range(self, table: str) -> None:
        with self._gam.store.reading() as tx:
            rows = pruning.next_range(tx, table, self._first_row, self._cutoff)
            has_prunable = rows is not None and pruning.count_prunable(tx, rows) > 0
            if rows is None and table == "token":
                # Keep the floors of newer tokens: tokens that they superseded must not become active again.
                self._floor = min(self._cutoff, tx.number("SELECT max(id) FROM token"))
        if rows is None:
            self._tables.pop(0)
            self._first_row = 0
            return
        if has_prunable:
            with self._gam.store.writing() as tx:
                deleted, refresh_tokens = pruning.delete_prunable(tx, rows)
            self._deleted.update({table: deleted, "refresh_token": refresh_tokens})
        self._first_row = rows.last


def prune(gam: Gam, retention: timedelta, pause: Callable[[float], object] = sleep) -> PruneResult:
    """
    Delete the tokens and sessions that have been inactive for longer than `retention`.

    After each step it pauses for as long as the step took, so that waiting processes can write.
    """
    job = PruneJob(gam, gam.now() - retention)
    started = monotonic()
    while job.step():
        pause(monotonic() - started)
        started = monotonic()
    return job.result()


def count_prunable(gam: Gam, retention: timedelta) -> PruneResult:
    """Count what `prune` would delete."""
    return PruneJob(gam, gam.now() - retention).count()
