"""Durations such as `90d`, `24h`, `30m`, `45s` and `2w`, and arithmetic with them."""

import re
from datetime import datetime, timedelta

from gamcli.errors import UsageError, format_count

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""Seconds per unit."""

_ZERO, _SECOND = timedelta(0), timedelta(seconds=1)
MAX_DURATION = timedelta(days=36_500)

_DURATION = re.compile(r"([0-9]{1,10})([smhdw])", re.ASCII)


def parse(text: str) -> timedelta:
    """Parse an integer and a unit, at most 36500 days, or `0`; raises UsageError."""
    if text.strip() == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"invalid duration '{text}'", "use a number and a unit, such as 90d, 12h or 30m")
    seconds = int(match[1]) * UNITS[match[2]]
    if seconds > MAX_DURATION.total_seconds():
        raise UsageError(f"duration '{text}' is longer than 100 years", "omit it for a key that never expires")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str | None:
    """Format `duration` for `parse`, in the largest unit up to days; None if `parse` cannot read it."""
    seconds, rest = divmod(duration, timedelta(seconds=1))
    if rest or not timedelta(0) < duration <= MAX_DURATION:
        return None
    unit = next(each for each in "dhms" if seconds % UNITS[each] == 0)
    return f"{seconds // UNITS[unit]}{unit}"


def format_remaining(duration: timedelta) -> str:
    """Format a duration for people in whole days, or in hours or minutes if it is shorter."""
    seconds = max(0, duration // _SECOND)
    size, noun = next((unit for unit in ((86_400, "day"), (3_600, "hour")) if seconds >= unit[0]), (60, "minute"))
    return format_count(seconds // size, noun)


def add_duration(now: datetime, duration: timedelta) -> datetime | None:
    """Return the instant `duration` after `now`; None (never) for no duration, or beyond the calendar."""
    try:
        return now + duration if duration > _ZERO else None
    except OverflowError:
        return None


def earliest(*instants: datetime | None) -> datetime | None:
    """Return the earliest of `instants`; None stands for never."""
    definite = [instant for instant in instants if instant is not None]
    return min(definite) if definite else None


def seconds_until(now: datetime, end: datetime | None) -> int:
    """Return the seconds until `end`, at least 1; 0 if `end` is None (never), as in `expires_in`."""
    return 0 if end is None else max(1, (end - now) // _SECOND)
