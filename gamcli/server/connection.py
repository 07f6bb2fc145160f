"""
One client's connection: whole requests in, one send a response, and a deadline around each request.

The time-outs of sockets are per read, so a client that sends a byte at a time would never meet one: what counts here is
the time since the request began.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from time import gmtime, monotonic, time

from gamcli.errors import RefusedError
from gamcli.server.messages import REASONS, Inbox, Request, Response, unreadable

CHUNK = 32 * 1024
"""The largest head and the largest body together: one read is enough for any request."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Times:
    """How long a client may take, in seconds: to send a request, to begin the next one, to hear of a refusal."""

    request: float = 10.0
    idle: float = 30.0
    farewell: float = 1.0


class Connection:
    """A client and what it has sent so far; its own thread calls everything but `end_soon` and `abort`."""

    def __init__(self, client: socket.socket, peer: str, times: Times) -> None:
        self._socket = client
        self._times = times
        self._inbox = Inbox(peer)
        self._idle = True
        self._ending = False

    def receive(self) -> Request | None:
        """Return the next request, None at the end of the connection; raises RefusedError for what is no request."""
        request = self._inbox.take()
        if request is None and (not self._inbox.is_empty or self._begins()):
            request = self._whole()
        return request

    def _begins(self) -> bool:
        """Wait for the first byte of a request, and say whether it came."""
        self._idle = True
        # `end_soon` notes the end before it looks whether this is idle, and here it is the other way round.
        data = b"" if self._ending else self._read(self._times.idle)
        self._idle = False
        self._inbox.feed(data or b"")
        return bool(data)

    def _whole(self) -> Request:
        deadline = monotonic() + self._times.request
        asked = False
        while (request := self._inbox.take()) is None:
            if self._inbox.awaits_continue and not asked:
                asked = self.send(_CONTINUE)
            data = self._read(deadline - monotonic())
            if data is None:
                raise RefusedError("request_slow", "the deadline for a whole request passed")
            if not data:
                raise unreadable("the connection ended within a request")
            self._inbox.feed(data)
        return request

    def _read(self, seconds: float) -> bytes | None:
        """Return what has come, nothing at the end of the connection, None when the time is over."""
        try:
            self._socket.settimeout(max(seconds, 0.001))  # 0 would mean: do not wait
            return self._socket.recv(CHUNK)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def send(self, data: bytes) -> bool:
        """Send all of `data`, and say whether the client was there to take it."""
        try:
            self._socket.settimeout(self._times.request)
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def end_soon(self) -> None:
        """End the connection, now when it is between two requests, else after the one that is running."""
        self._ending = True
        if self._idle:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """End the connection in the middle of whatever it does."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def say_farewell(self) -> None:
        """
        Let the client hear the last response before the connection closes.

        To close with bytes unread would reset the connection, and the client could lose the response (RFC 9112 §9.6).
        """
        deadline = monotonic() + self._times.farewell
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        while (left := deadline - monotonic()) > 0 and self._read(left):
            pass

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def encode(response: Response, *, closes: bool, without_body: bool = False) -> bytes:
    """Return the bytes of `response`; one to HEAD goes without its body (RFC 9110 §9.3.2)."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in response.fields)
    connection = "Connection: close\r\n" if closes else ""
    head = (
        f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\nDate: {_date(int(time()))}\r\n"
        f"{fields}Content-Length: {len(response.body)}\r\n{connection}\r\n"
    )
    return head.encode("latin-1") + (b"" if without_body else response.body)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """Return that second since 1970 as HTTP writes it (RFC 9110 §5.6.7)."""
    at = gmtime(second)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
    return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
