"""The clock of the development server: it follows the real clock until it is moved or stopped."""

import re
from datetime import UTC, datetime, timedelta

from gamcli.errors import UsageError
from gamcli.rules import durations

TIME_FORMATS = "use a time such as 2026-01-01T00:00:00Z, or a step from now such as +2h or -1d"

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
"""RFC 3339 §5.6; Python also parses times without an offset, which are ambiguous."""


class Clock:
    """A replacement for `Gam.now` that tests can move and stop; times are aware, in UTC."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        return self._stopped_at if self._stopped_at is not None else datetime.now(UTC) + self._offset

    def forward(self, length: str | timedelta) -> datetime:
        """Move the clock by `length`, such as "2h" or "-2h", and return the new time; raises UsageError."""
        step = length if isinstance(length, timedelta) else _parse_step(length)
        try:
            after = self() + step
        except OverflowError as error:
            raise UsageError("the time is out of range", TIME_FORMATS) from error
        if self._stopped_at is None:
            self._offset += step
        else:
            self._stopped_at = after
        return after

    def stop(self, at: str | datetime | None = None) -> datetime:
        """Stop the clock, now or at another time, and return the time; raises UsageError."""
        self._stopped_at = (
            self() if at is None else at.astimezone(UTC) if isinstance(at, datetime) else _parse_instant(at)
        )
        return self._stopped_at

    def run(self, at: str | None = None) -> datetime:
        """Let the clock go on, from now or from another time, and return the time; raises UsageError."""
        begin = self() if at is None else _parse_instant(at)
        self._offset, self._stopped_at = begin - datetime.now(UTC), None
        return begin

    def reset(self) -> None:
        """Follow the real clock again."""
        self._offset, self._stopped_at = timedelta(0), None

    @property
    def is_running(self) -> bool:
        return self._stopped_at is None


def stopped_clock(text: str) -> Clock:
    """Return a clock stopped at `text`, a time or a step from now; raises UsageError."""
    clock = Clock()
    clock.stop()
    if text.strip().startswith(("+", "-")):
        clock.forward(text)
    else:
        clock.stop(text)
    return clock


def _parse_step(text: str) -> timedelta:
    plain = text.strip()
    length = durations.parse(plain.removeprefix("+").removeprefix("-"))
    return -length if plain.startswith("-") else length


def _parse_instant(text: str) -> datetime:
    plain = text.strip().upper() if _RFC3339.fullmatch(text.strip()) else ""
    try:
        return datetime.fromisoformat(plain).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"invalid time '{text}'", TIME_FORMATS) from error
