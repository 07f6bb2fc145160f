"""
Writes the log on a separate thread, so that a reader that stalls blocks no request.

Lines are joined and written together: each write releases the interpreter, which slows down the event loop.
`logging.handlers.QueueListener` does the half of this: it has no batches, no count of lost lines, and `stop` without
a timeout.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

MAX_QUEUED_LINES = 10_000
"""About 2 MB, several seconds at full load; more lines are lost and counted."""

MAX_BATCH = 500
"""At most this many lines are written together."""

BATCH_SECONDS = 0.01

CLOSE_SECONDS = 1.0
"""How long `close` waits for unwritten lines."""

ATOMIC_WRITE_BYTES = 4096
"""Up to this size, writes to a pipe do not mix with those of other processes (POSIX, PIPE_BUF on Linux)."""


class LogWriter:
    """Passes lines to `sink`, joined by line breaks."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        self._queue: deque[str] = deque()
        self._accepted = 0
        self._written = 0
        self._wakeup = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def unwritten_lines(self) -> int:
        return self._accepted - self._written

    def write(self, line: str) -> bool:
        """Queue a line, and return False if the queue is full."""
        if self.unwritten_lines >= MAX_QUEUED_LINES:
            return False
        self._accepted += 1
        self._queue.append(line)
        if not self._wakeup.is_set():
            self._wakeup.set()
        return True

    def close(self) -> None:
        """Write the queued lines, for at most CLOSE_SECONDS."""
        self._closing.set()
        self._wakeup.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        closes = False
        while not closes:
            self._wakeup.wait()
            closes = self._closing.wait(BATCH_SECONDS)
            self._wakeup.clear()
            while self._queue:
                lines = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
                with suppress(OSError, ValueError):  # the reader has gone, or the log is closed: go on serving
                    self._sink("\n".join(lines))
                self._written += len(lines)


def write_atomically(log: Callable[[str], None]) -> Callable[[str], None]:
    """Return a `log` whose lines do not mix with those of other processes."""

    def write(text: str) -> None:
        chunk = ""
        for line in text.split("\n"):
            if chunk and len(chunk) + len(line) + 2 > ATOMIC_WRITE_BYTES:
                log(chunk)
                chunk = ""
            chunk = f"{chunk}\n{line}" if chunk else line
        log(chunk)

    return write
