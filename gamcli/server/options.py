"""Where and how to serve, and what every form of the server can do; no loop."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gamcli.errors import FailedError
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.failure_limit import DEFAULT_LIMIT, FailureLimiter
from gamcli.server.transport.connection import Timeouts

if TYPE_CHECKING:
    import ssl

MAX_PORT = 65535

BACKLOG = 128
"""Connections that the system holds while a burst of them is accepted."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """
    Where and how to serve; `port` 0 is any free one.

    `log` writes lines, joined by line ends, and may wait for its reader: it is called by a thread of its own. A
    `listener` that listens already stands for host and port.
    """

    log: Callable[[str], None]
    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = ""
    log_format: str = "text"
    error_format: refusals.ErrorFormat = refusals.GAM_FORMAT
    max_failures: int = DEFAULT_LIMIT
    origins: frozenset[str] = frozenset()
    tls: "ssl.SSLContext | None" = None
    max_connections: int = 512
    stop_seconds: float = 5.0
    timeouts: Timeouts = field(default_factory=Timeouts)
    listener: socket.socket | None = None

    def url(self, port: int) -> str:
        """Return where clients find who listens on `port`: the base path included, no slash at the end."""
        scheme = "https" if self.tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{port}{self.base_path.rstrip('/')}"

    def config(self) -> routes.ServerConfig:
        """Return how requests are answered."""
        base_path = self.base_path.rstrip("/").lower()
        return routes.ServerConfig(base_path, self.error_format, FailureLimiter(self.max_failures), self.origins)

    @contextmanager
    def open_listener(self) -> Iterator[socket.socket]:
        """Yield the socket that listens, closed at the end."""
        with self.listener or listen(self.host, self.port) as listener:
            yield listener


class RunnableServer(Protocol):
    """A server that listens from the moment it is made, and answers while `run` runs."""

    @property
    def url(self) -> str:
        """Where clients find it: the base path included, no slash at the end."""

    @property
    def unwritten_lines(self) -> int:
        """How many lines of the log are not written; after `run`, any are left because their reader stalls."""

    def run(self) -> None:
        """Answer requests until `stop`, then finish what is running."""

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket that listens there, beside others of ours if it `shares` the port; raises FailedError."""
    if not 0 <= port <= MAX_PORT:
        raise _cannot_listen(host, port, f"ports end at {MAX_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no such address"
        raise _cannot_listen(host, port, why.lower()) from error
    listener.settimeout(0)  # a client may leave between the bell and the door
    return listener


def _cannot_listen(host: str, port: int, reason: str) -> FailedError:
    return FailedError(
        f"cannot listen on {host}, port {port}: {reason}",
        "take any free port with --port 0, on this machine alone with --host 127.0.0.1",
    )
