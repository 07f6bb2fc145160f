"""The clock of a world that is made for tests: it goes as the real one until it is told otherwise."""

import re
from datetime import UTC, datetime, timedelta

from gamcli.errors import UsageError
from gamcli.rules import durations

TIME_FORMATS = "an instant such as 2026-01-01T00:00:00Z, or a step from now such as +2h or -1d"

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
"""RFC 3339 §5.6; Python takes more, such as an instant that nobody can place for want of an offset."""


class Clock:
    """What `Gam.now` is in such a world: aware, in UTC; whoever tests moves it or makes it stand still."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        """Return the instant that it shows."""
        return self._stopped_at if self._stopped_at is not None else datetime.now(UTC) + self._offset

    def forward(self, length: str | timedelta) -> datetime:
        """Move it by `length`, such as "2h", and return the new instant; back by a negative one."""
        step = length if isinstance(length, timedelta) else _parse_step(length)
        try:
            after = self() + step
        except OverflowError as error:
            raise UsageError("no clock goes that far", TIME_FORMATS) from error
        if self._stopped_at is None:
            self._offset += step
        else:
            self._stopped_at = after
        return after

    def stop(self, at: str | datetime | None = None) -> datetime:
        """Let it stand still, from now on or at another instant, and return what it shows."""
        self._stopped_at = (
            self() if at is None else at.astimezone(UTC) if isinstance(at, datetime) else _parse_instant(at)
        )
        return self._stopped_at


def stopped_clock(text: str) -> Clock:
    """Return a clock that stands still at `text`, an instant or a step from now; raises UsageError."""
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
        raise UsageError(f"'{text}' is no instant", TIME_FORMATS) from error
