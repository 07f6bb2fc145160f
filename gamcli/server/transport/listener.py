"""Where and how to listen, and what every server offers to the program that runs it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from gamcli.errors import FailedError
from gamcli.server.transport.connection import Timeouts
from gamcli.server.transport.heads import MaxBody, default_max_body

if TYPE_CHECKING:
    import ssl

MAX_PORT = 65535

BACKLOG = 4096
"""Connections that the system queues until they are accepted; Linux allows 4096 by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """
    Where and how to listen; `port` 0 is any free port.

    A `listener` that already listens replaces host and port. `max_connections_per_address` 0 is half of all. When the
    server stops, it accepts connections for `drain_seconds`, and then finishes requests for at most `stop_seconds`.
    `slot` is the number of the worker process. `report_connections` receives the number of open connections.
    """

    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = ""
    tls: "ssl.SSLContext | None" = None
    max_connections: int = 512
    max_connections_per_address: int = 0
    slot: int = 0
    drain_seconds: float = 0.0
    stop_seconds: float = 5.0
    timeouts: Timeouts = field(default_factory=Timeouts)
    listener: socket.socket | None = None
    max_body: MaxBody = default_max_body
    report_connections: Callable[[int], None] | None = None

    def url(self, port: int) -> str:
        """Return the URL for clients on this machine, with the base path and without a slash at its end."""
        scheme = "https" if self.tls else "http"
        host = _connectable_host(self.host)
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{port}{self.base_path.rstrip('/')}"

    @contextmanager
    def open_listener(self) -> Iterator[socket.socket]:
        with self.listener or listen(self.host, self.port) as listener:
            listener.listen(BACKLOG)  # again: an earlier worker with this socket shut it down if it was stopped alone
            yield listener


class RunnableServer(Protocol):
    """A server that listens once it is created, and answers while `run` runs."""

    @property
    def url(self) -> str:
        """The URL of the server, with the base path and without a slash at its end."""

    @property
    def unwritten_lines(self) -> int:
        """The number of log lines that are not written yet, for example because their reader stalls."""

    def run(self) -> None:
        """Answer requests until `stop` is called, then finish the running ones."""

    def stop(self) -> None:
        """Make `run` finish and return; may be called repeatedly, from any thread and from a signal handler."""

    def stop_now(self) -> None:
        """Make `run` return immediately, without finishing the requests; may be called like `stop`."""


@contextmanager
def run_in_background(server: RunnableServer) -> Iterator[Thread]:
    """Run the server in a thread while the `with` block runs."""
    thread = Thread(target=server.run, name="serve")
    thread.start()
    try:
        yield thread
    finally:
        server.stop()
        thread.join()


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a listening socket; raises FailedError."""
    if not 0 <= port <= MAX_PORT:
        raise _cannot_listen(host, port, f"ports go up to {MAX_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "unknown address"
        reason = reason.partition(" (while attempting")[0]  # `create_server` adds the address, which is named already
        raise _cannot_listen(host, port, reason.lower()) from error
    listener.settimeout(0)  # a client may have left before it is accepted
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
    return listener


def accept(listener: socket.socket, family: int) -> tuple[socket.socket, str]:
    """
    Return the next client and its address; `family` is that of the listener. Raises OSError.

    `socket.accept` converts family and type to enumerations for each client. That takes a fifth of the time that a
    silent connection costs, and a flood of them would be faster than the server.
    """
    descriptor, address = listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return socket.socket(family, socket.SOCK_STREAM, 0, descriptor), str(address[0])


def _connectable_host(host: str) -> str:
    """Return an address that clients can connect to: the loopback address if `host` stands for all addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return {4: "127.0.0.1", 6: "::1"}[address.version] if address.is_unspecified else host


def _cannot_listen(host: str, port: int, reason: str) -> FailedError:
    return FailedError(
        f"cannot listen on {host}, port {port}: {reason}",
        "use --port 0 for any free port, --host 127.0.0.1 for this machine only",
    )
