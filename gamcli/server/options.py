"""Where and how to serve, and what every form of the server can do; no loop."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gamcli.errors import FailedError
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.failure_limit import LIMIT, Failures
from gamcli.server.transport.connection import Times

if TYPE_CHECKING:
    import ssl

LAST_PORT = 65535

BACKLOG = 128
"""Connections that the system holds while a burst of them is accepted."""


@dataclass(frozen=True, slots=True)
class Options:
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
    manner: refusals.Manner = refusals.AS_GAM
    max_failures: int = LIMIT
    origins: frozenset[str] = frozenset()
    tls: "ssl.SSLContext | None" = None
    max_connections: int = 512
    stop_seconds: float = 5.0
    times: Times = field(default_factory=Times)
    listener: socket.socket | None = None

    def url(self, port: int) -> str:
        """Return where clients find who listens on `port`: the base path included, no slash at the end."""
        scheme = "https" if self.tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{port}{self.base_path.rstrip('/')}"

    def conduct(self) -> routes.Conduct:
        """Return how requests are answered."""
        base_path = self.base_path.rstrip("/").lower()
        return routes.Conduct(base_path, self.manner, Failures(self.max_failures), self.origins)

    @contextmanager
    def listening(self) -> Iterator[socket.socket]:
        """Yield the socket that listens, closed at the end."""
        with self.listener or listen(self.host, self.port) as listener:
            yield listener


class Serving(Protocol):
    """A server that listens from the moment it is made, and answers while `run` runs."""

    @property
    def url(self) -> str:
        """Where clients find it: the base path included, no slash at the end."""

    @property
    def unwritten(self) -> int:
        """How many lines of the log are not written; after `run`, any are left because their reader stalls."""

    def run(self) -> None:
        """Answer requests until `stop`, then finish what is running."""

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""


def listen(host: str, port: int, *, shares: bool = False) -> socket.socket:
    """Return a socket that listens there, beside others of ours if it `shares` the port; raises FailedError."""
    if not 0 <= port <= LAST_PORT:
        raise _cannot_listen(host, port, f"ports end at {LAST_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG, reuse_port=shares)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no such address"
        raise _cannot_listen(host, port, why.lower()) from error
    listener.settimeout(0)  # a client may leave between the bell and the door
    return listener


def _cannot_listen(host: str, port: int, why: str) -> FailedError:
    return FailedError(
        f"cannot listen on {host}, port {port}: {why}",
        "take any free port with --port 0, on this machine alone with --host 127.0.0.1",
    )
