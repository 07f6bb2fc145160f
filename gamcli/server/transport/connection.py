"""
One client's connection: whole requests in, one send a response, and a deadline for whatever it does next.

Nothing in here waits: `http` asks the system which connections can be read or written, and tells them.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from selectors import EVENT_READ, EVENT_WRITE
from time import gmtime, monotonic, time

from gamcli.server.transport.messages import REASONS, Request, RequestParser, Response, unreadable_request

CHUNK = 32 * 1024
"""The largest head and the largest body together: one read is enough for any request."""

NO_CONTENT = 204

MAX_LINGER_BYTES = 4 * 1024 * 1024
"""How much is read and thrown away after the last response, for clients that listen only when they have said it all."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    How long a client may take, in seconds: to send a request, to begin the next one, to hear of the end.

    The time for a request counts from its first byte: time-outs per read would never meet a client that sends one byte
    at a time.
    """

    request: float = 10.0
    idle: float = 30.0
    linger: float = 1.0


class Connection:
    """
    A client, what it has sent and what it has yet to take.

    `deadline` is when the time for what it does now is over; `last` says that its last response is given, `waits` that
    a request of its is being answered elsewhere; `awaits` is the event of the system that lets it go on, and
    `listens_for` the one that the system was asked to tell of, 0 = none.
    """

    def __init__(self, client: socket.socket, peer: str, timeouts: Timeouts) -> None:
        client.settimeout(0)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = client
        self.deadline = monotonic() + timeouts.idle
        self.wanted_event = EVENT_READ
        self.unsent = b""
        self.is_closing = False
        self.is_pending = False
        self.registered_event = 0
        self._timeouts = timeouts
        self._parser = RequestParser(peer)
        self._has_ended = False
        self._discarded_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if it were closed: no request has begun, or the last response is sent."""
        return not self.unsent and not self.is_pending and (self.is_closing or self._parser.is_empty)

    @property
    def is_ready(self) -> bool:
        """Whether its next request can be answered now."""
        return not (self.unsent or self.is_closing or self.is_pending)

    def has_timed_out(self, now: float) -> bool:
        """Say whether its time is over; while we work for it, it has all the time."""
        return self.deadline <= now and not self.is_pending

    def receive(self) -> bool:
        """Take what has come, and say whether anything did: False is the end of the connection."""
        self.wanted_event = EVENT_READ
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError as held:
            self.wanted_event = _wanted_event(held, EVENT_READ)
            return True
        except OSError:
            data = b""
        if self.is_closing:
            self._discarded_bytes += len(data)
        elif data:
            self._feed(data)
        self._has_ended = not data or self._discarded_bytes > MAX_LINGER_BYTES
        return not self._has_ended

    def _feed(self, data: bytes) -> None:
        was_empty = self._parser.is_empty
        self._parser.feed(data)
        if was_empty and not self._parser.is_empty:  # an empty line begins nothing, and gains no time
            self.deadline = monotonic() + self._timeouts.request

    def next_request(self) -> Request | None:
        """Return the next whole request, if there is one; raises RefusedError for what will never be one."""
        request = self._parser.next_request()
        if request is None and self._parser.needs_continue():
            self.send(CONTINUE)
        if request is None and self._has_ended and not self._parser.is_empty:
            raise unreadable_request("the connection ended within a request")
        return request

    def send(self, data: bytes, *, close_after: bool = False) -> None:
        """Send `data`, or as much as the client takes now; nothing follows what is `last`."""
        self.unsent += data
        self.is_closing = close_after
        self.flush()

    def flush(self) -> None:
        """Send more of what is unsent; when all is sent, the client's time begins anew."""
        self.wanted_event = EVENT_READ
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError as held:
            self.wanted_event = _wanted_event(held, EVENT_WRITE)
            return
        except OSError:  # nobody is there to take it
            self.unsent, self.is_closing, self.deadline = b"", True, 0.0
            return
        if self.unsent:
            self.wanted_event = EVENT_WRITE
        else:
            self._start_next_deadline()

    def _start_next_deadline(self) -> None:
        """
        Give the client time for what comes next; after the last response, to hear it.

        To close with bytes unread would reset the connection, and the client could lose the response (RFC 9112 §9.6).
        """
        if self.is_closing:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        waits = self._timeouts.idle if self._parser.is_empty else self._timeouts.request
        self.deadline = monotonic() + (self._timeouts.linger if self.is_closing else waits)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def _wanted_event(error: BlockingIOError, default: int) -> int:
    """Return what a socket waits for that cannot go on: one that encrypts may have to read in order to write."""
    return int(getattr(error, "event", default))


def encode_response(response: Response, *, closes: bool, without_body: bool = False) -> bytes:
    """Return the bytes of `response`; one to HEAD goes without its body (RFC 9110 §9.3.2)."""
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
    """Return that second since 1970 as HTTP writes it (RFC 9110 §5.6.7)."""
    at = gmtime(second)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
    return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
