"""
Runs a program: forwards signals to it and returns its exit code.

Secrets are passed in its environment, never as arguments: process lists show arguments.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from shutil import which
from types import FrameType

from gamcli.errors import ProgramNotFoundError

SIGNAL_EXIT_BASE = 128
"""Shells add the number of the signal that ended a program (POSIX 2.8.2)."""

FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_HINT = "put the program and its arguments after --, such as -- pytest -q"


def require_program(argv: Sequence[str]) -> None:
    """Raise ProgramNotFoundError unless the program exists."""
    if not argv:
        raise ProgramNotFoundError("missing program", _HINT)
    if which(argv[0]) is None:
        raise ProgramNotFoundError(f"program not found: '{argv[0]}'", _HINT)


def run_program(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program and return its exit code as a shell does: 128 + n for signal n."""
    with _forward_signals() as set_child:
        try:
            child = subprocess.Popen(argv, env=environment)  # noqa: S603 - the user's program
        except OSError as error:
            raise ProgramNotFoundError(f"cannot run '{argv[0]}': {error.strerror}", _HINT) from error
        set_child(child)
        code = child.wait()
    return code if code >= 0 else SIGNAL_EXIT_BASE - code


class _SignalForwarder:
    """Forwards signals to the child, also those that arrive before it has started."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._pending: list[int] = []

    def set_child(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        for number in self._pending:
            child.send_signal(number)

    def forward(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and _is_in_foreground():  # the terminal sends Ctrl-C to the child, too
            return
        if self._child is None:
            self._pending.append(number)
        else:
            self._child.send_signal(number)


def _is_in_foreground() -> bool:
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
    """Forward signals inside the `with` block; signals that are ignored stay ignored, also for the child."""
    forwarder = _SignalForwarder()
    numbers = [number for number in FORWARDED_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, forwarder.forward) for number in numbers}
    try:
        yield forwarder.set_child
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


LOOPBACK = "localhost,127.0.0.1,::1"


def bypass_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep requests to this machine away from a proxy, whatever else they list."""
    listed = {name: environment.get(name, "") for name in ("NO_PROXY", "no_proxy")}
    return {name: f"{value},{LOOPBACK}" if value else LOOPBACK for name, value in listed.items()}


def run_with_input(argv: Sequence[str], text: str) -> int:
    """Run a program with `text` on its stdin and return its exit code."""
    try:
        return subprocess.run(argv, input=f"{text}\n".encode(), check=False).returncode  # noqa: S603 - as above
    except OSError as error:
        raise ProgramNotFoundError(f"cannot run '{argv[0]}': {error.strerror}", _HINT) from error
