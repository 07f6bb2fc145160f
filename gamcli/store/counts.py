"""
How many keys there are of which kind, counted in indexes alone: none of a million rows is read.

A key that has not ended is in `key_by_expiry` when it expires; one that was rotated is in `key_retiring` too.
"""

from collections import Counter
from datetime import datetime

from gamcli.store.database import Transaction, micros

_EXPIRING = "SELECT count(*) FROM key WHERE ended_at IS NULL AND expires_at IS NOT NULL"
_RETIRING = "SELECT count(*) FROM key WHERE ended_at IS NULL AND retires_at IS NOT NULL"
_ENDED = "SELECT end_status, count(*) FROM key WHERE end_status IS NOT NULL GROUP BY end_status"


def _number(tx: Transaction, sql: str, *values: object) -> int:
    (number,) = tx.one(sql, *values) or (0,)
    return int(str(number))


def expiring(tx: Transaction, first: datetime, before: datetime) -> int:
    """Count the keys that expire from `first` on and before `before`, and have neither ended nor been rotated."""
    span = " AND expires_at >= ? AND expires_at < ?"
    bounds = (micros(first), micros(before))
    return _number(tx, _EXPIRING + span, *bounds) - _number(tx, _RETIRING + span, *bounds)


def expiring_from(tx: Transaction, first: datetime) -> int:
    """Count the keys that expire at `first` or later, and have neither ended nor been rotated."""
    later = " AND expires_at >= ?"
    return _number(tx, _EXPIRING + later, micros(first)) - _number(tx, _RETIRING + later, micros(first))


def lasting(tx: Transaction) -> int:
    """Count the keys that never expire, and have neither ended nor been rotated."""
    ended = sum(_ended(tx).values())
    rotated = _number(tx, f"{_RETIRING} AND expires_at IS NULL")
    return everything(tx, "key") - ended - _number(tx, _EXPIRING) - rotated


def _ended(tx: Transaction) -> Counter[str]:
    return Counter({str(status): int(str(number)) for status, number in tx.each(_ENDED)})


def everything(tx: Transaction, table: str) -> int:
    """Count the rows of a table."""
    return _number(tx, f"SELECT count(*) FROM {table}")


def by_status(tx: Transaction, now: datetime) -> Counter[str]:
    """Count all keys by the status that each has at `now`, as `model.Key.status` tells it."""
    at = micros(now)
    found = _ended(tx)
    ended = found.total()
    gone = _number(tx, f"{_EXPIRING} AND expires_at <= ?", at)
    retired_first = _number(tx, f"{_RETIRING} AND expires_at <= ? AND retires_at < expires_at", at)
    lives = "(expires_at IS NULL OR expires_at > ?)"
    rotated = _number(tx, f"{_RETIRING} AND {lives}", at)
    retiring = _number(tx, f"{_RETIRING} AND {lives} AND retires_at > ?", at, at)
    found["expired"] = gone - retired_first
    found["replaced"] += retired_first + rotated - retiring
    found["retiring"] = retiring
    found["active"] = everything(tx, "key") - ended - gone - rotated
    return found
