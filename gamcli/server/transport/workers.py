"""
Several processes on one port: each a server of its own over the same store, started again when it dies.

Each has its own listening socket for the port, made before the first of them starts and kept here: the system spreads
connections over them, and those that wait at the door of one that died are answered by the next.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from threading import Event, Thread
from time import monotonic
from typing import NoReturn

from gamcli.errors import UsageError
from gamcli.server.options import RunnableServer, ServerOptions, listen

ATOMIC_WRITE_BYTES = 4096
"""What a pipe takes at once without mixing it with what another process writes (POSIX, PIPE_BUF on Linux)."""

MIN_UPTIME_SECONDS = 1.0
"""A worker that dies younger than so many seconds is not started again before it would have been that old."""

KILL_AFTER_SECONDS = 1.0
"""How much longer than a server's own time to stop its worker may take before it is killed, in seconds."""

POLL_SECONDS = 0.05
"""Seconds between two looks at workers that stop."""

ServerFactory = Callable[[ServerOptions], AbstractContextManager[RunnableServer]]
"""Opens what a server works with, and makes it; called in its own process."""


class WorkerProcesses:
    """`count` servers that `make` makes, each in a process of its own; `tell` says what became of them."""

    def __init__(
        self, count: int, make_server: ServerFactory, options: ServerOptions, report: Callable[[str], None]
    ) -> None:
        if not hasattr(os, "fork"):
            raise UsageError("several workers need a system with fork", "leave out --workers")
        self._make = make_server
        self._report = report
        self._stop_seconds = options.stop_seconds
        self._stopping = Event()
        self._running: dict[int, tuple[int, float]] = {}  # which place each process has, and since when
        with ExitStack() as opened:
            first = opened.enter_context(listen(options.host, options.port, reuse_port=True))
            port = int(first.getsockname()[1])
            more = [opened.enter_context(listen(options.host, port, reuse_port=True)) for _ in range(count - 1)]
            self._parent_pipe_reader, self._parent_pipe_writer = os.pipe()  # ends with this process, however that ends
            opened.callback(os.close, self._parent_pipe_writer)
            self.url = options.url(port)
            self._options = [
                replace(options, port=port, listener=each, log=_write_whole_lines(options.log))
                for each in (first, *more)
            ]
            for place in range(count):
                self._start_worker(place)
            self._exit_stack = opened.pop_all()

    @property
    def unwritten_lines(self) -> int:
        """None: each worker writes its own log."""
        return 0

    def run(self) -> None:
        """Keep the workers running until `stop`, then wait until each has finished what it does."""
        with self._exit_stack:
            while not self._stopping.is_set():
                for place, since in self._reap():
                    self._stopping.wait(max(0.0, since + MIN_UPTIME_SECONDS - monotonic()))
                    if not self._stopping.is_set():
                        self._report("a worker died; another one takes its place")
                        self._start_worker(place)
                self._stopping.wait(POLL_SECONDS)
            self._terminate()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread and from a signal handler."""
        self._stopping.set()

    def _reap(self) -> list[tuple[int, float]]:
        """Return the places of the processes that have ended."""
        found = []
        for process in tuple(self._running):
            with suppress(ChildProcessError):
                if os.waitpid(process, os.WNOHANG)[0] == 0:
                    continue
            found.append(self._running.pop(process))
        return found

    def _terminate(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        end = monotonic() + self._stop_seconds + KILL_AFTER_SECONDS
        while self._running and monotonic() < end:
            self._reap()
            Event().wait(POLL_SECONDS)
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)

    def _start_worker(self, slot: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            self._run_worker(self._options[slot])
        self._running[process] = (slot, monotonic())

    def _run_worker(self, options: ServerOptions) -> NoReturn:
        """Serve in this process, and end it; nothing of what its parent was doing goes on in it."""
        code = 1
        try:
            os.close(self._parent_pipe_writer)
            with self._make(options) as server:
                for each in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(each, lambda *_: server.stop())
                Thread(target=self._stop_with_parent, args=(server,), daemon=True).start()
                server.run()
            code = 0
        except Exception as error:  # noqa: BLE001 - the process ends here: its parent starts another
            self._report(f"a worker failed: {error}")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _stop_with_parent(self, server: RunnableServer) -> None:
        """End the server when the process that looks after it is gone."""
        os.read(self._parent_pipe_reader, 1)
        server.stop()


def _write_whole_lines(log: Callable[[str], None]) -> Callable[[str], None]:
    """Return what writes lines in pieces that are not mixed with those of other processes."""

    def write(text: str) -> None:
        piece = ""
        for line in text.split("\n"):
            if piece and len(piece) + len(line) + 2 > ATOMIC_WRITE_BYTES:
                log(piece)
                piece = ""
            piece = f"{piece}\n{line}" if piece else line
        log(piece)

    return write
