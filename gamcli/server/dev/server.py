"""The development server: tests can change its state; otherwise it answers like the real one."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.server.dev import control, page
from gamcli.server.dev.control import Controls
from gamcli.server.dev.fault_syntax import NO_FAULT, FaultDecision
from gamcli.server.dev.faults import Faults
from gamcli.server.dev.journal import Recorder, RecordingLog
from gamcli.server.dev.senders import identify_sender
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.context import RequestContext, Trace, TracedResponse
from gamcli.server.request_log import RequestLog
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.connection import ConnectionRequest
from gamcli.server.transport.event_loop import CLOSE_CONNECTION
from gamcli.server.transport.messages import Response


@dataclass(frozen=True, slots=True)
class DevOptions:
    """
    What the development server does besides answering; `faults` may change while it serves.

    `record` receives the records of the journal. With `controls`, the server has a page and the control API.
    """

    faults: Faults
    record: Recorder | None = None
    controls: Controls | None = None


ItemT = TypeVar("ItemT")


class DelayedResponses(Generic[ItemT]):
    """Delays items on a separate thread, and calls `notify` whenever one is due."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._queue: list[tuple[float, int, ItemT]] = []
        self._sequence = count()
        self._due: deque[ItemT] = deque()
        self._condition = Condition()
        self._releases_all = False
        self._closing = False
        self._thread = Thread(target=self._run, name="delayed-responses", daemon=True)
        self._thread.start()

    def add(self, item: ItemT, seconds: float) -> None:
        with self._condition:
            heappush(self._queue, (monotonic() + seconds, next(self._sequence), item))
            self._condition.notify()

    def pop_due(self) -> list[ItemT]:
        """Return the items that are due, each once."""
        return [self._due.popleft() for _ in range(len(self._due))]

    def release_all(self) -> None:
        """Delay nothing from now on; may be called from a signal handler."""
        with self._condition:
            self._releases_all = True
            self._condition.notify()

    def close(self) -> None:
        """Stop the thread and drop what is still delayed."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait_for_due():
            self._notify()

    def _wait_for_due(self) -> bool:
        """Wait until an item is due; return False when closing."""
        with self._condition:
            while not self._closing:
                seconds = self._queue[0][0] - monotonic() if self._queue else None
                if seconds is not None and (seconds <= 0 or self._releases_all):
                    self._due.append(heappop(self._queue)[2])
                    return True
                self._condition.wait(seconds)
        return False


class DevDispatcher(Dispatcher[ConnectionRequest]):
    """Answers the page and the control API, and applies faults to requests before the endpoints see them."""

    def __init__(
        self,
        options: DevOptions,
        notify: Callable[[], None],
        **others: Any,  # noqa: ANN401 - the other parameters of Dispatcher
    ) -> None:
        super().__init__(notify=notify, **others)
        self._options = options
        self._delayed: DelayedResponses[tuple[ConnectionRequest, FaultDecision]] = DelayedResponses(notify)

    def submit(self, pending: ConnectionRequest) -> Response | None:
        request, controls = pending.request, self._options.controls
        if controls is not None:
            response = page.respond(controls, request) or control.handle(controls, request)
            if response is not None:
                return response
        decision = NO_FAULT
        if routes.has_route(request, self._config):
            decision = self._options.faults.decide(request.path, lambda: identify_sender(self._gam, request))
        if decision.delay_seconds:
            self._delayed.add((pending, decision), decision.delay_seconds)
            return None
        return self._apply(pending, decision)

    def pop_responses(self) -> list[tuple[ConnectionRequest, Response]]:
        responses = super().pop_responses()
        for pending, decision in self._delayed.pop_due():
            response = self._apply(pending, decision)
            if response is not None:
                responses.append((pending, response))
        return responses

    def _apply(self, pending: ConnectionRequest, decision: FaultDecision) -> Response | None:
        if decision.closes:
            self._log.write(pending.request, TracedResponse(CLOSE_CONNECTION, Trace(detail=decision.detail)), 0.0)
            return CLOSE_CONNECTION
        if not decision.rule:
            return super().submit(pending)
        context = RequestContext(pending.request, self._config)
        context.trace.retry_after = refusals.RETRY_SECONDS if decision.rule == "too_many_failures" else 0
        context.trace.allow = routes.advertised_methods(pending.request.path, self._config)
        result = context.fail(RefusedError(decision.rule, "injected fault"))
        context.trace.detail = decision.detail
        return self.record(pending, result)

    def release_all(self) -> None:
        """Delay nothing any more."""
        self._delayed.release_all()

    def close(self) -> None:
        self._delayed.close()
        super().close()


class DevServer(Server):
    """A server that injects faults, records requests, and answers the control API."""

    def __init__(self, gam: Gam, options: ServerOptions, dev_options: DevOptions) -> None:
        self._dev_options = dev_options
        super().__init__(gam, options)

    def _open_log(self, gam: Gam, sink: Callable[[str], bool]) -> RequestLog:
        record, options = self._dev_options.record, self._options
        if record is None:
            return super()._open_log(gam, sink)
        return RecordingLog(record, gam, sink, options.log_format, options.log_address)

    def _create_dispatcher(self, gam: Gam, notify: Callable[[], None]) -> DevDispatcher:
        self._dispatcher = DevDispatcher(
            self._dev_options, notify, gam=gam, config=self._config, log=self.log, metrics=self._metrics
        )
        return self._dispatcher

    def stop(self) -> None:
        super().stop()
        self._dispatcher.release_all()
