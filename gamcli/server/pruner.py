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
from gamcli.actions.pruning import KEPT, Pruning
from gamcli.errors import StoreBusyError, StoreError

REST = 10
"""So many times as long as a part took it rests: a tenth of one processor at most."""

PATIENCE = 0.5
"""Seconds that it waits for the store, before it rests again."""


class Sweeper:
    """Deletes what has been dead for longer than KEPT, at once and then `every` so long, until `close`."""

    def __init__(self, gam: Gam, every: timedelta) -> None:
        self._gam = gam
        self._every = every.total_seconds()
        self._ended = Event()
        self._thread = Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, after the part that it is deleting."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            with (
                suppress(StoreError),  # it was replaced, or its disk is full: requests tell that, and it tries again
                self._gam.store.beside(durable=False, patience=PATIENCE) as store,
            ):
                self._sweep(replace(self._gam, store=store))
            self._ended.wait(self._every)

    def _sweep(self, gam: Gam) -> None:
        walk, more = Pruning(gam, gam.now() - KEPT), True
        while more and not self._ended.is_set():
            began = monotonic()
            with suppress(StoreBusyError):
                more = walk.step()
            self._ended.wait(REST * (monotonic() - began))
