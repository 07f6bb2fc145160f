"""
What is long dead, deleted by a server in quiet moments.

On a thread of its own, with a connection of its own, a small part at a time; after each it rests for ten times as long
as that took, and while another writes it waits for its turn, so that no request waits for it longer than a part lasts.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread
from time import monotonic

from gamcli.actions import Gam
from gamcli.actions.pruning import DEFAULT_RETENTION, PruneJob
from gamcli.errors import StoreBusyError, StoreError

REST_FACTOR = 10
"""So many times as long as a part took it rests: a tenth of one processor at most."""

BUSY_SECONDS = 0.5
"""Seconds that it waits for the store, before it rests again."""


class Pruner:
    """Deletes what has been dead for longer than KEPT, at once and then `every` so long, until `close`."""

    def __init__(self, gam: Gam, interval: timedelta) -> None:
        self._gam = gam
        self._interval = interval.total_seconds()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, after the part that it is deleting."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            with (
                suppress(StoreError),  # it was replaced, or its disk is full: requests tell that, and it tries again
                self._gam.store.open_again(durable=False, timeout=BUSY_SECONDS) as store,
            ):
                self._prune(replace(self._gam, store=store))
            self._closing.wait(self._interval)

    def _prune(self, gam: Gam) -> None:
        walk, more = PruneJob(gam, gam.now() - DEFAULT_RETENTION), True
        while more and not self._closing.is_set():
            began = monotonic()
            with suppress(StoreBusyError):
                more = walk.step()
            self._closing.wait(REST_FACTOR * (monotonic() - began))
