"""How many keys there are, and how many expire in each coming day, week or month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.rules import periods
from gamcli.store import counts

RESOLUTION = timedelta(microseconds=1)
"""The precision of timestamps in the store."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The number of active keys that expire from `start` up to, not including, `end`."""

    start: datetime
    end: datetime
    keys: int


class ForecastResult(NamedTuple):
    """The periods up to and including `until`, and how many active keys expire later or never."""

    periods: tuple[Forecast, ...]
    until: datetime
    expiring_later: int
    never_expiring: int


class KeyCounts(NamedTuple):
    """The number of keys by status, and of those that expire soon and were not rotated."""

    by_status: Mapping[str, int]
    expiring: int


def count_keys(gam: Gam, within: timedelta) -> KeyCounts:
    """Count all keys from indexes, for monitoring; raises StoreError."""
    now = gam.now()
    with gam.store.reading() as tx:
        return KeyCounts(counts.count_by_status(tx, now), counts.count_expiring(tx, now, now + within))


def forecast(gam: Gam, unit: str, within: timedelta) -> ForecastResult:
    """Count the active keys that expire in each period; retiring keys are not counted, as in `key due`."""
    now = gam.now()
    until = now + within
    with gam.store.reading() as tx:
        forecasts = []
        for start, end in periods.iter_periods(now, until, unit):
            before = end + RESOLUTION if end == until else end
            keys = counts.count_expiring(tx, max(start, now + RESOLUTION), before)
            forecasts.append(Forecast(start, end, keys))
        later = counts.count_expiring(tx, until + RESOLUTION)
        return ForecastResult(tuple(forecasts), until, later, counts.count_unlimited(tx))
