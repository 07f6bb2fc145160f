"""
Worker processes: several servers on one port, each in a separate process; one that crashes is restarted.

Each has its own listening socket, opened by the parent before the first worker starts. The system spreads connections
over these sockets, and a restarted worker accepts those that its predecessor did not.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from threading import Event, Thread
from time import monotonic
from typing import Generic, NoReturn, TypeVar

from gamcli.errors import UsageError
from gamcli.server.transport.listener import ListenOptions, RunnableServer, listen

MIN_UPTIME_SECONDS = 1.0
"""A worker is not restarted sooner than this after its start, so that a crash loop does not use all the CPU."""

KILL_AFTER_SECONDS = 1.0
"""A worker that is still running this long after `stop_seconds` is killed."""

POLL_SECONDS = 0.05
"""How often the workers are checked."""

STOP_NOW_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)  # Windows has neither it nor workers
"""Makes a worker stop without finishing its requests."""

TERMINAL_SIGNALS = (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT))
"""What a terminal sends to all processes; the parent stops the workers."""

WORKER_SIGNALS = (*TERMINAL_SIGNALS, signal.SIGTERM, STOP_NOW_SIGNAL)

OptionsT = TypeVar("OptionsT", bound=ListenOptions)


class WorkerProcesses(Generic[OptionsT]):
    """
    `count` servers, each created by `create_server` in a separate process.

    `report` gets messages about crashed workers.
    """

    def __init__(
        self,
        count: int,
        create_server: Callable[[OptionsT], AbstractContextManager[RunnableServer]],
        options: OptionsT,
        report: Callable[[str], None],
    ) -> None:
        if not hasattr(os, "fork"):
            raise UsageError("--workers requires an operating system with fork", "omit --workers")
        self._create_server = create_server
        self._report = report
        self._stop_seconds = options.drain_seconds + options.stop_seconds
        self._stopping = Event()
        self._stopping_now = Event()
        self._running: dict[int, tuple[int, float]] = {}  # process id: its slot and start time
        with ExitStack() as opened:
            first = opened.enter_context(listen(options.host, options.port, reuse_port=True))
            port = int(first.getsockname()[1])
            more = [opened.enter_context(listen(options.host, port, reuse_port=True)) for _ in range(count - 1)]
            # The pipe closes when this process exits, even if it is killed.
            self._parent_pipe_reader, self._parent_pipe_writer = os.pipe()
            opened.callback(os.close, self._parent_pipe_writer)
            self.url = options.url(port)
            self._options = [
                replace(options, port=port, listener=each, slot=slot) for slot, each in enumerate((first, *more))
            ]
            for slot in range(count):
                self._start_worker(slot)
            self._exit_stack = opened.pop_all()

    @property
    def unwritten_lines(self) -> int:
        """Always 0: the workers write their own logs."""
        return 0

    def run(self) -> None:
        """Keep the workers running until `stop` is called, then wait until they have finished."""
        with self._exit_stack:
            while not self._stopping.is_set():
                for slot, started in self._reap():
                    self._stopping.wait(max(0.0, started + MIN_UPTIME_SECONDS - monotonic()))
                    if not self._stopping.is_set():
                        self._report("a worker crashed; starting another")
                        self._start_worker(slot)
                self._stopping.wait(POLL_SECONDS)
            self._terminate()

    def stop(self) -> None:
        """Make `run` finish and return; see `RunnableServer`."""
        self._stopping.set()

    def stop_now(self) -> None:
        """Make `run` return immediately, without finishing the requests; see `RunnableServer`."""
        self._stopping.set()
        self._stopping_now.set()

    def _reap(self) -> list[tuple[int, float]]:
        """Return slot and start time of the workers that have exited."""
        exited = []
        for process in tuple(self._running):
            with suppress(ChildProcessError):
                if os.waitpid(process, os.WNOHANG)[0] == 0:
                    continue
            exited.append(self._running.pop(process))
        return exited

    def _terminate(self) -> None:
        """Stop the workers, and kill those that are late."""
        self._signal_workers(signal.SIGTERM)
        self._wait_for_workers(self._stop_seconds + KILL_AFTER_SECONDS, self._stopping_now.is_set)
        if self._stopping_now.is_set():
            self._signal_workers(STOP_NOW_SIGNAL)
            self._wait_for_workers(KILL_AFTER_SECONDS, lambda: False)
        self._signal_workers(signal.SIGKILL)
        for process in self._running:
            os.waitpid(process, 0)

    def _signal_workers(self, number: int) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _wait_for_workers(self, seconds: float, is_done: Callable[[], bool]) -> None:
        end = monotonic() + seconds
        while self._running and monotonic() < end and not is_done():
            self._reap()
            Event().wait(POLL_SECONDS)

    def _start_worker(self, slot: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WORKER_SIGNALS)  # until the worker can handle them
        process = os.fork()
        if process == 0:
            self._run_worker(self._options[slot], before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._running[process] = (slot, monotonic())

    def _run_worker(self, options: OptionsT, signal_mask: set[int | signal.Signals]) -> NoReturn:
        """Serve in this process, then exit; never return to the code of the parent."""
        code = 1
        try:
            os.close(self._parent_pipe_writer)
            with self._create_server(options) as server:
                for number in TERMINAL_SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, lambda *_: server.stop())
                signal.signal(STOP_NOW_SIGNAL, lambda *_: server.stop_now())
                signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
                Thread(target=self._stop_with_parent, args=(server,), daemon=True).start()
                server.run()
            code = 0
        except Exception as error:  # noqa: BLE001 - the parent starts another worker
            self._report(f"a worker failed: {error}")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _stop_with_parent(self, server: RunnableServer) -> None:
        os.read(self._parent_pipe_reader, 1)
        server.stop()
