"""Durations as people write them (`90d`, `24h`, `30m`, `45s`, `2w`), and the instants that they lead to."""

import re
from datetime import datetime, timedelta

from gamcli.errors import UsageError

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""The seconds in each unit."""

_ZERO, _SECOND = timedelta(0), timedelta(seconds=1)
MAX_DURATION = timedelta(days=36_500)

_DURATION = re.compile(r"([0-9]{1,10})([smhdw])", re.ASCII)


def parse(text: str) -> timedelta:
    """Return what `text` says: a whole number and one unit, at most 36500 days, or `0`; raises UsageError."""
    if text.strip() == "0":
        return timedelta(0)
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"'{text}' is no duration", "a whole number and a unit, such as 90d, 24h, 30m, 45s or 2w")
    seconds = int(found[1]) * UNITS[found[2]]
    if seconds > MAX_DURATION.total_seconds():
        raise UsageError(f"'{text}' is longer than a century", "leave it out for a key that never expires")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str | None:
    """Return what `parse` makes `length` of, in the largest unit but weeks; None for what it cannot make."""
    seconds, rest = divmod(duration, timedelta(seconds=1))
    if rest or not timedelta(0) < duration <= MAX_DURATION:
        return None
    unit = next(each for each in "dhms" if seconds % UNITS[each] == 0)
    return f"{seconds // UNITS[unit]}{unit}"


def add_duration(now: datetime, duration: timedelta) -> datetime | None:
    """Return the instant `length` after `now`; no length means never (None), and so does the end of the calendar."""
    try:
        return now + duration if duration > _ZERO else None
    except OverflowError:
        return None


def earliest(*instants: datetime | None) -> datetime | None:
    """Return the earliest of `instants`, where None is never."""
    known = [instant for instant in instants if instant is not None]
    return min(known) if known else None


def seconds_until(now: datetime, end: datetime | None) -> int:
    """Return how many seconds are left until `end`, at least one; 0 means never, as in `expires_in`."""
    return 0 if end is None else max(1, (end - now) // _SECOND)
