"""
Group commit: token requests that arrive together are judged and saved in one transaction with one durable commit.

The event loop's thread does that, which is quick. A separate thread waits for the disk, or for another process that
writes; what arrives meanwhile is the next batch. A single request waits for no other: its batch starts at once.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from random import uniform
from threading import Event, Thread
from time import monotonic
from typing import Generic

from gamcli.actions import Gam, issuance
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.issuance import Turn
from gamcli.errors import StoreBusyError, StoreChangedError, StoreError, StoreUnknownOutcomeError
from gamcli.server.endpoints import access_token
from gamcli.server.endpoints.access_token import PendingGrant
from gamcli.server.endpoints.context import TracedResponse, rule_for_error
from gamcli.server.metrics import ProcessMetrics
from gamcli.server.worker_pool import RequestT, seconds_left
from gamcli.store import Transaction

RETRY_SECONDS = 0.001
"""Pause between attempts to begin a transaction while another process writes."""

RETRY_PAUSE = 0.001, 0.02
"""Shortest and longest pause before a request is tried again whose transaction conflicted with another one."""

WAITED_PAUSE = 0.1
"""The longest pause after it waited for a locked row: twice as long, since that blocks the event loop."""

MAX_BATCH = 256
"""At most this many requests share a commit, so that the first does not wait long for the last."""

CLOSING_SECONDS = 0.5
"""How long it waits at the end for another process that writes."""

IDLE_SECONDS = 60.0
"""After this time without a request, the uses of keys that are not written yet are written."""

TaskResult = Transaction | Exception | None
"""The result of the thread's task: a transaction that has begun, an error, or None for a commit."""


