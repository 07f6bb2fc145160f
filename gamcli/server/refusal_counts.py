"""
How often which rule refused whom: counted in memory, and written to the audit trail every few minutes in a few entries.

So whoever attacks can neither fill the store nor hide what was done to it, and no request waits for an entry. Nothing
that a client sent is kept: rules are ours, and only the client ids of applications that there are count for themselves.
"""

from contextlib import ExitStack
from dataclasses import replace
from threading import Event, Lock, Thread

from gamcli.actions import Gam, audit
from gamcli.errors import StoreError
from gamcli.server.endpoints.refusals import TABLE

WRITE_SECONDS = 300.0
"""How many seconds are summed up at a time, at least."""

BUSY_SECONDS = 2.0
"""How long an entry waits for another process that writes, in seconds; then it is written with the next ones."""

MAX_APPS = 50
"""How many applications are told apart at a time; refusals of more are summed up as those of nobody."""

COUNTED_RULES = frozenset(
    rule for rule, row in TABLE.items() if row.code != str(row.status) or rule == "too_many_failures"
)
"""Those of what is served here: what HTTP itself refuses is no attempt, and what the server fails at is no refusal."""


class RefusalCounts:
    """
    Counts refusals, and writes what they come to on a thread of its own; what is left, as it closes.

    A store in memory gets none: its audit trail ends with the server.
    """

    def __init__(self, gam: Gam, interval: float = WRITE_SECONDS) -> None:
        self._interval = interval
        self._since = gam.now()
        self._counts: dict[str, dict[str, int]] = {}
        self._lock = Lock()
        self._closing = Event()
        self._is_enabled = not gam.store.is_in_memory
        with ExitStack() as opened:
            store = opened.enter_context(gam.store.open_again(durable=False, timeout=BUSY_SECONDS))
            self._gam = replace(gam, store=store)
            self._exit_stack = opened.pop_all()
        self._thread = Thread(target=self._run, name="summaries", daemon=True)
        self._thread.start()

    def count(self, rule: str, client_id: str = "") -> None:
        """Count a refusal of the application with that client id, "" where none was found."""
        if rule not in COUNTED_RULES or not self._is_enabled:
            return
        with self._lock:
            self._add(client_id, rule, 1)

    def _add(self, client_id: str, rule: str, count: int) -> None:
        whose = client_id if client_id in self._counts or len(self._counts) < MAX_APPS else ""
        rules = self._counts.setdefault(whose, {})
        rules[rule] = rules.get(rule, 0) + count

    def close(self) -> None:
        """Write what is left, unless the store is busy, and end the thread."""
        self._closing.set()
        self._thread.join()
        with self._exit_stack:
            self._write()

    def _run(self) -> None:
        while not self._closing.wait(self._interval):
            self._write()

    def _write(self) -> None:
        """Write what was counted; what cannot be written now is counted on."""
        with self._lock:
            found, self._counts = self._counts, {}
            since, self._since = self._since, self._gam.now()
        if not found:
            return
        try:
            audit.record_refusal_counts(self._gam, found, since)
        except StoreError:
            with self._lock:
                self._since = since
                for client_id, rules in found.items():
                    for rule, times in rules.items():
                        self._add(client_id, rule, times)
