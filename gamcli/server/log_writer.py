"""
Who writes the log: a thread of its own, so that a reader who stalls holds up nobody.

Lines gather for a moment and are written together: each write lets go of the one thread that Python runs.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

MAX_LINES = 10_000
"""How many lines wait at most, about 2 MB; at full load that is several seconds."""

MAX_BATCH = 500
"""How many lines are written together at most."""

GATHER_SECONDS = 0.01

LAST_SECONDS = 1.0
"""How long the end waits for what is still unwritten."""


class Scribe:
    """Writes lines to `sink`, several joined by line ends; one thread hands them over and never waits."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        self._lines: deque[str] = deque()
        self._taken = 0
        self._written = 0
        self._come = Event()
        self._closing = Event()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def unwritten(self) -> int:
        """How many lines are taken and not yet written."""
        return self._taken - self._written

    def take(self, line: str) -> bool:
        """Take a line to write, and say whether there was room for it."""
        if self.unwritten >= MAX_LINES:
            return False
        self._taken += 1
        self._lines.append(line)
        if not self._come.is_set():
            self._come.set()
        return True

    def close(self) -> None:
        """Write what is left, as far as it is read within a second."""
        self._closing.set()
        self._come.set()
        self._thread.join(LAST_SECONDS)

    def _serve(self) -> None:
        closes = False
        while not closes:
            self._come.wait()
            closes = self._closing.wait(GATHER_SECONDS)
            self._come.clear()
            while self._lines:
                self._write([self._lines.popleft() for _ in range(min(len(self._lines), MAX_BATCH))])

    def _write(self, lines: list[str]) -> None:
        with suppress(OSError, ValueError):  # nobody reads the log any more, or it is closed: serve on
            self._sink("\n".join(lines))
        self._written += len(lines)
