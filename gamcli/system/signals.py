"""Cleanup before a signal ends the process, as after Ctrl-C."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATION_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Windows has no SIGHUP."""


@contextmanager
def cleanup_on_signals() -> Iterator[None]:
    """Run every `finally` inside the block before a signal ends the process; ignored signals (`nohup`) stay ignored."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        if not received:  # a second signal must not interrupt the cleanup
            received.append(number)
            raise KeyboardInterrupt

    numbers = [number for number in TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for number in received:
            os.kill(os.getpid(), number)  # the parent process sees the signal as the reason
