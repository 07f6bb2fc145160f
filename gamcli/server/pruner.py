"""
Deletes old tokens and keys while the server runs, on a separate thread and connection.

It deletes a small part at a time, then pauses for ten times as long, so requests never wait longer than one part takes.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread
from time import monotonic

from gamcli.actions import Gam
from gamcli.actions.pruning import DEFAULT_RETENTION, PruneJob
from gamcli.errors import StoreBusyError, StoreError

PAUSE_FACTOR = 10
"""It pauses this many times as long as a part took: it uses at most a tenth of one processor."""

BUSY_SECONDS = 0.5
"""How long it waits for another process that writes before it pauses again."""


class Pruner:
    """Deletes what has been inactive longer than DEFAULT_RETENTION, immediately and then every `interval`."""

    def __init__(self, gam: Gam, interval: timedelta) -> None:
        self._gam = gam
        self._interval = interval.total_seconds()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="pruner", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the current part."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            with (
                suppress(StoreError),  # requests report it, and the next round tries again
                self._gam.store.open_again(durable=False, timeout=BUSY_SECONDS) as store,
            ):
                self._prune(replace(self._gam, store=store))
            self._closing.wait(self._interval)

    def _prune(self, gam: Gam) -> None:
        job, is_unfinished = PruneJob(gam, gam.now() - DEFAULT_RETENTION), True
        while is_unfinished and not self._closing.is_set():
            started = monotonic()
            with suppress(StoreBusyError):
                is_unfinished = job.step()
            self._closing.wait(PAUSE_FACTOR * (monotonic() - started))
