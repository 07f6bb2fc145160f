"""
Counts refusals per application and rule, and writes the counts to the audit log every few minutes.

So an attacker cannot fill the store with entries, and no request waits for one. Nothing that a client sent is saved,
only the names of rules and the client ids of existing applications.
"""

from threading import Event, Lock, Thread

from gamcli.actions import Gam, audit
from gamcli.errors import StoreError
from gamcli.server.endpoints.refusals import TABLE

WRITE_SECONDS = 300.0
"""How often the counts are written."""

MAX_APPS = 50
"""At most this many applications are counted separately; refusals of others count as those of unknown clients."""

COUNTED_RULES = frozenset(
    rule for rule, row in TABLE.items() if row.code != str(row.status) or rule == "too_many_failures"
)
"""The rules of the grants and of userinfo: neither invalid HTTP nor failures of the server are counted."""


class RefusalCounts:
    """
    Counts refusals and writes the counts on a separate thread, and a last time when it is closed.

    A store in memory gets no entries, since its audit log is lost when the server stops.
    """

    def __init__(self, gam: Gam, interval: float = WRITE_SECONDS) -> None:
        self._interval = interval
        self._since = gam.now()
        self._counts: dict[str, dict[str, int]] = {}
        self._lock = Lock()
        self._closing = Event()
        self._is_enabled = not gam.store.is_in_memory
        self._gam = gam
        self._thread = Thread(target=self._run, name="refusal-counts", daemon=True)
        self._thread.start()

    def count(self, rule: str, client_id: str = "") -> None:
        """Count a refusal; `client_id` is empty for an unknown client."""
        if rule not in COUNTED_RULES or not self._is_enabled:
            return
        with self._lock:
            self._add(client_id, rule, 1)

    def _add(self, client_id: str, rule: str, count: int) -> None:
        app = client_id if client_id in self._counts or len(self._counts) < MAX_APPS else ""
        rules = self._counts.setdefault(app, {})
        rules[rule] = rules.get(rule, 0) + count

    def close(self) -> None:
        """Stop the thread, and write the counts unless the store is busy."""
        self._closing.set()
        self._thread.join()
        self._write()

    def _run(self) -> None:
        while not self._closing.wait(self._interval):
            self._write()

    def _write(self) -> None:
        """Write the counts, or keep them if that fails."""
        with self._lock:
            counts, self._counts = self._counts, {}
            since, self._since = self._since, self._gam.now()
        if not counts:
            return
        try:
            audit.record_refusal_counts(self._gam, counts, since)
        except StoreError:
            with self._lock:
                self._since = since
                for client_id, rules in counts.items():
                    for rule, number in rules.items():
                        self._add(client_id, rule, number)
