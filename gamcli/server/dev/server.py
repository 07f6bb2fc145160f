"""A server for tests of clients: it fails on demand, and keeps a journal. It answers as any other otherwise."""

from dataclasses import dataclass

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.server.dev.delayed_responses import DelayedResponses
from gamcli.server.dev.faults import NO_FAULT, FaultDecision, Faults
from gamcli.server.dev.journal import Recorder, RecordingLog
from gamcli.server.endpoints import refusals, routes
from gamcli.server.transport.connection import Connection
from gamcli.server.transport.event_loop import Server, ServerOptions
from gamcli.server.transport.messages import Request, Response
from gamcli.server.worker_pool import ConnectionRequest

NO_RESPONSE = Response(0, (), b"")
"""What a client gets whose connection is cut."""


@dataclass(frozen=True, slots=True)
class DevOptions:
    """What a server for tests does beyond answering: `faults` may change while it serves."""

    faults: Faults
    record: Recorder | None = None


class DevServer(Server):
    """A server that strikes requests as its faults say, before it looks at them."""

    def __init__(self, gam: Gam, options: ServerOptions, dev_options: DevOptions) -> None:
        super().__init__(gam, options)
        self._dev_options = dev_options
        if dev_options.record is not None:
            self._log = RecordingLog(dev_options.record, self._log_writer.write, options.log_format, gam.now)
        self._delayed_responses: DelayedResponses[tuple[ConnectionRequest, FaultDecision]] = DelayedResponses(
            self._notify
        )
        self._exit_stack.callback(self._delayed_responses.close)

    def stop(self) -> None:
        """End `run` soon, and hold nobody back any more; may be called from any thread and from a signal handler."""
        super().stop()
        self._delayed_responses.release_all()

    def _dispatch(self, pending: ConnectionRequest) -> None:
        fate = self._dev_options.faults.decide(pending.request.path) if self._has_route(pending.request) else NO_FAULT
        if fate.delay_seconds:
            pending.connection.is_pending = True
            self._delayed_responses.add((pending, fate), fate.delay_seconds)
        else:
            self._apply_fault(pending, fate)

    def _has_route(self, request: Request) -> bool:
        base, path = self._config.base_path, request.path.lower()
        return path.startswith(base) and request.method in routes.ROUTES.get(path.removeprefix(base), ())

    def _apply_fault(self, pending: ConnectionRequest, decision: FaultDecision) -> None:
        """Let a request meet its fate now."""
        if decision.closes:
            self._log.write(
                pending.request, routes.TracedResponse(NO_RESPONSE, routes.Trace(detail=decision.detail)), 0.0
            )
            self._close(pending.connection)
        elif decision.rule:
            self._send_response(pending, self._fault_response(pending.request, decision))
        else:
            super()._dispatch(pending)

    def _fault_response(self, request: Request, decision: FaultDecision) -> routes.TracedResponse:
        trace = routes.Trace(retry_after=refusals.RETRY_SECONDS if decision.rule == "too_many_failures" else 0)
        answer = routes.error_response(RefusedError(decision.rule, "a fault on demand"), request, self._config, trace)
        trace.detail = decision.detail
        return answer

    def _deliver_responses(self) -> None:
        super()._deliver_responses()
        for guest, fate in self._delayed_responses.pop_due():
            guest.connection.is_pending = False
            if not guest.connection.registered_event:
                self._register(guest.connection)
            self._apply_fault(guest, fate)
            self._active.append(guest.connection)

    def _close(self, connection: Connection) -> None:
        super()._close(connection)
        connection.registered_event, connection.is_closing = 0, True
