"""
The event loop: one thread that serves all connections.

Python runs one thread at a time, and SQLite releases the interpreter with every call: sixteen threads that each answer
a request are half as fast as one that answers them all (`tests/bench/serve.py`). So this thread never blocks; the
`RequestHandler` runs on other threads what takes long, and calls `notify` when a response is available.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from time import monotonic, sleep
from typing import Protocol

from gamcli.errors import RefusedError
from gamcli.server.transport.connection import Connection, ConnectionRequest, encode_response
from gamcli.server.transport.connection_limiter import ConnectionLimiter
from gamcli.server.transport.listener import BACKLOG, ListenOptions, accept
from gamcli.server.transport.messages import Request, Response

OVERFLOW_CONNECTIONS = 128
"""At most this many refused connections wait for their clients to close; the first is closed for one more."""

ACCEPTS_PER_TURN = 32
"""At most this many connections are accepted, in about 2 ms, before requests are read again."""

REQUESTS_PER_TURN = 16
"""At most this many pipelined requests of a connection are answered before those of others."""

CHECKS_PER_TIMEOUT = 8
"""How often deadlines are checked within the shortest timeout."""

MAX_CHECK_INTERVAL = 0.25

CLOSE_CONNECTION = Response(0, (), b"")
"""Returned by a handler to close the connection without a response."""


class RequestHandler(Protocol):
    """What answers the requests; it must not block the event loop."""

    def submit(self, pending: ConnectionRequest) -> Response | None:
        """Return the response, or None when `pop_responses` returns it later."""

    def end_turn(self) -> None:
        """Answer the requests that were submitted since the last turn together."""

    def pop_responses(self) -> list[tuple[ConnectionRequest, Response]]:
        """Return the responses that have become available; called after `notify` and after `end_turn`."""

    def refuse(self, error: RefusedError, request: Request) -> Response:
        """Return the response to a request that was not received as a whole; see `Connection.partial_request`."""

    def close(self) -> None:
        """Stop all threads."""


class EventLoop:
    """Listens once it is created, and serves while `run` runs; `create_handler` gets `notify`."""

    def __init__(self, options: ListenOptions, create_handler: Callable[[Callable[[], None]], RequestHandler]) -> None:
        self._options = options
        self._connections: set[Connection] = set()
        self._limiter = ConnectionLimiter(options.max_connections, options.max_connections_per_address)
        self._refused: dict[Connection, None] = {}  # in order
        self._active: list[Connection] = []
        self._stopping = False
        self._stopping_now = False
        self._accepting = True
        self._has_clients = False
        with ExitStack() as opened:
            self._listener = opened.enter_context(options.open_listener())
            self._wakeup_sender, self._wakeup_receiver = map(opened.enter_context, socket.socketpair())
            self._selector = opened.enter_context(selectors.DefaultSelector())
            self._handler = opened.enter_context(closing(create_handler(self.notify)))
            self._exit_stack = opened.pop_all()
        self._family = int(self._listener.family)
        self._selector.register(self._listener, selectors.EVENT_READ, self._note_clients)
        self._selector.register(self._wakeup_receiver, selectors.EVENT_READ, self._deliver_responses)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Serve until `stop` is called; then answer for `drain_seconds` more, and finish the running requests."""
        with self._exit_stack:
            self._run_until(lambda: self._stopping)
            end = monotonic() + self._options.drain_seconds
            self._run_until(lambda: self._stopping_now or monotonic() >= end)
            self._stop_listening()
            end = monotonic() + self._options.stop_seconds
            self._run_until(lambda: self._stopping_now or not self._connections or monotonic() > end)
            for connection in tuple(self._connections):
                self._close(connection)

    def stop(self) -> None:
        """Make `run` finish and return; from now on every response closes its connection. See `RunnableServer`."""
        self._stopping = True
        self.notify()

    def stop_now(self) -> None:
        """Make `run` return immediately, without finishing the requests. See `RunnableServer`."""
        self._stopping_now = True
        self.stop()

    def notify(self) -> None:
        """Wake up the loop; may be called from any thread."""
        with suppress(OSError):  # already notified, or closed
            self._wakeup_sender.send(b".")

    def _run_until(self, is_done: Callable[[], bool]) -> None:
        timeouts = self._options.timeouts
        interval = min(MAX_CHECK_INTERVAL, min(timeouts.request, timeouts.idle, timeouts.linger) / CHECKS_PER_TIMEOUT)
        next_check, report = 0.0, self._options.report_connections
        while True:
            if monotonic() >= next_check:
                self._check_deadlines()
                next_check = monotonic() + interval
            if is_done():
                return
            idle = interval if self._connections or self._stopping else None
            for key, _ in self._selector.select(0 if self._active else idle):
                key.data()
            self._handle_active()
            if self._has_clients:  # after the requests: a flood of new clients must not delay them
                self._has_clients = False
                self._accept()
            if report is not None:
                report(len(self._connections))

    def _handle_active(self) -> None:
        active, self._active = self._active, []
        for connection in active:
            self._handle_requests(connection)
        self._handler.end_turn()
        self._send_responses()

    def _check_deadlines(self) -> None:
        now = monotonic()
        for connection in tuple(self._connections):
            if not self._accepting and connection.is_finished(now):
                self._close(connection)
            elif not connection.has_timed_out(now):
                continue
            elif connection.is_idle or connection.unsent:
                self._close(connection)
            else:
                self._refuse(connection, RefusedError("request_slow", "the request took too long"))
                self._limiter.update(connection)

    def _stop_listening(self) -> None:
        """Accept the clients that are already connected, because closing the listener would reset them."""
        self._accepting = self._has_clients = False
        self._selector.unregister(self._listener)
        for _ in range(0, BACKLOG, ACCEPTS_PER_TURN):
            if self._stopping_now or not self._accept():
                break
        with suppress(OSError):  # only Linux stops a listener that other processes have open, too
            self._listener.shutdown(socket.SHUT_RD)
        self._listener.close()

    def _note_clients(self) -> None:
        self._has_clients = True

    def _accept(self) -> bool:
        """Accept waiting clients, so that none waits for the system to retry; return whether there may be more."""
        for _ in range(ACCEPTS_PER_TURN):
            try:
                client, address = accept(self._listener, self._family)
            except BlockingIOError:  # no more, or the client has left
                return False
            except OSError:  # the system has no file descriptor left
                idle = self._limiter.find_idle()
                if idle is None:
                    sleep(0.01)
                else:
                    self._close(idle)
                return False
            self._admit(client, address)
        return True

    def _admit(self, client: socket.socket, address: str) -> None:
        try:
            connection = self._open_connection(client, address)
        except OSError:  # the client has left
            client.close()
            return
        try:
            idle = self._limiter.make_room(address)
        except LookupError:
            self._turn_away(connection)
            return
        if idle is not None:
            self._close(idle)
        self._limiter.add(connection)
        self._register(connection)

    def _turn_away(self, connection: Connection) -> None:
        """Answer 503, and keep the connection for a moment: closing it immediately could lose the response."""
        if len(self._refused) >= OVERFLOW_CONNECTIONS:
            self._close(next(iter(self._refused)))
        self._refused[connection] = None
        self._register(connection)
        self._refuse(connection, RefusedError("connections_full", "too many connections"))

    def _open_connection(self, client: socket.socket, address: str) -> Connection:
        timeouts, tls, max_body = self._options.timeouts, self._options.tls, self._options.max_body
        if tls is None:
            return Connection(client, address, timeouts, max_body)
        encrypted = tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        connection = Connection(encrypted, address, timeouts, max_body)
        connection.deadline = monotonic() + timeouts.request  # the handshake counts as part of the first request
        return connection

    def _register(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda: self._on_ready(connection))
        connection.registered_event = selectors.EVENT_READ

    def _on_ready(self, connection: Connection) -> None:
        if connection not in self._connections:  # closed in this turn for a new one
            return
        if connection.is_pending:  # whatever it sends waits until its request is answered
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
        """Answer the received requests in order, as long as the client reads the responses."""
        try:
            for _ in range(REQUESTS_PER_TURN):
                request = connection.next_request() if connection.is_ready else None
                if request is None:
                    break
                self._limiter.note_request(connection)
                pending = ConnectionRequest(request, monotonic(), connection)
                response = self._handler.submit(pending)
                if response is None:
                    connection.is_pending = True
                else:
                    self._send_response(pending, response)
            else:  # others come first
                self._active.append(connection)
        except RefusedError as error:
            self._refuse(connection, error)
        if connection.registered_event not in (0, connection.wanted_event):
            key = self._selector.get_key(connection.socket)
            self._selector.modify(connection.socket, connection.wanted_event, key.data)
            connection.registered_event = connection.wanted_event
        self._limiter.update(connection)

    def _deliver_responses(self) -> None:
        self._wakeup_receiver.recv(4096)
        self._send_responses()

    def _send_responses(self) -> None:
        for pending, response in self._handler.pop_responses():
            connection = pending.connection
            if connection in self._connections:
                connection.is_pending = False
                if not connection.registered_event:
                    self._register(connection)
                self._send_response(pending, response)
                if connection.is_idle:
                    self._limiter.update(connection)
                else:  # it has more requests, or unsent bytes
                    self._active.append(connection)

    def _send_response(self, pending: ConnectionRequest, response: Response) -> None:
        if response is CLOSE_CONNECTION:
            self._close(pending.connection)
            return
        closes = self._stopping or not pending.request.keeps_alive
        encoded = encode_response(response, closes=closes, without_body=pending.request.method == "HEAD")
        pending.connection.send(encoded, close_after=closes)

    def _refuse(self, connection: Connection, error: RefusedError) -> None:
        connection.send(
            encode_response(self._handler.refuse(error, connection.partial_request), closes=True), close_after=True
        )

    def _close(self, connection: Connection) -> None:
        self._connections.remove(connection)
        self._limiter.discard(connection)
        self._refused.pop(connection, None)
        if connection.registered_event:
            self._selector.unregister(connection.socket)
            connection.registered_event = 0
        connection.is_closing = True
        connection.close()
