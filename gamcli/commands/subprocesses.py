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

from gamcli.commands.session import now
from gamcli.errors import GamcliError, NotFoundError
from gamcli.render import output

if TYPE_CHECKING:
    from gamcli.server.options import Serving

MISSING = 127
"""What shells answer for a program that cannot be found (POSIX, 2.8.2)."""

SIGNALLED = 128
"""What shells add to the number of the signal that ended a program."""

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def require(words: Sequence[str], out: output.Output) -> None:
    """Say so and end with 127 when there is no program that the first word names."""
    if not words or which(words[0]) is None:
        raise _missing(f"no program '{words[0]}' can be found and run" if words else "no program is named", out)


def _missing(what: str, out: output.Output) -> typer.Exit:
    told: GamcliError = NotFoundError(what, "behind -- comes a program with its words, such as -- pytest -q")
    output.error(told, now(), as_json=out.format in ("json", "jsonl"))
    return typer.Exit(MISSING)


def run(words: Sequence[str], environment: Mapping[str, str], out: output.Output) -> int:
    """Run a program to its end, and return its exit code as a shell tells it: 128 + n for signal n."""
    with _passed_on() as started:
        try:
            child = subprocess.Popen(words, env=environment)  # noqa: S603 - what the user asks for
        except OSError as error:
            raise _missing(f"'{words[0]}' cannot be run: {error.strerror}", out) from error
        started(child)
        code = child.wait()
    return code if code >= 0 else SIGNALLED - code


def beside(server: "Serving", words: Sequence[str], given: Mapping[str, str], out: output.Output) -> int:
    """Run a program while `server` answers, with what is `given` in its environment; both end with the program."""
    serving = Thread(target=server.run, name="serve")
    serving.start()
    try:
        return run(words, {**os.environ, **given}, out)
    finally:
        server.stop()
        serving.join()


class _Relay:
    """Passes signals on to a child, those that come before it is there too."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def started(self, child: "subprocess.Popen[bytes]") -> None:
        """Take the child, and pass on what came too early for it."""
        self._child = child
        for number in self._early:
            child.send_signal(number)

    def take(self, number: int, _: FrameType | None) -> None:
        """Pass a signal on, unless the child has heard it from the terminal."""
        if number == signal.SIGINT and _is_in_foreground():
            return
        if self._child is None:
            self._early.append(number)
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
def _passed_on() -> Iterator[Callable[["subprocess.Popen[bytes]"], None]]:
    """Pass signals on while the `with` lasts, and yield what takes the child; what is ignored stays so, for both."""
    relay = _Relay()
    heard = [each for each in PASSED_ON if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, relay.take) for each in heard}
    try:
        yield relay.started
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
