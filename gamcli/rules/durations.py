"""Durations such as `90d`, `24h`, `30m`, `45s` and `2w`, and arithmetic with them."""

import re
from datetime import UTC, datetime, timedelta

from gamcli.errors import UsageError, format_count

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""Seconds per unit."""

_ZERO, _SECOND = timedelta(0), timedelta(seconds=1)
MAX_DURATION = timedelta(days=36_500)

# Expressions are compiled when they are used: start-up needs none of them. `M` is not accepted: elsewhere it means a
# month, or a minute.
_DURATION = r"([0-9]{1,10})([smhdwSHDW])"
_MONTHS_OR_YEARS = r"([0-9]{1,5})(M|mo|y|Y)"
_ISO_8601 = (
    r"P(?:([0-9]{1,5})Y)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?:([0-9]{1,5})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,5})S)?)?"
)
_ISO_SECONDS = (365 * 86_400, 30 * 86_400, 604_800, 86_400, 3_600, 60, 1)


def parse(text: str) -> timedelta:
    """Parse an integer and a unit, at most 36500 days, or `0`; raises UsageError."""
    if text.strip() == "0":
        return timedelta(0)
    match = re.fullmatch(_DURATION, text.strip())
    if match is None:
        raise UsageError(f"invalid duration '{text}'", _suggest_duration(text.strip()))
    seconds = int(match[1]) * UNITS[match[2].lower()]
    if seconds > MAX_DURATION.total_seconds():
        raise UsageError(f"duration '{text}' is longer than 100 years", "omit it for a key that never expires")
    return timedelta(seconds=seconds)


def parse_instant(text: str) -> datetime:
    """Parse a date such as 2027-06-30 (midnight in UTC), or a time in RFC 3339; raises UsageError."""
    try:
        instant = datetime.fromisoformat(text.strip().upper())
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"invalid date '{text}'", "use a date such as 2027-06-30, or 2027-06-30T12:00:00Z") from None


def _suggest_duration(text: str) -> str:
    """Return a hint with an example that fits what was typed: months, years, or a duration of ISO 8601."""
    months = re.fullmatch(_MONTHS_OR_YEARS, text)
    if months is not None:
        days = int(months[1]) * (365 if months[2] in "yY" else 30)
        minutes = f"; {months[1]}m is minutes" if months[2] == "M" else ""
        return f"use days, such as {days}d{minutes}"
    iso = re.fullmatch(_ISO_8601, text.upper())
    seconds = sum(int(count or 0) * unit for count, unit in zip(iso.groups(), _ISO_SECONDS, strict=True)) if iso else 0
    example = format_duration(timedelta(seconds=seconds))
    return f"use {example}" if example else "use a number and a unit, such as 90d, 12h or 30m"


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
