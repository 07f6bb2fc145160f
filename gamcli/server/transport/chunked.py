"""
Chunked bodies (RFC 9112 §7.1): strict, with the same limits as other bodies.

Extensions are checked and ignored, trailer fields are checked and dropped; those about framing are refused.
"""

import re
from collections.abc import Callable

from gamcli.errors import RefusedError
from gamcli.server.transport.heads import MAX_BODY, MAX_FIELDS, MAX_FIELDS_BYTES, NAME, body_too_large, parse_field
from gamcli.server.transport.messages import unreadable_request

MAX_SIZE_DIGITS = 16

MAX_EXTENSION_BYTES = 4096
"""All extensions of a body together, in bytes; no client is known to send any."""

_TOKEN = rf"[{NAME}]+"
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_SIZE_LINE = re.compile(
    rf"([0-9A-Fa-f]{{1,{MAX_SIZE_DIGITS}}})((?:;{_TOKEN}(?:=(?:{_TOKEN}|{_QUOTED}))?)*)".encode("latin-1")
)

_NEVER_IN_TRAILERS = ("content-length", "transfer-encoding")
"""Trailer fields that other parsers take for those of the head (RFC 9110 §6.5.1)."""


class ChunkedBody:
    """Decodes one body; call `read` with the bytes that follow what it has read before."""

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._body = bytearray()
        self._missing = 0  # of the chunk that is being read
        self._extension_bytes = 0
        self._field_bytes = 0
        self._field_count = 0
        self._step: Callable[[bytes, int], int | None] | None = self._read_size

    def read(self, buffer: bytes) -> tuple[bytes | None, bytes]:
        """Return the body, None when bytes are missing, and the bytes that were not read; raises RefusedError."""
        start = 0
        while self._step is not None:
            end = self._step(buffer, start)
            if end is None:
                return None, buffer[start:]
            start = end
        return bytes(self._body), buffer[start:]

    def _read_size(self, buffer: bytes, start: int) -> int | None:
        left = MAX_EXTENSION_BYTES - self._extension_bytes
        line = _read_line(buffer, start, MAX_SIZE_DIGITS + left)
        if line is None:
            if len(buffer) - start > MAX_SIZE_DIGITS + left + 1:
                raise unreadable_request("the chunk size is too long")
            return None
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise unreadable_request("malformed chunk size")
        self._missing = int(match[1], 16)
        self._extension_bytes += len(match[2])
        if len(self._body) + self._missing > self._max_body:
            raise body_too_large(self._max_body)
        self._step = self._read_data if self._missing else self._read_trailer
        return start + len(line) + 2

    def _read_data(self, buffer: bytes, start: int) -> int | None:
        """Read what there is of the chunk, so that nothing is read twice."""
        data = buffer[start : start + self._missing]
        self._body += data
        self._missing -= len(data)
        if not self._missing:
            self._step = self._read_data_end
        elif not data:
            return None
        return start + len(data)

    def _read_data_end(self, buffer: bytes, start: int) -> int | None:
        found = buffer[start : start + 2]
        if not b"\r\n".startswith(found):
            raise unreadable_request("a chunk is longer than its size")
        if len(found) < 2:  # noqa: PLR2004 - CR and LF
            return None
        self._step = self._read_size
        return start + 2

    def _read_trailer(self, buffer: bytes, start: int) -> int | None:
        left = MAX_FIELDS_BYTES - self._field_bytes
        line = _read_line(buffer, start, left)
        if line is None:
            if len(buffer) - start > left + 1:
                raise RefusedError("fields_too_large", "the trailer fields are too large")
            return None
        end = start + len(line) + 2
        if not line:
            self._step = None
            return end
        self._field_bytes += len(line) + 2
        self._field_count += 1
        if self._field_bytes > MAX_FIELDS_BYTES:
            raise RefusedError("fields_too_large", "the trailer fields are too large")
        if self._field_count > MAX_FIELDS:
            raise RefusedError("fields_too_many", "too many trailer fields")
        name, _ = parse_field(line.decode("latin-1"))
        if name in _NEVER_IN_TRAILERS:
            raise unreadable_request("a trailer field that frames the body")
        return end


def _read_line(buffer: bytes, start: int, longest: int) -> bytes | None:
    """Return the line at `start` without its end, None if it has more than `longest` bytes or is incomplete."""
    end = buffer.find(b"\n", start, start + longest + 2)
    if end < 0:
        return None
    if end == start or buffer[end - 1 : end] != b"\r":
        raise unreadable_request("a line ends without CR")
    return buffer[start : end - 1]
