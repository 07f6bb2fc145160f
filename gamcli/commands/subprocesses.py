"""
Programs that gamcli runs: found before anything begins, signals passed on to them, their exit code passed back.

What a program is given, it finds in its environment, never among its words: those are in every process list.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from shutil import which
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

import typer

from gamcli.commands.context import now
from gamcli.errors import GamcliError, NotFoundError
from gamcli.render import output

if TYPE_CHECKING:
    from gamcli.server.options import RunnableServer

COMMAND_NOT_FOUND = 127
"""What shells answer for a program that cannot be found (POSIX, 2.8.2)."""

SIGNAL_EXIT_BASE = 128
"""What shells add to the number of the signal that ended a program."""

FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def require_program(argv: Sequence[str], out: output.Output) -> None:
    """Say so and end with 127 when there is no program that the first word names."""
    if not argv or which(argv[0]) is None:
        raise _report_missing(f"no program '{argv[0]}' can be found and run" if argv else "no program is named", out)


def _report_missing(message: str, out: output.Output) -> typer.Exit:
    told: GamcliError = NotFoundError(message, "behind -- comes a program with its words, such as -- pytest -q")
    output.print_error(told, now(), as_json=out.format in ("json", "jsonl"))
    return typer.Exit(COMMAND_NOT_FOUND)


def run_program(argv: Sequence[str], environment: Mapping[str, str], out: output.Output) -> int:
    """Run a program to its end, and return its exit code as a shell tells it: 128 + n for signal n."""
    with _forward_signals() as started:
        try:
            child = subprocess.Popen(argv, env=environment)  # noqa: S603 - what the user asks for
        except OSError as error:
            raise _report_missing(f"'{argv[0]}' cannot be run: {error.strerror}", out) from error
        started(child)
        code = child.wait()
    return code if code >= 0 else SIGNAL_EXIT_BASE - code


def run_with_server(
    server: "RunnableServer", argv: Sequence[str], variables: Mapping[str, str], out: output.Output
) -> int:
    """Run a program while `server` answers, with what is `given` in its environment; both end with the program."""
    serving = Thread(target=server.run, name="serve")
    serving.start()
    try:
        return run_program(argv, {**os.environ, **variables}, out)
    finally:
        server.stop()
        serving.join()


class _SignalForwarder:
    """Passes signals on to a child, those that come before it is there too."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._pending: list[int] = []

    def set_child(self, child: "subprocess.Popen[bytes]") -> None:
        """Take the child, and pass on what came too early for it."""
        self._child = child
        for number in self._pending:
            child.send_signal(number)

    def forward(self, number: int, _: FrameType | None) -> None:
        """Pass a signal on, unless the child has heard it from the terminal."""
        if number == signal.SIGINT and _is_in_foreground():
            return
        if self._child is None:
            self._pending.append(number)
        else:
            self._child.send_signal(number)


def _is_in_foreground() -> bool:
    """Say whether Ctrl-C of a terminal reaches us and, with us, the child: twice would be once too often."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def _forward_signals() -> Iterator[Callable[["subprocess.Popen[bytes]"], None]]:
    """Pass signals on while the `with` lasts, and yield what takes the child; what is ignored stays so, for both."""
    relay = _SignalForwarder()
    heard = [each for each in FORWARDED_SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, relay.forward) for each in heard}
    try:
        yield relay.set_child
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
