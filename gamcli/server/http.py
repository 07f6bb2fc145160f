"""
The server: a listening socket, a thread a connection, a bounded number of them, and a clean end.

It knows no OAuth: whole requests go to `oauth.respond`, what is no request is refused here.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Condition, Thread
from time import perf_counter, sleep

from gamcli.actions import Gam
from gamcli.errors import FailedError, RefusedError
from gamcli.model import rfc3339
from gamcli.server import log, oauth, refusals
from gamcli.server.connection import Connection, Times, encode
from gamcli.server.messages import Request

BACKLOG = 128
"""Connections that the system holds while a burst of them is accepted."""

DOORSTEP = 16
"""How many clients beyond the bound are told so at a time; any more are cut off."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where and how to serve; `log` takes one line a request, `port` 0 is any free one."""

    log: Callable[[str], None]
    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = ""
    log_format: str = "text"
    max_connections: int = 256
    stop_seconds: float = 5.0
    times: Times = field(default_factory=Times)


class Server:
    """A server that listens from the moment it is made, and answers while `run` runs."""

    def __init__(self, gam: Gam, options: Options) -> None:
        self._gam = gam
        self._options = options
        self._base_path = options.base_path.rstrip("/")
        self._write = log.FORMATS[options.log_format]
        self._run_id = gam.entropy(4).hex()
        self._numbers = count(1)
        self._connections: set[Connection] = set()
        self._gone = Condition()
        self._stopping = False
        self._listener = _listen(options.host, options.port)
        self._bell, self._ear = socket.socketpair()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients find the server: the base path included, no slash at the end."""
        host = self._options.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self._base_path}"

    def run(self) -> None:
        """Answer requests until `stop`, then finish what is running."""
        try:
            self._accept()
        finally:
            self._finish()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""
        self._stopping = True
        with suppress(OSError):  # it has ended already
            self._bell.send(b".")

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._ear, selectors.EVENT_READ)
            while not self._stopping:
                selector.select()
                self._admit_one()

    def _admit_one(self) -> None:
        try:
            client, address = self._listener.accept()
        except BlockingIOError:
            return  # the bell rang, or the client has left already
        except OSError:
            sleep(0.05)  # out of file descriptors: some connection will end
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._admit(Connection(client, str(address[0]), self._options.times))

    def _admit(self, connection: Connection) -> None:
        beyond = len(self._connections) - self._options.max_connections
        if beyond >= DOORSTEP:
            connection.close()
            return
        with self._gone:
            self._connections.add(connection)
        step = self._exchange if beyond < 0 else self._turn_away
        try:
            Thread(target=self._live, args=(connection, step), daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        connection.close()
        with self._gone:
            self._connections.remove(connection)
            self._gone.notify_all()

    def _live(self, connection: Connection, step: Callable[[Connection], bool]) -> None:
        """Take `step` with the connection as long as it says so."""
        try:
            while step(connection):
                pass
        finally:
            self._forget(connection)

    def _turn_away(self, connection: Connection) -> bool:
        return self._refuse(connection, "connections_full")

    def _exchange(self, connection: Connection) -> bool:
        """Answer one request, and say whether the connection stays open."""
        try:
            request = connection.receive()
        except RefusedError as refused:
            return self._refuse(connection, refused.rule)
        return request is not None and self._answer(connection, request)

    def _refuse(self, connection: Connection, rule: str) -> bool:
        """Refuse what is no request: nothing of it is logged, for it may be the body of another."""
        response = refusals.response(rule)
        connection.send(encode(response, closes=True))
        self._log("-", "-", response.status, 0.0, oauth.Trace(rule=rule))
        connection.say_farewell()
        return False

    def _answer(self, connection: Connection, request: Request) -> bool:
        began = perf_counter()
        answer = oauth.respond(self._gam, request, self._base_path.lower())
        closes = self._stopping or not request.keeps_alive
        there = connection.send(encode(answer.response, closes=closes, without_body=request.method == "HEAD"))
        spent = (perf_counter() - began) * 1000
        self._log(log.shown(request.method), log.shown(request.path), answer.response.status, spent, answer.trace)
        return there and not closes

    def _log(self, method: str, path: str, status: int, ms: float, trace: oauth.Trace) -> None:
        entry = log.Entry(
            time=rfc3339(self._gam.now()),
            request=f"{self._run_id}-{next(self._numbers)}",
            method=method,
            path=path,
            status=status,
            ms=round(ms, 1),
            client_id=log.shown(trace.client_id),
            key=trace.key_id,
            rule=trace.rule,
            detail=trace.detail,
        )
        with suppress(OSError):  # nobody reads the log any more: serve on
            self._options.log(self._write(entry))

    def _finish(self) -> None:
        self._listener.close()
        with self._gone:
            for connection in self._connections:
                connection.end_soon()
            self._gone.wait_for(lambda: not self._connections, self._options.stop_seconds)
            for connection in self._connections:
                connection.abort()
        self._bell.close()
        self._ear.close()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raises FailedError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no such address"
        raise FailedError(
            f"cannot listen on {host}, port {port}: {why.lower()}",
            "take any free port with --port 0, on this machine alone with --host 127.0.0.1",
        ) from error
    listener.settimeout(0)  # a client may leave between the bell and the door
    return listener
