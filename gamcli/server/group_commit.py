"""
Where grants are written: those that arrive together share one durable commit, and an answer leaves after it alone.

The thread of the event loop writes the rows, which is quick; to wait for the disk, or for another process that writes,
is left to a thread of its own. So userinfo never waits for either, and what arrives meanwhile is the next batch. A
grant that is alone waits for nobody: its batch begins as soon as the last one is on disk.
"""

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic

from gamcli.errors import StoreBusyError
from gamcli.server.endpoints.routes import Answer, Pending
from gamcli.server.worker_pool import Asking
from gamcli.store import Store, Transaction

PAUSE = 0.001
"""How long to wait before asking again for a store that another process writes, in seconds."""

MAX_BATCH = 256
"""How many grants share a commit at most: the last one's answer waits for the first one's row."""

Outcome = Transaction | Exception | None
"""What came of an errand: the store to write in, what went wrong, or that all is on disk."""


class Ledger(Generic[Asking]):
    """
    Writes what is pending into `store`, which nobody else uses and which has no patience of its own.

    `ring` is called whenever there is something to settle. What fails together is tried again one by one by `alone`,
    so that each guest gets the answer that is its own.
    """

    def __init__(self, store: Store, ring: Callable[[], None], alone: Callable[[Asking], None]) -> None:
        self._store = store
        self._ring = ring
        self._alone = alone
        self._entered: deque[tuple[Asking, Pending]] = deque()
        self._written: list[tuple[Asking, Answer]] = []
        self._is_out = False  # the thread has the store
        self._errands: SimpleQueue[Callable[[], Outcome] | None] = SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._closing = Event()
        self._thread = Thread(target=self._run_errands, name="ledger", daemon=True)
        self._thread.start()

    def enter(self, guest: Asking, pending: Pending) -> None:
        """Let what is pending for `guest` be written with the next batch."""
        self._entered.append((guest, pending))

    def turn(self) -> None:
        """Begin a batch with those who have entered, unless one is on its way."""
        if self._is_out or not self._entered:
            return
        try:
            tx = self._store.begin()
        except StoreBusyError:
            self._send(self._wait)
        except Exception:  # noqa: BLE001 - whatever it is, each guest hears it
            self._part([guest for guest, _ in self._entered])
            self._entered.clear()
        else:
            self._write(tx)

    def settled(self) -> list[tuple[Asking, Answer]]:
        """Return those whose answer may leave."""
        found: list[tuple[Asking, Answer]] = []
        while self._outcomes:
            self._is_out = False
            outcome = self._outcomes.popleft()
            if isinstance(outcome, Transaction):
                self._write(outcome)
            elif isinstance(outcome, StoreBusyError) and not self._written:
                found += self._overdue(outcome)
            else:
                found += self._committed(outcome)
        return found

    def close(self) -> None:
        """End the thread; nobody was told of what is not committed."""
        self._closing.set()
        self._errands.put(None)
        self._thread.join()

    def _committed(self, error: Exception | None) -> list[tuple[Asking, Answer]]:
        """Return those whose rows are on disk; when they are not, each is tried alone."""
        written, self._written = self._written, []
        if error is None:
            return written
        self._store.rollback()
        return self._part([guest for guest, _ in written])

    def _write(self, tx: Transaction) -> None:
        """Write a batch, and send the thread to commit it."""
        batch = [self._entered.popleft() for _ in range(min(len(self._entered), MAX_BATCH))]
        try:
            self._written = [(guest, pending.written(tx)) for guest, pending in batch]
        except Exception:  # noqa: BLE001 - as above
            self._store.rollback()
            self._part([guest for guest, _ in batch])
        else:
            self._send(self._commit)

    def _part(self, guests: list[Asking]) -> list[tuple[Asking, Answer]]:
        """Let each of a batch that failed be tried alone."""
        for guest in guests:
            self._alone(guest)
        return []

    def _overdue(self, busy: StoreBusyError) -> list[tuple[Asking, Answer]]:
        """Return those who have waited too long for the store; the others wait on."""
        found: list[tuple[Asking, Answer]] = []
        while self._entered and self._entered[0][0].left <= 0:
            guest, pending = self._entered.popleft()
            found.append((guest, pending.failed(busy)))
        return found

    def _send(self, errand: Callable[[], Outcome]) -> None:
        self._is_out = True
        self._errands.put(errand)

    def _run_errands(self) -> None:
        while (errand := self._errands.get()) is not None:
            try:
                self._outcomes.append(errand())
            except Exception as error:  # noqa: BLE001 - it is told to those who wait for it
                self._outcomes.append(error)
            self._ring()

    def _wait(self) -> Transaction:
        """Wait until the store may be written; raises StoreBusyError when the first guest's time is over."""
        first, _ = self._entered[0]  # they leave in order, and none of them while this thread has the store
        while True:
            try:
                return self._store.begin()
            except StoreBusyError:
                if first.left <= 0 or self._closing.wait(PAUSE):
                    raise

    def _commit(self) -> None:
        self._store.commit()
