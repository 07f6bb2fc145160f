"""Calendar days, weeks and months in UTC."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

DAY, WEEK, MONTH = "day", "week", "month"


class Period(NamedTuple):
    """The time from `start` until `end`, which is excluded."""

    start: datetime
    end: datetime


def period_start(instant: datetime, unit: str) -> datetime:
    """Return the start of the day, week or month that contains `instant`; weeks begin on Monday (ISO 8601)."""
    day = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == WEEK else day


def next_period_start(start: datetime, unit: str) -> datetime:
    longest = {DAY: 1, WEEK: 7, MONTH: 31}[unit]
    return period_start(start + timedelta(days=longest), unit)


def iter_periods(first: datetime, last: datetime, unit: str) -> Iterator[Period]:
    """Yield the periods from the one that contains `first`; the one that contains `last` ends there."""
    start = period_start(first, unit)
    while start < last:
        end = next_period_start(start, unit)
        yield Period(start, min(end, last))
        start = end
