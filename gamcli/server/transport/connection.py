"""
A connection: whole requests in, one `send` per response, and a deadline for the next step of the client.

Nothing here blocks; the event loop knows which connections can be read or written.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from selectors import EVENT_READ, EVENT_WRITE
from time import gmtime, monotonic, time

from gamcli.server.transport.heads import MaxBody, default_max_body
from gamcli.server.transport.messages import REASONS, Request, Response, partial_request, unreadable_request
from gamcli.server.transport.request_parser import RequestParser

CHUNK = 32 * 1024
"""The largest head and the largest body together, so that one read is enough for any request."""

NO_CONTENT = 204

MAX_LINGER_BYTES = 4 * 1024 * 1024
"""At most this much is discarded after the last response, for clients that read only when they have sent all."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    How long a client may take, in seconds: to send a request, to start the next one, and to close its side.

    While the server stops, `linger` is also how long a new client may take to start its first request.

    The request timeout counts from the first byte: a timeout per read would not stop a client that sends byte by byte.
    """

    request: float = 10.0
    idle: float = 30.0
    linger: float = 1.0


class Connection:
    """
    The state of a connection.

    `is_closing`: its last response was sent. `is_pending`: a request is being answered on another thread.
    `wanted_event`: the selector event that it needs next. `registered_event`: the one in the selector, 0 = none.
    """

    def __init__(
        self, client: socket.socket, address: str, timeouts: Timeouts, max_body: MaxBody = default_max_body
    ) -> None:
        client.settimeout(0)
        self.socket = client
        self.address = address
        self.deadline = monotonic() + timeouts.idle
        self.wanted_event = EVENT_READ
        self.unsent = b""
        self.is_closing = False
        self.is_pending = False
        self.registered_event = 0
        self._timeouts = timeouts
        self._parser = RequestParser(address, max_body)
        self._first_request_end = monotonic() + timeouts.linger  # while the server stops
        self._has_ended = False
        self._discarded_bytes = 0

    @property
    def partial_request(self) -> Request:
        """What is known of the request that is being received: its header fields, if its head is complete."""
        return partial_request(self.address, self._parser.fields)

    @property
    def is_idle(self) -> bool:
        """Whether it can be closed without loss: no request has begun, or the last response was sent."""
        return not self.unsent and not self.is_pending and (self.is_closing or self._parser.is_empty)

    @property
    def is_ready(self) -> bool:
        """Whether the next request can be answered now."""
        return not (self.unsent or self.is_closing or self.is_pending)

    def has_unread_bytes(self) -> bool:
        """Say whether the client has sent something that was not read yet."""
        try:
            # Not the method of a TLS socket, which cannot peek.
            return bool(socket.socket.recv(self.socket, 1, socket.MSG_PEEK))
        except OSError:
            return False

    def is_finished(self, now: float) -> bool:
        """Say whether it can be closed without loss while the server stops; new clients may send a request first."""
        return self.is_idle and (self.is_closing or now >= self._first_request_end) and not self.has_unread_bytes()

    def has_timed_out(self, now: float) -> bool:
        """Say whether the deadline has passed; there is none while a request is pending."""
        return self.deadline <= now and not self.is_pending

    def receive(self) -> bool:
        """Read what was received; return False at the end of the connection."""
        self.wanted_event = EVENT_READ
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError as error:
            self.wanted_event = _wanted_event(error, EVENT_READ)
            return True
        except OSError:
            data = b""
        if self.is_closing:
            self._discarded_bytes += len(data)
        elif data:
            was_empty = self._parser.is_empty
            self._parser.feed(data)
            if was_empty and not self._parser.is_empty:  # empty lines do not start a request
                self.deadline = monotonic() + self._timeouts.request
        self._has_ended = not data or self._discarded_bytes > MAX_LINGER_BYTES
        return not self._has_ended

    def next_request(self) -> Request | None:
        """Return the next whole request, None if it is incomplete; raises RefusedError if it is invalid."""
        request = self._parser.next_request()
        if request is None and self._parser.needs_continue():
            self.send(CONTINUE)
        if request is None and self._has_ended and not self._parser.is_empty:
            raise unreadable_request("the connection closed during a request")
        return request

    def send(self, data: bytes, *, close_after: bool = False) -> None:
        """Send as much of `data` as possible now; with `close_after`, nothing follows it."""
        self.unsent += data
        self.is_closing = close_after
        self.flush()

    def flush(self) -> None:
        """Send more of the unsent bytes; when all are sent, a new deadline starts."""
        self.wanted_event = EVENT_READ
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError as error:
            self.wanted_event = _wanted_event(error, EVENT_WRITE)
            return
        except OSError:  # the client has left
            self.unsent, self.is_closing, self.deadline = b"", True, 0.0
            return
        if self.unsent:
            self.wanted_event = EVENT_WRITE
        else:
            self._start_next_deadline()

    def _start_next_deadline(self) -> None:
        """
        Set the deadline for the next request, or for the client to close its side after the last response.

        Closing a socket with unread bytes resets it, and the client could lose the response (RFC 9112 §9.6).
        """
        self._first_request_end = 0.0
        if self.is_closing:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        timeout = self._timeouts.idle if self._parser.is_empty else self._timeouts.request
        self.deadline = monotonic() + (self._timeouts.linger if self.is_closing else timeout)

    def close(self) -> None:
        self.socket.close()


@dataclass(slots=True)
class PendingRequest:
    """A request and the time at which it arrived (monotonic)."""

    request: Request
    started: float


@dataclass(slots=True)
class ConnectionRequest(PendingRequest):
    """A request that arrived over a connection of the event loop."""

    connection: Connection


def _wanted_event(error: BlockingIOError, default: int) -> int:
    """Return the event that the socket needs; TLS may have to read in order to write."""
    return int(getattr(error, "event", default))


def encode_response(response: Response, *, closes: bool, without_body: bool = False) -> bytes:
    """Return the bytes of `response`; use `without_body` for HEAD (RFC 9110 §9.3.2)."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in response.fields)
    length = "" if response.status == NO_CONTENT else f"Content-Length: {len(response.body)}\r\n"  # RFC 9110 §8.6
    connection = "Connection: close\r\n" if closes else ""
    head = (
        f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\nDate: {_format_date(int(time()))}\r\n"
        f"{fields}{length}{connection}\r\n"
    )
    return head.encode("latin-1") + (b"" if without_body else response.body)


@lru_cache(maxsize=1)
def _format_date(second: int) -> str:
    """Return the Date field (RFC 9110 §5.6.7)."""
    at = gmtime(second)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
    return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