class GroupCommit(Generic[RequestT]):
    """
    Answers token requests with the store of `gam`, which nothing else uses and which never waits for other processes.

    It calls `notify` when `pop_responses` has something to do. If a batch fails, each of its requests is tried again in
    a transaction without the others: once, or for as long as the request may wait while the store is busy (a deadlock,
    a serialization failure, a locked row). None is tried again if it is not known whether the batch was saved: a
    refresh token that was used would be used again, which ends its session.
    """

    def __init__(
        self,
        gam: Gam,
        cache: GrantCache,
        notify: Callable[[], None],
        metrics: ProcessMetrics | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._idle_seconds = idle_seconds
        self._is_idle = False
        self._gam = gam
        self._store = gam.store
        self._cache = cache
        self._notify = notify
        self._metrics = metrics
        self._batch_started = 0.0
        self._queue: deque[tuple[RequestT, PendingGrant]] = deque()
        self._failed: deque[tuple[RequestT, PendingGrant]] = deque()
        self._batch: list[tuple[RequestT, PendingGrant]] = []
        self._is_retry = False
        self._retry_at = 0.0  # monotonic; until then, the requests that have failed wait
        self._responses: list[TracedResponse] = []  # of the batch, sent after its commit
        self._ready: list[tuple[RequestT, TracedResponse]] = []
        self._is_task_running = False  # only the thread uses the store then
        self._tasks: SimpleQueue[Callable[[], TaskResult] | None] = SimpleQueue()
        self._results: deque[TaskResult] = deque()
        self._closing = Event()
        self._thread = Thread(target=self._run_tasks, name="group-commit", daemon=True)
        self._thread.start()

    def add(self, pending: RequestT, grant: PendingGrant) -> None:
        """Queue a request for the next batch."""
        self._queue.append((pending, grant))

    def start_batch(self) -> None:
        """Judge and save a batch, unless one is being committed."""
        while not self._is_task_running and (self._failed or self._queue or self._has_idle_work()):
            if self._failed and not self._queue and monotonic() < self._retry_at:
                self._start_task(self._wait_for_store)
                return
            self._take_batch()
            try:
                turn = self._plan_turn()
                tx = self._store.begin(turn.queries, turn.head)
            except StoreBusyError:
                if not self._batch:  # only uses of keys, which can wait as long again
                    self._is_idle = False
                    return
                self._put_back_batch()
                self._start_task(self._wait_for_store)
            except Exception as error:  # noqa: BLE001 - each request gets its own response
                self._fail_batch(error)
            else:
                self._write_batch(tx, turn)

    def _put_back_batch(self) -> None:
        source = self._failed if self._is_retry else self._queue
        source.extendleft(reversed(self._batch))
        self._batch = []

    def _has_idle_work(self) -> bool:
        self._is_idle = self._is_idle and self._cache.key_uses.has_overdue(self._gam.now())
        return self._is_idle

    def pop_responses(self) -> list[tuple[RequestT, TracedResponse]]:
        """Return the responses that may be sent now, each once."""
        while self._results:
            self._is_task_running = False
            result = self._results.popleft()
            if isinstance(result, Transaction):
                self._take_batch()
                self._write_batch(result)
            elif isinstance(result, StoreBusyError) and not self._batch:
                self._expire_waiting(result)
            elif result is not None:
                self._store.rollback()
                self._fail_batch(result)
            else:
                self._finish_batch()
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        """Stop the thread, and write the uses of keys; no response was sent for what is not committed."""
        self._closing.set()
        self._tasks.put(None)
        self._thread.join()
        with suppress(StoreError), self._store.open_again(durable=True, timeout=CLOSING_SECONDS) as store:
            issuance.save_key_uses(replace(self._gam, store=store), self._cache)

    def _take_batch(self) -> None:
        self._is_retry = bool(self._failed) and (not self._queue or monotonic() >= self._retry_at)
        source, most = (self._failed, 1) if self._is_retry else (self._queue, MAX_BATCH)
        self._batch = [source.popleft() for _ in range(min(len(source), most))]
        self._batch_started = monotonic()

    def _plan_turn(self) -> Turn:
        return Turn(self._gam, [grant.attempt for _, grant in self._batch], self._cache)

    def _write_batch(self, tx: Transaction, turn: Turn | None = None) -> None:
        grants = [grant for _, grant in self._batch]
        try:
            self._responses = self._store.run(lambda: access_token.issue_tokens(tx, grants, turn or self._plan_turn()))
        except Exception as error:  # noqa: BLE001 - as above
            self._store.rollback()
            self._fail_batch(error)
        else:
            self._start_task(self._store.commit)

    def _finish_batch(self) -> None:
        if self._metrics is not None and self._batch:  # an idle batch has no requests
            wait = self._batch_started - self._batch[0][0].started
            self._metrics.count_commit(len(self._batch), wait, monotonic() - self._batch_started)
        self._ready += [
            (pending, response) for (pending, _), response in zip(self._batch, self._responses, strict=True)
        ]
        self._batch = []

    def _fail_batch(self, error: Exception) -> None:
        if isinstance(error, StoreChangedError):  # decided again at once, from what the store contains now
            self._cache.clear()
            self._put_back_batch()
            return
        batch, self._batch = self._batch, []
        is_busy = isinstance(error, StoreBusyError)
        if is_busy:
            self._cache.key_uses.roll_back()
        else:
            self._cache.clear()
        for pending, grant in batch:
            if isinstance(error, StoreUnknownOutcomeError) or (
                self._is_retry and not (is_busy and seconds_left(pending) > 0)
            ):
                self._ready.append((pending, grant.context.fail(error)))
                self._notify()
            else:
                self._failed.append((pending, grant))
        if self._is_retry:
            waited = monotonic() - self._batch_started
            pause = max(min(2 * waited, WAITED_PAUSE), uniform(*RETRY_PAUSE))  # noqa: S311 - so that two nodes differ
            self._retry_at = monotonic() + pause
        elif self._metrics is not None:
            self._metrics.count_store_error(rule_for_error(error))

    def _expire_waiting(self, error: StoreBusyError) -> None:
        """Answer those that have waited too long; the others go on waiting."""
        for queue in (self._failed, self._queue):
            while queue and seconds_left(queue[0][0]) <= 0:
                pending, grant = queue.popleft()
                self._ready.append((pending, grant.context.fail(error)))

    def _start_task(self, task: Callable[[], TaskResult]) -> None:
        self._is_task_running = True
        self._tasks.put(task)

    def _run_tasks(self) -> None:
        while (task := self._next_task()) is not None:
            try:
                self._results.append(task())
            except Exception as error:  # noqa: BLE001 - handled by `pop_responses`
                self._results.append(error)
            self._notify()

    def _next_task(self) -> Callable[[], TaskResult] | None:
        while True:
            try:
                return self._tasks.get(timeout=self._idle_seconds)
            except Empty:
                self._is_idle = True
                self._notify()

    def _wait_for_store(self) -> Transaction:
        """Begin a transaction; raises StoreBusyError when the first request has waited too long."""
        first = (self._failed or self._queue)[0]  # nothing is removed while this task runs
        if self._failed and not self._queue:
            self._closing.wait(self._retry_at - monotonic())
        while True:
            try:
                return self._store.begin()
            except StoreBusyError:
                if seconds_left(first[0]) <= 0 or self._closing.wait(RETRY_SECONDS):
                    raise
