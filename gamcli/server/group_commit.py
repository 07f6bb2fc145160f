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
from gamcli.server.endpoints.routes import PendingWrite, TracedResponse
from gamcli.server.worker_pool import RequestT
from gamcli.store import Store, Transaction

RETRY_SECONDS = 0.001
"""How long to wait before asking again for a store that another process writes, in seconds."""

MAX_BATCH = 256
"""How many grants share a commit at most: the last one's answer waits for the first one's row."""

TaskResult = Transaction | Exception | None
"""What came of an errand: the store to write in, what went wrong, or that all is on disk."""


class GroupCommit(Generic[RequestT]):
    """
    Writes what is pending into `store`, which nobody else uses and which has no patience of its own.

    `ring` is called whenever there is something to settle. What fails together is tried again one by one by `alone`,
    so that each guest gets the answer that is its own.
    """

    def __init__(self, store: Store, notify: Callable[[], None], retry_alone: Callable[[RequestT], None]) -> None:
        self._store = store
        self._notify = notify
        self._retry_alone = retry_alone
        self._queue: deque[tuple[RequestT, PendingWrite]] = deque()
        self._batch: list[tuple[RequestT, TracedResponse]] = []
        self._is_task_running = False  # the thread has the store
        self._tasks: SimpleQueue[Callable[[], TaskResult] | None] = SimpleQueue()
        self._results: deque[TaskResult] = deque()
        self._closing = Event()
        self._thread = Thread(target=self._run_tasks, name="ledger", daemon=True)
        self._thread.start()

    def add(self, pending: RequestT, write: PendingWrite) -> None:
        """Let what is pending for `guest` be written with the next batch."""
        self._queue.append((pending, write))

    def start_batch(self) -> None:
        """Begin a batch with those who have entered, unless one is on its way."""
        if self._is_task_running or not self._queue:
            return
        try:
            tx = self._store.begin()
        except StoreBusyError:
            self._start_task(self._wait_for_store)
        except Exception:  # noqa: BLE001 - whatever it is, each guest hears it
            self._retry_each([guest for guest, _ in self._queue])
            self._queue.clear()
        else:
            self._write_batch(tx)

    def pop_responses(self) -> list[tuple[RequestT, TracedResponse]]:
        """Return those whose answer may leave."""
        found: list[tuple[RequestT, TracedResponse]] = []
        while self._results:
            self._is_task_running = False
            outcome = self._results.popleft()
            if isinstance(outcome, Transaction):
                self._write_batch(outcome)
            elif isinstance(outcome, StoreBusyError) and not self._batch:
                found += self._expire_waiting(outcome)
            else:
                found += self._finish_batch(outcome)
        return found

    def close(self) -> None:
        """End the thread; nobody was told of what is not committed."""
        self._closing.set()
        self._tasks.put(None)
        self._thread.join()

    def _finish_batch(self, error: Exception | None) -> list[tuple[RequestT, TracedResponse]]:
        """Return those whose rows are on disk; when they are not, each is tried alone."""
        written, self._batch = self._batch, []
        if error is None:
            return written
        self._store.rollback()
        return self._retry_each([guest for guest, _ in written])

    def _write_batch(self, tx: Transaction) -> None:
        """Write a batch, and send the thread to commit it."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        try:
            self._batch = [(guest, pending.write(tx)) for guest, pending in batch]
        except Exception:  # noqa: BLE001 - as above
            self._store.rollback()
            self._retry_each([guest for guest, _ in batch])
        else:
            self._start_task(self._commit)

    def _retry_each(self, requests: list[RequestT]) -> list[tuple[RequestT, TracedResponse]]:
        """Let each of a batch that failed be tried alone."""
        for guest in requests:
            self._retry_alone(guest)
        return []

    def _expire_waiting(self, busy: StoreBusyError) -> list[tuple[RequestT, TracedResponse]]:
        """Return those who have waited too long for the store; the others wait on."""
        found: list[tuple[RequestT, TracedResponse]] = []
        while self._queue and self._queue[0][0].seconds_left <= 0:
            guest, pending = self._queue.popleft()
            found.append((guest, pending.fail(busy)))
        return found

    def _start_task(self, task: Callable[[], TaskResult]) -> None:
        self._is_task_running = True
        self._tasks.put(task)

    def _run_tasks(self) -> None:
        while (errand := self._tasks.get()) is not None:
            try:
                self._results.append(errand())
            except Exception as error:  # noqa: BLE001 - it is told to those who wait for it
                self._results.append(error)
            self._notify()

    def _wait_for_store(self) -> Transaction:
        """Wait until the store may be written; raises StoreBusyError when the first guest's time is over."""
        first, _ = self._queue[0]  # they leave in order, and none of them while this thread has the store
        while True:
            try:
                return self._store.begin()
            except StoreBusyError:
                if first.seconds_left <= 0 or self._closing.wait(RETRY_SECONDS):
                    raise

    def _commit(self) -> None:
        self._store.commit()
