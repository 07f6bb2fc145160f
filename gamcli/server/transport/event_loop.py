"""
The server: one thread asks the system which connections are ready, and answers them one after another.

Python runs one thread at a time, and SQLite lets go of it with every call: sixteen threads that each answer a request
are half as fast as one that answers them all (`tests/bench/serve.py`). What waits does so on another thread: a commit
for the disk (`ledger`), a password for its hash, a request for a store that another process holds (`waiting`).

This part knows no OAuth: whole requests go to the `desk`.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from time import monotonic, sleep

from gamcli.actions import Gam
from gamcli.errors import RefusedError
from gamcli.server.dispatcher import Desk
from gamcli.server.endpoints import refusals, routes
from gamcli.server.log_writer import Scribe
from gamcli.server.options import Options
from gamcli.server.request_log import Log
from gamcli.server.transport.connection import Connection, encode
from gamcli.server.worker_pool import Guest

__all__ = ["Options", "Server"]

DOORSTEP = 16
"""How many clients beyond the bound are told so at a time; any more are cut off."""

SWEEPS = 8
"""Deadlines are looked at so often within the shortest of them."""

LONGEST_SWEEP = 0.25


class Server:
    """
    A server that listens from the moment it is made, and answers while `run` runs.

    Its thread never waits: what takes time comes back from the desk.
    """

    def __init__(self, gam: Gam, options: Options) -> None:
        self._options = options
        self._conduct = options.conduct()
        self._scribe = Scribe(options.log)
        self._log = Log(self._scribe.take, options.log_format, gam.now, gam.entropy(4).hex())
        self._connections: set[Connection] = set()
        self._came: list[Connection] = []
        self._stopping = False
        with ExitStack() as opened:
            opened.callback(self._scribe.close)
            self._listener = opened.enter_context(options.listening())
            self._bell, self._ear = map(opened.enter_context, socket.socketpair())
            self._selector = opened.enter_context(selectors.DefaultSelector())
            self._desk: Desk[Guest] = opened.enter_context(closing(Desk(gam, self._conduct, self._ring)))
            self._opened = opened.pop_all()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._ear, selectors.EVENT_READ, self._fetch)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients find the server: the base path included, no slash at the end."""
        return self._options.url(self.port)

    @property
    def unwritten(self) -> int:
        """How many lines of the log are not written; after `run`, any are left because their reader stalls."""
        return self._scribe.unwritten

    def run(self) -> None:
        """Answer requests until `stop`, then finish what is running."""
        with self._opened:
            self._rounds(until=lambda: self._stopping)
            self._selector.unregister(self._listener)
            self._listener.close()
            end = monotonic() + self._options.stop_seconds
            self._rounds(until=lambda: not self._connections or monotonic() > end)
            for connection in tuple(self._connections):
                self._close(connection)
            self._log.tell_lost()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""
        self._stopping = True
        self._ring()

    def _ring(self) -> None:
        with suppress(OSError):  # it rings already, or everybody has gone
            self._bell.send(b".")

    def _rounds(self, until: Callable[[], bool]) -> None:
        """Serve whoever is ready, again and again; every now and then, look whose time is over."""
        times = self._options.times
        pause = min(LONGEST_SWEEP, min(times.request, times.idle, times.farewell) / SWEEPS)
        sweep = 0.0
        while True:
            if monotonic() >= sweep:
                self._sweep()
                sweep = monotonic() + pause
            if until():
                return
            for key, _ in self._selector.select(pause if self._connections else None):
                key.data()
            self._turn()

    def _turn(self) -> None:
        """Answer what has come: all of it was sent before the one look at the store that it is answered by."""
        if self._came:
            came, self._came = self._came, []
            self._desk.look()
            for connection in came:
                self._proceed(connection)
        self._desk.turn()

    def _sweep(self) -> None:
        now = monotonic()
        for connection in tuple(self._connections):
            if self._stopping and connection.is_idle:
                self._close(connection)
            elif connection.is_late(now):
                self._expire(connection)

    def _expire(self, connection: Connection) -> None:
        if connection.is_idle or connection.unsent:
            self._close(connection)
        else:
            self._refuse(connection, "request_slow")

    def _accept(self) -> None:
        try:
            client, address = self._listener.accept()
        except BlockingIOError:  # it has left already
            return
        except OSError:  # no more file descriptors: some connection will end
            sleep(0.01)
            return
        beyond = len(self._connections) - self._options.max_connections
        if beyond >= DOORSTEP:
            client.close()
            return
        try:
            connection = self._connection(client, str(address[0]))
        except OSError:  # it has left before it was greeted
            client.close()
            return
        self._connections.add(connection)
        self._listen_to(connection)
        if beyond >= 0:
            self._refuse(connection, "connections_full")

    def _connection(self, client: socket.socket, peer: str) -> Connection:
        times, tls = self._options.times, self._options.tls
        if tls is None:
            return Connection(client, peer, times)
        made = Connection(tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False), peer, times)
        made.deadline = monotonic() + times.request  # to shake hands takes part in the time for the first request
        return made

    def _listen_to(self, connection: Connection) -> None:
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda: self._attend(connection))
        connection.listens_for = selectors.EVENT_READ

    def _attend(self, connection: Connection) -> None:
        """Go on with a connection that can be read or written."""
        if connection.waits:  # it has more to say, or has gone: either can wait until it is answered
            self._selector.unregister(connection.socket)
            connection.listens_for = 0
            return
        if connection.unsent:
            connection.flush()
        elif not connection.read() and connection.is_idle:
            self._close(connection)
            return
        self._came.append(connection)

    def _proceed(self, connection: Connection) -> None:
        """Answer the requests that have come, in order, as long as the client takes the responses."""
        try:
            while connection.is_open and (request := connection.take()) is not None:
                self._answer(Guest(request, monotonic(), connection))
        except RefusedError as refused:
            self._refuse(connection, refused.rule)
        if connection.listens_for not in (0, connection.awaits):
            key = self._selector.get_key(connection.socket)
            self._selector.modify(connection.socket, connection.awaits, key.data)
            connection.listens_for = connection.awaits

    def _answer(self, guest: Guest) -> None:
        answer = self._desk.ask(guest)
        if answer is None:
            guest.connection.waits = True
        else:
            self._give(guest, answer)

    def _fetch(self) -> None:
        """Give the answers that were waited for, each to its client."""
        self._ear.recv(4096)
        for guest, answer in self._desk.served():
            if guest.connection in self._connections:
                guest.connection.waits = False
                if not guest.connection.listens_for:
                    self._listen_to(guest.connection)
                self._give(guest, answer)
                if not guest.connection.is_idle:  # it has more to say, or to take
                    self._came.append(guest.connection)

    def _give(self, guest: Guest, answer: routes.Answer) -> None:
        request, closes = guest.request, self._stopping or not guest.request.keeps_alive
        self._log.tell(request, answer, monotonic() - guest.began)
        sent = encode(answer.response, closes=closes, without_body=request.method == "HEAD")
        guest.connection.send(sent, last=closes)

    def _refuse(self, connection: Connection, rule: str) -> None:
        """Refuse what is no request: nothing of it is logged, for it may be the body of another."""
        response = refusals.response(rule, routes.cross_origin(self._conduct), self._conduct.manner)
        answer = routes.Answer(response, routes.Trace(rule=rule))
        self._log.tell(None, answer, 0.0)
        connection.send(encode(answer.response, closes=True), last=True)

    def _close(self, connection: Connection) -> None:
        self._connections.remove(connection)
        if connection.listens_for:
            self._selector.unregister(connection.socket)
        connection.close()
