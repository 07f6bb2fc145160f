"""
Group commit: tokens that are issued together share one durable commit, and their responses are sent after it.

The event loop's thread writes the rows, which is quick. A separate thread waits for the disk, or for another process
that writes; what arrives meanwhile is the next batch. A single grant waits for no other: its batch starts at once.
"""

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic

from gamcli.errors import StoreBusyError
from gamcli.server.endpoints.outcomes import TracedResponse
from gamcli.server.endpoints.routes import PendingWrite
from gamcli.server.worker_pool import RequestT, seconds_left
from gamcli.store import Store, Transaction

RETRY_SECONDS = 0.001
"""Pause between attempts to begin a transaction while another process writes."""

MAX_BATCH = 256
"""At most this many grants share a commit, so that the first does not wait long for the last."""

TaskResult = Transaction | Exception | None
"""The result of the thread's task: a transaction that has begun, an error, or None for a commit."""


class GroupCommit(Generic[RequestT]):
    """
    Writes grants into `store`, which nothing else uses and which never waits for other processes.

    It calls `notify` when `pop_responses` has something to do. If a batch fails, each of its requests is passed to
    `retry_alone`.
    """

    def __init__(self, store: Store, notify: Callable[[], None], retry_alone: Callable[[RequestT], None]) -> None:
        self._store = store
        self._notify = notify
        self._retry_alone = retry_alone
        self._queue: deque[tuple[RequestT, PendingWrite]] = deque()
        self._batch: list[tuple[RequestT, TracedResponse]] = []
        self._is_task_running = False  # only the thread uses the store then
        self._tasks: SimpleQueue[Callable[[], TaskResult] | None] = SimpleQueue()
        self._results: deque[TaskResult] = deque()
        self._closing = Event()
        self._thread = Thread(target=self._run_tasks, name="group-commit", daemon=True)
        self._thread.start()

    def add(self, pending: RequestT, write: PendingWrite) -> None:
        """Queue a grant for the next batch."""
        self._queue.append((pending, write))

    def start_batch(self) -> None:
        """Write a batch, unless one is being committed."""
        if self._is_task_running or not self._queue:
            return
        try:
            tx = self._store.begin()
        except StoreBusyError:
            self._start_task(self._wait_for_store)
        except Exception:  # noqa: BLE001 - each request gets its own response
            self._retry_each([pending for pending, _ in self._queue])
            self._queue.clear()
        else:
            self._write_batch(tx)

    def pop_responses(self) -> list[tuple[RequestT, TracedResponse]]:
        """Return the responses that may be sent now, each once."""
        responses: list[tuple[RequestT, TracedResponse]] = []
        while self._results:
            self._is_task_running = False
            result = self._results.popleft()
            if isinstance(result, Transaction):
                self._write_batch(result)
            elif isinstance(result, StoreBusyError) and not self._batch:
                responses += self._expire_waiting(result)
            else:
                responses += self._finish_batch(result)
        return responses

    def close(self) -> None:
        """Stop the thread; no response was sent for what is not committed."""
        self._closing.set()
        self._tasks.put(None)
        self._thread.join()

    def _write_batch(self, tx: Transaction) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        try:
            self._batch = [(pending, write.write(tx)) for pending, write in batch]
        except Exception:  # noqa: BLE001 - as above
            self._store.rollback()
            self._retry_each([pending for pending, _ in batch])
        else:
            self._start_task(self._store.commit)

    def _finish_batch(self, error: Exception | None) -> list[tuple[RequestT, TracedResponse]]:
        batch, self._batch = self._batch, []
        if error is None:
            return batch
        self._store.rollback()
        self._retry_each([pending for pending, _ in batch])
        return []

    def _retry_each(self, requests: list[RequestT]) -> None:
        for pending in requests:
            self._retry_alone(pending)

    def _expire_waiting(self, error: StoreBusyError) -> list[tuple[RequestT, TracedResponse]]:
        """Return responses for those that have waited too long; the others go on waiting."""
        responses: list[tuple[RequestT, TracedResponse]] = []
        while self._queue and seconds_left(self._queue[0][0]) <= 0:
            pending, write = self._queue.popleft()
            responses.append((pending, write.fail(error)))
        return responses

    def _start_task(self, task: Callable[[], TaskResult]) -> None:
        self._is_task_running = True
        self._tasks.put(task)

    def _run_tasks(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._results.append(task())
            except Exception as error:  # noqa: BLE001 - handled by `pop_responses`
                self._results.append(error)
            self._notify()

    def _wait_for_store(self) -> Transaction:
        """Begin a transaction; raises StoreBusyError when the first request has waited too long."""
        first, _ = self._queue[0]  # nothing is removed while this task runs
        while True:
            try:
                return self._store.begin()
            except StoreBusyError:
                if seconds_left(first) <= 0 or self._closing.wait(RETRY_SECONDS):
                    raise
