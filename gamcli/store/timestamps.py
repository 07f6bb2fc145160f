"""How instants are kept: as microseconds since 1970, None as NULL."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gamcli.errors import StoreUnusableError, command

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
"""No instant is later, whatever somebody wrote into the file."""

_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Return `instant` as the store keeps it: microseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def to_micros_or_none(instant: datetime | None) -> int | None:
    """Return `instant` as the store keeps it, None as NULL."""
    return None if instant is None else to_micros(instant)


def from_micros(stored: Any) -> datetime:  # noqa: ANN401 - a column
    """Return the instant that `micros` wrote; raises StoreUnusableError for what somebody else wrote."""
    try:
        return EPOCH + timedelta(microseconds=stored)
    except OverflowError as error:
        raise StoreUnusableError(
            f"the store is damaged: no calendar has the instant {stored}", command("store", "check")
        ) from error


def from_micros_or_none(stored: object) -> datetime | None:
    """Return the instant that `micros_or_none` wrote."""
    return None if stored is None else from_micros(stored)
