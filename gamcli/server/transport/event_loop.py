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
from gamcli.server.dispatcher import Dispatcher
from gamcli.server.endpoints import refusals, routes
from gamcli.server.log_writer import LogWriter
from gamcli.server.options import ServerOptions
from gamcli.server.request_log import RequestLog
from gamcli.server.transport.connection import Connection, encode_response
from gamcli.server.worker_pool import ConnectionRequest

__all__ = ["Server", "ServerOptions"]

OVERFLOW_CONNECTIONS = 16
"""How many clients beyond the bound are told so at a time; any more are cut off."""

CHECKS_PER_TIMEOUT = 8
"""Deadlines are looked at so often within the shortest of them."""

MAX_CHECK_INTERVAL = 0.25


class Server:
    """
    A server that listens from the moment it is made, and answers while `run` runs.

    Its thread never waits: what takes time comes back from the desk.
    """

    def __init__(self, gam: Gam, options: ServerOptions) -> None:
        self._options = options
        self._config = options.config()
        self._log_writer = LogWriter(options.log)
        self._log = RequestLog(self._log_writer.write, options.log_format, gam.now, gam.entropy(4).hex())
        self._connections: set[Connection] = set()
        self._active: list[Connection] = []
        self._stopping = False
        with ExitStack() as opened:
            opened.callback(self._log_writer.close)
            self._listener = opened.enter_context(options.open_listener())
            self._wakeup_sender, self._wakeup_receiver = map(opened.enter_context, socket.socketpair())
            self._selector = opened.enter_context(selectors.DefaultSelector())
            self._dispatcher: Dispatcher[ConnectionRequest] = opened.enter_context(
                closing(Dispatcher(gam, self._config, self._notify))
            )
            self._exit_stack = opened.pop_all()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wakeup_receiver, selectors.EVENT_READ, self._deliver_responses)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients find the server: the base path included, no slash at the end."""
        return self._options.url(self.port)

    @property
    def unwritten_lines(self) -> int:
        """How many lines of the log are not written; after `run`, any are left because their reader stalls."""
        return self._log_writer.unwritten_lines

    def run(self) -> None:
        """Answer requests until `stop`, then finish what is running."""
        with self._exit_stack:
            self._run_loop(until=lambda: self._stopping)
            self._selector.unregister(self._listener)
            self._listener.close()
            end = monotonic() + self._options.stop_seconds
            self._run_loop(until=lambda: not self._connections or monotonic() > end)
            for connection in tuple(self._connections):
                self._close(connection)
            self._log.write_lost_lines()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""
        self._stopping = True
        self._notify()

    def _notify(self) -> None:
        with suppress(OSError):  # it rings already, or everybody has gone
            self._wakeup_sender.send(b".")

    def _run_loop(self, until: Callable[[], bool]) -> None:
        """Serve whoever is ready, again and again; every now and then, look whose time is over."""
        times = self._options.timeouts
        pause = min(MAX_CHECK_INTERVAL, min(times.request, times.idle, times.linger) / CHECKS_PER_TIMEOUT)
        sweep = 0.0
        while True:
            if monotonic() >= sweep:
                self._check_deadlines()
                sweep = monotonic() + pause
            if until():
                return
            for key, _ in self._selector.select(pause if self._connections else None):
                key.data()
            self._handle_active()

    def _handle_active(self) -> None:
        """Answer what has come: all of it was sent before the one look at the store that it is answered by."""
        if self._active:
            came, self._active = self._active, []
            self._dispatcher.check_version()
            for connection in came:
                self._handle_requests(connection)
        self._dispatcher.flush()

    def _check_deadlines(self) -> None:
        now = monotonic()
        for connection in tuple(self._connections):
            if self._stopping and connection.is_idle:
                self._close(connection)
            elif connection.has_timed_out(now):
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
        if beyond >= OVERFLOW_CONNECTIONS:
            client.close()
            return
        try:
            connection = self._open_connection(client, str(address[0]))
        except OSError:  # it has left before it was greeted
            client.close()
            return
        self._connections.add(connection)
        self._register(connection)
        if beyond >= 0:
            self._refuse(connection, "connections_full")

    def _open_connection(self, client: socket.socket, peer: str) -> Connection:
        times, tls = self._options.timeouts, self._options.tls
        if tls is None:
            return Connection(client, peer, times)
        made = Connection(tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False), peer, times)
        made.deadline = monotonic() + times.request  # to shake hands takes part in the time for the first request
        return made

    def _register(self, connection: Connection) -> None:
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda: self._on_ready(connection))
        connection.registered_event = selectors.EVENT_READ

    def _on_ready(self, connection: Connection) -> None:
        """Go on with a connection that can be read or written."""
        if connection.is_pending:  # it has more to say, or has gone: either can wait until it is answered
            self._selector.unregister(connection.socket)
            connection.registered_event = 0
            return
        if connection.unsent:
            connection.flush()
        elif not connection.receive() and connection.is_idle:
            self._close(connection)
            return
        self._active.append(connection)

    def _handle_requests(self, connection: Connection) -> None:
        """Answer the requests that have come, in order, as long as the client takes the responses."""
        try:
            while connection.is_ready and (request := connection.next_request()) is not None:
                self._dispatch(ConnectionRequest(request, monotonic(), connection))
        except RefusedError as refused:
            self._refuse(connection, refused.rule)
        if connection.registered_event not in (0, connection.wanted_event):
            key = self._selector.get_key(connection.socket)
            self._selector.modify(connection.socket, connection.wanted_event, key.data)
            connection.registered_event = connection.wanted_event

    def _dispatch(self, pending: ConnectionRequest) -> None:
        answer = self._dispatcher.submit(pending)
        if answer is None:
            pending.connection.is_pending = True
        else:
            self._send_response(pending, answer)

    def _deliver_responses(self) -> None:
        """Give the answers that were waited for, each to its client."""
        self._wakeup_receiver.recv(4096)
        for guest, answer in self._dispatcher.pop_responses():
            if guest.connection in self._connections:
                guest.connection.is_pending = False
                if not guest.connection.registered_event:
                    self._register(guest.connection)
                self._send_response(guest, answer)
                if not guest.connection.is_idle:  # it has more to say, or to take
                    self._active.append(guest.connection)

    def _send_response(self, pending: ConnectionRequest, result: routes.TracedResponse) -> None:
        request, closes = pending.request, self._stopping or not pending.request.keeps_alive
        self._log.write(request, result, monotonic() - pending.started)
        sent = encode_response(result.response, closes=closes, without_body=request.method == "HEAD")
        pending.connection.send(sent, close_after=closes)

    def _refuse(self, connection: Connection, rule: str) -> None:
        """Refuse what is no request: nothing of it is logged, for it may be the body of another."""
        response = refusals.refusal_response(rule, routes.cors_fields(self._config), self._config.error_format)
        answer = routes.TracedResponse(response, routes.Trace(rule=rule))
        self._log.write(None, answer, 0.0)
        connection.send(encode_response(answer.response, closes=True), close_after=True)

    def _close(self, connection: Connection) -> None:
        self._connections.remove(connection)
        if connection.registered_event:
            self._selector.unregister(connection.socket)
        connection.close()
