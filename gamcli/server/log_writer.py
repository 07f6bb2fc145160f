"""
Who writes the log: a thread of its own, so that a reader who stalls holds up nobody.

Lines gather for a moment and are written together: each write lets go of the one thread that Python runs.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

MAX_QUEUED_LINES = 10_000
"""How many lines wait at most, about 2 MB; at full load that is several seconds."""

MAX_BATCH = 500
"""How many lines are written together at most."""

BATCH_SECONDS = 0.01

CLOSE_SECONDS = 1.0
"""How long the end waits for what is still unwritten."""


class LogWriter:
    """Writes lines to `sink`, several joined by line ends; one thread hands them over and never waits."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        self._queue: deque[str] = deque()
        self._accepted = 0
        self._written = 0
        self._wakeup = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def unwritten_lines(self) -> int:
        """How many lines are taken and not yet written."""
        return self._accepted - self._written

    def write(self, line: str) -> bool:
        """Take a line to write, and say whether there was room for it."""
        if self.unwritten_lines >= MAX_QUEUED_LINES:
            return False
        self._accepted += 1
        self._queue.append(line)
        if not self._wakeup.is_set():
            self._wakeup.set()
        return True

    def close(self) -> None:
        """Write what is left, as far as it is read within a second."""
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
                self._write_batch([self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))])

    def _write_batch(self, lines: list[str]) -> None:
        with suppress(OSError, ValueError):  # nobody reads the log any more, or it is closed: serve on
            self._sink("\n".join(lines))
        self._written += len(lines)
