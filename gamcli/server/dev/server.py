"""A server for tests of clients: it fails on demand, and keeps a journal. It answers as any other otherwise."""

from dataclasses import dataclass

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.server.dev.delayed_responses import Delays
from gamcli.server.dev.faults import SPARED, Fate, Faults
from gamcli.server.dev.journal import Keep, RecordingLog
from gamcli.server.endpoints import refusals, routes
from gamcli.server.transport.connection import Connection
from gamcli.server.transport.event_loop import Options, Server
from gamcli.server.transport.messages import Request, Response
from gamcli.server.worker_pool import Guest

NO_RESPONSE = Response(0, (), b"")
"""What a client gets whose connection is cut."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a server for tests does beyond answering: `faults` may change while it serves."""

    faults: Faults
    keep: Keep | None = None


class FaultyServer(Server):
    """A server that strikes requests as its faults say, before it looks at them."""

    def __init__(self, gam: Gam, options: Options, stage: Stage) -> None:
        super().__init__(gam, options)
        self._stage = stage
        if stage.keep is not None:
            self._log = RecordingLog(stage.keep, self._scribe.take, options.log_format, gam.now)
        self._delays: Delays[tuple[Guest, Fate]] = Delays(self._ring)
        self._opened.callback(self._delays.close)

    def stop(self) -> None:
        """End `run` soon, and hold nobody back any more; may be called from any thread and from a signal handler."""
        super().stop()
        self._delays.hurry()

    def _answer(self, guest: Guest) -> None:
        fate = self._stage.faults.fate(guest.request.path) if self._serves(guest.request) else SPARED
        if fate.seconds:
            guest.connection.waits = True
            self._delays.enter((guest, fate), fate.seconds)
        else:
            self._befall(guest, fate)

    def _serves(self, request: Request) -> bool:
        base, path = self._conduct.base_path, request.path.lower()
        return path.startswith(base) and request.method in routes.ROUTES.get(path.removeprefix(base), ())

    def _befall(self, guest: Guest, fate: Fate) -> None:
        """Let a request meet its fate now."""
        if fate.cuts:
            self._log.tell(guest.request, routes.Answer(NO_RESPONSE, routes.Trace(detail=fate.told)), 0.0)
            self._close(guest.connection)
        elif fate.rule:
            self._give(guest, self._struck(guest.request, fate))
        else:
            super()._answer(guest)

    def _struck(self, request: Request, fate: Fate) -> routes.Answer:
        trace = routes.Trace(wait=refusals.RETRY_SECONDS if fate.rule == "too_many_failures" else 0)
        answer = routes.failed(RefusedError(fate.rule, "a fault on demand"), request, self._conduct, trace)
        trace.detail = fate.told
        return answer

    def _fetch(self) -> None:
        super()._fetch()
        for guest, fate in self._delays.ready():
            guest.connection.waits = False
            if not guest.connection.listens_for:
                self._listen_to(guest.connection)
            self._befall(guest, fate)
            self._came.append(guest.connection)

    def _close(self, connection: Connection) -> None:
        super()._close(connection)
        connection.listens_for, connection.last = 0, True
