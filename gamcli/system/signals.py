"""Signals that end a program: what it has begun is taken away first, as after Ctrl-C."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATION_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a program in the middle (Windows knows no SIGHUP)."""


@contextmanager
def cleanup_on_signals() -> Iterator[None]:
    """Let every `finally` within run before a signal ends this process; one that is ignored (`nohup`) stays so."""
    came: list[int] = []

    def end(number: int, _: object) -> None:
        if not came:  # a second one would cut the tidying short
            came.append(number)
            raise KeyboardInterrupt

    before = {
        each: signal.signal(each, end) for each in TERMINATION_SIGNALS if signal.getsignal(each) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            os.kill(os.getpid(), number)  # whoever waits for this process learns what ended it
