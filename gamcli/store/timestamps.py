"""Timestamps in the store: microseconds since 1970 in UTC, NULL for None."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gamcli.errors import DamagedRowError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
"""The latest timestamp that can be represented."""

_MICROSECOND = timedelta(microseconds=1)


def to_micros(time: datetime) -> int:
    return (time - EPOCH) // _MICROSECOND


def to_micros_or_none(time: datetime | None) -> int | None:
    return None if time is None else to_micros(time)


def from_micros(stored: Any) -> datetime:  # noqa: ANN401 - a column
    """Return a stored timestamp; raises DamagedRowError when it is out of range."""
    try:
        return EPOCH + timedelta(microseconds=stored)
    except OverflowError as error:
        raise DamagedRowError(f"invalid timestamp {stored}") from error


def from_micros_or_none(stored: object) -> datetime | None:
    return None if stored is None else from_micros(stored)
