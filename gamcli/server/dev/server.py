"""The development server: tests steer it; otherwise it answers like the real one."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from time import monotonic
from typing import Generic, TypeVar

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.server.dev import control
from gamcli.server.dev.control import Controls
from gamcli.server.dev.fault_syntax import NO_FAULT, UNKNOWN_SENDER, FaultDecision, Sender
from gamcli.server.dev.faults import Faults
from gamcli.server.dev.journal import Recorder, RecordingLog, SuggestFix
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.context import RequestContext, ServerConfig, Trace, TracedResponse
from gamcli.server.request_log import RequestLog
from gamcli.server.server import Server, ServerOptions
from gamcli.server.transport.connection import ConnectionRequest
from gamcli.server.transport.event_loop import CLOSE_CONNECTION, RequestHandler
from gamcli.server.transport.messages import Request, Response


@dataclass(frozen=True, slots=True)
class DevOptions:
    """
    What the development server does besides answering; `faults` may change while it serves.

    `identify` returns who sent a request, for faults that are limited to a client or user. `suggest_fix` returns what
    fixes a refused request. `page` returns the response to a request for the page of the server, None to others.
    """

    faults: Faults
    record: Recorder | None = None
    controls: Controls | None = None
    identify: Callable[[Request], Sender] = lambda _: UNKNOWN_SENDER
    suggest_fix: SuggestFix = lambda _request, _trace: ""
    page: Callable[[Request], Response | None] = lambda _: None


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


class DevHandler:
    """A `RequestHandler` that answers the control API, and applies faults to requests before `handler` sees them."""

    def __init__(
        self,
        handler: Dispatcher[ConnectionRequest],
        options: DevOptions,
        config: ServerConfig,
        log: RequestLog,
        notify: Callable[[], None],
    ) -> None:
        self._handler = handler
        self._faults = options.faults
        self._controls = options.controls
        self._identify = options.identify
        self._page = options.page
        self._config = config
        self._log = log
        self._delayed: DelayedResponses[tuple[ConnectionRequest, FaultDecision]] = DelayedResponses(notify)
        self.end_turn, self.refuse = handler.end_turn, handler.refuse

    def submit(self, pending: ConnectionRequest) -> Response | None:
        request = pending.request
        response = self._page(request)
        if response is None and self._controls is not None:
            response = control.handle(self._controls, request)
        if response is not None:
            return response
        has_route = routes.has_route(request, self._config)
        decision = self._faults.decide(request.path, partial(self._identify, request)) if has_route else NO_FAULT
        if decision.delay_seconds:
            self._delayed.add((pending, decision), decision.delay_seconds)
            return None
        return self._apply(pending, decision)

    def pop_responses(self) -> list[tuple[ConnectionRequest, Response]]:
        responses = self._handler.pop_responses()
        for pending, decision in self._delayed.pop_due():
            response = self._apply(pending, decision)
            if response is not None:
                responses.append((pending, response))
        return responses

    def _apply(self, pending: ConnectionRequest, decision: FaultDecision) -> Response | None:
        if decision.closes:
            result = TracedResponse(CLOSE_CONNECTION, Trace(detail=decision.detail))
        elif decision.rule:
            context = RequestContext(pending.request, self._config)
            context.trace.retry_after = refusals.RETRY_SECONDS if decision.rule == "too_many_failures" else 0
            context.trace.allow = routes.advertised_methods(pending.request.path, self._config)
            result = context.fail(RefusedError(decision.rule, "injected fault"))
            context.trace.detail = decision.detail
        else:
            return self._handler.submit(pending)
        if decision.closes:
            self._log.write(pending.request, result, 0.0)
            return result.response
        return self._handler.record(pending, result)

    def release_all(self) -> None:
        """Delay nothing any more."""
        self._delayed.release_all()

    def close(self) -> None:
        self._delayed.close()
        self._handler.close()


class DevServer(Server):
    """A server that injects faults, records requests, and answers the control API."""

    def __init__(self, gam: Gam, options: ServerOptions, dev_options: DevOptions) -> None:
        self._dev_options = dev_options
        super().__init__(gam, options)

    def _open_log(self, gam: Gam, sink: Callable[[str], bool]) -> RequestLog:
        dev, options = self._dev_options, self._options
        if dev.record is None:
            return super()._open_log(gam, sink)
        log = RecordingLog(dev.record, sink, options.log_format, gam.now, options.log_address)
        log.suggest_fix = dev.suggest_fix
        return log

    def _create_handler(self, gam: Gam, notify: Callable[[], None]) -> RequestHandler:
        self._dev_handler = DevHandler(
            self._create_dispatcher(gam, notify), self._dev_options, self._config, self.log, notify
        )
        return self._dev_handler

    def stop(self) -> None:
        super().stop()
        self._dev_handler.release_all()
