"""
`--engine fast`: the same server on the event loop of uvloop, which reads and writes the sockets in C.

Requests are parsed by `messages` and answered at the `desk` as in `http`, within the same limits and times. uvicorn and
granian were tried too: in front of the ASGI form they cost more than our own loop, and they keep other limits.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import cast

import uvloop

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.server import oauth, refusals
from gamcli.server.connection import CONTINUE, MAX_FAREWELL, encode
from gamcli.server.desk import Desk
from gamcli.server.doorway import Doorway
from gamcli.server.http import LONGEST_SWEEP, SWEEPS
from gamcli.server.log import Log
from gamcli.server.messages import Inbox, Request, unreadable
from gamcli.server.scribe import Scribe
from gamcli.server.serving import Options
from gamcli.server.waiting import Caller

UNSENT_BYTES = 64 * 1024
"""How much of its answers a client may leave unread before its next request waits."""


@dataclass(slots=True)
class Visitor(Caller):
    """A request that came over a connection of the loop."""

    visit: "Visit"


class FastServer:
    """A server that listens from the moment it is made, and answers while `run` runs, in the thread that runs it."""

    def __init__(self, gam: Gam, options: Options) -> None:
        self.options = options
        self.conduct = options.conduct()
        self.visits: set[Visit] = set()
        self.stopping = False
        self._came: list[Visit] = []
        self._turns = False
        self._loop = uvloop.new_event_loop()
        self._scribe = Scribe(options.log)
        self.log = Log(self._scribe.take, options.log_format, gam.now, gam.entropy(4).hex())
        with ExitStack() as opened:
            opened.callback(self._loop.close)
            opened.callback(self._scribe.close)
            self._listener = opened.enter_context(options.listening())
            self._desk: Desk[Visitor] = opened.enter_context(closing(Desk(gam, self.conduct, self._ring)))
            self._opened = opened.pop_all()
        self.doorway = Doorway(self._listener, options, lambda beyond: Visit(self, beyond), self.visits)
        self._port = int(self._listener.getsockname()[1])

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def url(self) -> str:
        """Where clients find the server: the base path included, no slash at the end."""
        return self.options.url(self._port)

    @property
    def unwritten(self) -> int:
        """How many lines of the log are not written; after `run`, any are left because their reader stalls."""
        return self._scribe.unwritten

    def run(self) -> None:
        """Answer requests until `stop`, then finish what is running."""
        with self._opened:
            self._loop.run_until_complete(self._live())
            self.log.tell_lost()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""
        self.stopping = True

    async def _live(self) -> None:
        coming = self._loop.create_task(self.doorway.stand_open())
        times = self.options.times
        pause = min(LONGEST_SWEEP, min(times.request, times.idle, times.farewell) / SWEEPS)
        await self._sweep_until(lambda: self.stopping, pause)
        coming.cancel()
        with suppress(asyncio.CancelledError):
            await coming
        self._listener.close()
        end = monotonic() + self.options.stop_seconds
        await self._sweep_until(lambda: not self.visits or monotonic() > end, pause)
        for visit in tuple(self.visits):
            visit.transport.abort()
        await asyncio.sleep(0)

    async def _sweep_until(self, over: Callable[[], bool], pause: float) -> None:
        """Look whose time is over, every now and then."""
        while not over():
            now = monotonic()
            for visit in tuple(self.visits):
                if self.stopping and visit.is_idle:
                    visit.transport.close()
                elif visit.deadline <= now and not visit.waits:
                    visit.expire()
            await asyncio.sleep(pause)

    def come(self, visit: "Visit") -> None:
        """Let a visit go on once everybody has been heard who is heard in this turn of the loop."""
        self._came.append(visit)
        if not self._turns:
            self._turns = True
            self._loop.call_soon(self._turn)

    def ask(self, visitor: Visitor) -> oauth.Answer | None:
        """Return the answer, or None when it is given later; those who ask within one turn are written together."""
        return self._desk.ask(visitor)

    def _turn(self) -> None:
        """Answer what has come: all of it was sent before the one look at the store that it is answered by."""
        self._turns = False
        came, self._came = self._came, []
        self._desk.look()
        for visit in came:
            visit.go_on()
        self._desk.turn()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: everybody has gone
            self._loop.call_soon_threadsafe(self._serve)

    def _serve(self) -> None:
        """Give the answers that were waited for, each to its client."""
        for visitor, answer in self._desk.served():
            visitor.visit.waits = False
            if visitor.visit in self.visits:
                visitor.visit.give(visitor, answer)
                if not visitor.visit.is_quiet:
                    self.come(visitor.visit)
        self._desk.turn()


class Visit(asyncio.Protocol):
    """One client's connection; see `connection.Connection` for what its times and marks mean."""

    transport: asyncio.Transport

    def __init__(self, server: FastServer, beyond: int) -> None:
        self.waits = False
        self.last = False
        self._server = server
        self._is_beyond = beyond >= 0
        self._inbox = Inbox("")
        self._times = server.options.times
        self.deadline = monotonic() + self._times.idle
        self._stalls = False
        self._ended = False
        self._thrown_away = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if it were closed."""
        sent = self.transport.get_write_buffer_size() == 0
        return sent and not self.waits and (self.last or self._inbox.is_empty)

    @property
    def is_quiet(self) -> bool:
        """Whether the client has said nothing more, and is listened to."""
        return self._inbox.is_empty and not self._ended and self.transport.is_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet a client, unless there are too many."""
        self.transport = cast("asyncio.Transport", transport)
        self._server.doorway.entered(self)
        self._server.visits.add(self)
        self._inbox = Inbox(str((transport.get_extra_info("peername") or ("",))[0]))
        self.transport.set_write_buffer_limits(UNSENT_BYTES)
        if self._is_beyond:
            self._refuse("connections_full")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        del exc
        self._server.visits.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self.last:
            self._thrown_away += len(data)
            if self._thrown_away > MAX_FAREWELL:
                self.transport.abort()
            return
        was_empty = self._inbox.is_empty
        self._inbox.feed(data)
        if was_empty and not self._inbox.is_empty:
            self.deadline = monotonic() + self._times.request
        if self.waits or self._stalls:
            self.transport.pause_reading()
        else:
            self._server.come(self)

    def eof_received(self) -> bool:
        """Take note that nothing more comes; what was asked is still answered."""
        self._ended = True
        is_asking = not self._stalls and not self.last and not self._inbox.is_empty
        if is_asking and not self.waits:
            self._server.come(self)
        return self.waits or is_asking or self.transport.get_write_buffer_size() > 0

    def pause_writing(self) -> None:
        """Answer no more until the client reads."""
        self._stalls = True

    def resume_writing(self) -> None:
        """Go on, for the client has read."""
        self._stalls = False
        if not self.waits:
            self._server.come(self)

    def go_on(self) -> None:
        """Answer the requests that have come, in order, as long as the client takes the responses."""
        if not self.transport.is_reading() and not self.transport.is_closing():
            self.transport.resume_reading()
        try:
            while not (self.waits or self.last or self._stalls) and (request := self._take()) is not None:
                self._answer(request)
        except RefusedError as refused:
            self._refuse(refused.rule)
        if self._ended and not self.waits and self._inbox.is_empty:
            self.transport.close()

    def _take(self) -> Request | None:
        request = self._inbox.take()
        if request is None and self._inbox.asks_to_continue():
            self.transport.write(CONTINUE)
        if request is None and self._ended and not self._inbox.is_empty:
            raise unreadable("the connection ended within a request")
        return request

    def _answer(self, request: Request) -> None:
        visitor = Visitor(request, monotonic(), self)
        answer = self._server.ask(visitor)
        if answer is None:
            self.waits = True
        else:
            self.give(visitor, answer)

    def give(self, visitor: Visitor, answer: oauth.Answer) -> None:
        """Send an answer."""
        request, closes = visitor.request, self._server.stopping or not visitor.request.keeps_alive
        self._server.log.tell(request, answer, monotonic() - visitor.began)
        self._send(encode(answer.response, closes=closes, without_body=request.method == "HEAD"), last=closes)

    def expire(self) -> None:
        """End a visit whose time is over: with an answer when a request is half said."""
        if self.is_idle or self.last or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self._refuse("request_slow")

    def _refuse(self, rule: str) -> None:
        """Refuse what is no request: nothing of it is logged, for it may be the body of another."""
        conduct = self._server.conduct
        response = refusals.response(rule, oauth.cross_origin(conduct), conduct.manner)
        answer = oauth.Answer(response, oauth.Trace(rule=rule))
        self._server.log.tell(None, answer, 0.0)
        self._send(encode(answer.response, closes=True), last=True)

    def _send(self, data: bytes, *, last: bool) -> None:
        self.transport.write(data)
        self.last = last
        if last and self.transport.can_write_eof():
            self.transport.write_eof()  # to close with bytes unread could lose the response (RFC 9112 §9.6)
        elif last:
            self.transport.close()
        waits = self._times.idle if self._inbox.is_empty else self._times.request
        self.deadline = monotonic() + (self._times.farewell if last else waits)
