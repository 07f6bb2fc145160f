"""When keys expire: how many in each day, week or month to come."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.rules import periods
from gamcli.store import counts

RESOLUTION = timedelta(microseconds=1)
"""What the store tells apart."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """So many active keys expire from `start` up to `end`."""

    start: datetime
    end: datetime
    keys: int


class ForecastResult(NamedTuple):
    """The periods up to `until`, how many active keys expire beyond, and how many never."""

    periods: tuple[Forecast, ...]
    until: datetime
    expiring_later: int
    never_expiring: int


def forecast(gam: Gam, unit: str, within: timedelta) -> ForecastResult:
    """Count the active keys that expire in each period from now on; rotated ones are left out, as in `key due`."""
    now = gam.now()
    until = now + within
    with gam.store.reading() as tx:
        found = []
        for start, end in periods.iter_periods(now, until, unit):
            after_last = end + RESOLUTION if end == until else end  # what is due within is due at its end too
            keys = counts.count_expiring(tx, max(start, now + RESOLUTION), after_last)
            found.append(Forecast(start, end, keys))
        return ForecastResult(
            tuple(found), until, counts.count_expiring_from(tx, until + RESOLUTION), counts.count_unlimited(tx)
        )
