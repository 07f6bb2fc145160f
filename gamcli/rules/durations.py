"""Durations as people write them: `90d`, `24h`, `30m`, `45s`, `2w`."""

import re
from datetime import timedelta

from gamcli.errors import UsageError

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""The seconds in each unit."""

LONGEST = timedelta(days=36_500)

_DURATION = re.compile(r"([0-9]{1,10})([smhdw])", re.ASCII)


def parse(text: str) -> timedelta:
    """Return what `text` says: a whole number and one unit, at most 36500 days, or `0`; raises UsageError."""
    if text.strip() == "0":
        return timedelta(0)
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"'{text}' is no duration", "a whole number and a unit, such as 90d, 24h, 30m, 45s or 2w")
    seconds = int(found[1]) * UNITS[found[2]]
    if seconds > LONGEST.total_seconds():
        raise UsageError(f"'{text}' is longer than a century", "leave it out for a key that never expires")
    return timedelta(seconds=seconds)
