"""
Show lists and pages that are longer than the terminal through the user's pager.

The lines are kept in a temporary file until the command has closed the store: an open pager must not hold a
transaction, which would keep a server from freeing disk space.
"""

import os
import sys
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import TextIO

from gamcli.render.text import write_lines

LESS_OPTIONS = "FRX"
"""The options of `less` unless LESS is set: exit if the text fits, show colors, leave the text on the screen."""


class Pager:
    """Collects the output of one command; `show` runs the pager if the output was longer than the terminal."""

    def __init__(self) -> None:
        self._text: TextIO | None = None
        self._messages: list[str] = []

    def write_lines(self, lines: Iterable[str]) -> int:
        """Write lines to stdout, or keep them for the pager, and return their number."""
        from shutil import get_terminal_size  # noqa: PLC0415 - start-up: only terminals need a pager

        height, lines = get_terminal_size().lines, iter(lines)
        first = list(islice(lines, height))
        if len(first) < height or find_command() is None:
            return write_lines(sys.stdout.write, chain(first, lines))
        from tempfile import TemporaryFile  # noqa: PLC0415 - as above

        text = TemporaryFile("w+", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - closed by `show`
        number = write_lines(text.write, chain(first, lines))
        self._text = text
        return number

    def add_message(self, text: str) -> bool:
        """Keep a message that belongs below the text, and return whether there is a text."""
        if self._text is not None:
            self._messages.append(text)
        return self._text is not None

    def show(self, print_message: Callable[[str], None]) -> None:
        """Run the pager if there is a text for it, then print the messages."""
        if self._text is None:
            return
        with self._text as text:
            text.seek(0)
            _run(find_command() or ["cat"], text)
        self._text = None
        for message in self._messages:
            print_message(message)


def find_command() -> list[str] | None:
    """Return the command of the user's pager; None if there is none, or the terminal cannot show one."""
    import shlex  # noqa: PLC0415 - start-up: only terminals need a pager
    from shutil import which  # noqa: PLC0415 - as above

    try:
        command = shlex.split(os.environ.get("PAGER", "less"))
    except ValueError:  # unbalanced quotes
        return None
    is_usable = os.environ.get("TERM", "dumb") != "dumb" and command and which(command[0])
    return command if is_usable else None


def _run(command: list[str], text: TextIO) -> None:
    """Run the pager until the user quits; Ctrl-C is for the pager alone."""
    import signal  # noqa: PLC0415 - start-up: only terminals need a pager
    import subprocess  # noqa: PLC0415 - as above

    sys.stdout.flush()
    environment = {**os.environ, "LESS": os.environ.get("LESS", LESS_OPTIONS)}
    with subprocess.Popen(command, stdin=text, env=environment) as pager:  # noqa: S603 - the user's choice
        earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            pager.wait()
        finally:
            signal.signal(signal.SIGINT, earlier)
