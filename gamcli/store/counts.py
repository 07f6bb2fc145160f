"""
Counts of keys, read from indexes only, so that a million keys are counted quickly.

The index `key_by_expiry` has the keys that expire and have not ended, `key_retiring` those that were rotated.
"""

from collections import Counter
from datetime import datetime

from gamcli.model import App, User
from gamcli.model.overviews import CountWithNames
from gamcli.store.engine import Transaction
from gamcli.store.timestamps import LATEST, to_micros

_EXPIRING = "SELECT count(*) FROM key WHERE ended_at IS NULL AND expires_at IS NOT NULL"
_RETIRING = "SELECT count(*) FROM key WHERE ended_at IS NULL AND retires_at IS NOT NULL"
_ENDED = "SELECT end_status, count(*) FROM key WHERE end_status IS NOT NULL GROUP BY end_status"


def count_expiring(tx: Transaction, first: datetime, before: datetime | None = None) -> int:
    """Count the keys that expire at `first` or later, and before `before`, unless they have ended or were rotated."""
    span = " AND expires_at >= ? AND expires_at < ?"
    bounds = (to_micros(first), to_micros(LATEST) + 1 if before is None else to_micros(before))
    return tx.number(_EXPIRING + span, *bounds) - tx.number(_RETIRING + span, *bounds)


def count_unlimited(tx: Transaction) -> int:
    """Count the keys that never expire, without those that have ended or were rotated."""
    ended = sum(_count_ended(tx).values())
    rotated = tx.number(f"{_RETIRING} AND expires_at IS NULL")
    return count_rows(tx, "key") - ended - tx.number(_EXPIRING) - rotated


def _count_ended(tx: Transaction) -> Counter[str]:
    return Counter({str(status): int(str(number)) for status, number in tx.each(_ENDED)})


def count_rows(tx: Transaction, table: str) -> int:
    return tx.number(f"SELECT count(*) FROM {table}")


def count_by_status(tx: Transaction, now: datetime) -> Counter[str]:
    """Count all keys by their state at `now`, as defined by `model.Key.status`."""
    at = to_micros(now)
    states = _count_ended(tx)
    ended = states.total()
    expired = tx.number(f"{_EXPIRING} AND expires_at <= ?", at)
    retired_first = tx.number(f"{_RETIRING} AND expires_at <= ? AND retires_at < expires_at", at)
    unexpired = "(expires_at IS NULL OR expires_at > ?)"
    rotated = tx.number(f"{_RETIRING} AND {unexpired}", at)
    retiring = tx.number(f"{_RETIRING} AND {unexpired} AND retires_at > ?", at, at)
    states["expired"] = expired - retired_first
    states["replaced"] += retired_first + rotated - retiring
    states["retiring"] = retiring
    states["active"] = count_rows(tx, "key") - ended - expired - rotated
    return states


_STATUS = """CASE WHEN end_status IS NOT NULL THEN end_status
    WHEN expires_at <= ?2 THEN CASE WHEN retires_at < expires_at THEN 'replaced' ELSE 'expired' END
    WHEN retires_at IS NULL THEN 'active'
    WHEN retires_at <= ?2 THEN 'replaced' ELSE 'retiring' END"""


def count_keys_of(tx: Transaction, owner: App | User, now: datetime) -> Counter[str]:
    """Count the keys of an application or a user by their state at `now`."""
    condition = "app_number = (SELECT number FROM app WHERE client_id = ?1)"
    if isinstance(owner, User):
        condition = "user_number = (SELECT number FROM user WHERE guid = ?1)"
    values = [owner.client_id if isinstance(owner, App) else owner.guid, to_micros(now)]
    rows = tx.each(f"SELECT {_STATUS}, count(*) FROM key WHERE {condition} GROUP BY 1", values)
    return Counter({str(status): int(str(number)) for status, number in rows})


def count_never_used(tx: Transaction, now: datetime) -> int:
    """Count the active and retiring keys that were never used. Reads every key."""
    unused = f"SELECT count(*) FROM key WHERE last_used_at IS NULL AND {_STATUS} IN ('active', 'retiring')"
    return tx.number(unused.replace("?2", "?1"), to_micros(now))


def count_expired_keys(tx: Transaction, now: datetime) -> int:
    """Count the expired keys without a successor whose user and application are active."""
    expired = "key.ended_at IS NULL AND key.expires_at <= ? AND key.retires_at IS NULL AND key.current = 1"
    users = "JOIN user ON user.number = key.user_number AND user.enabled AND NOT user.blocked"
    apps = "JOIN app ON app.number = key.app_number AND app.enabled AND app.remote_rest AND app.api_keys_enabled"
    return tx.number(f"SELECT count(*) FROM key {users} {apps} WHERE {expired}", to_micros(now))


def count_disabled_keys(tx: Transaction, now: datetime) -> int:
    """Count the active and retiring keys that are disabled."""
    disabled = "SELECT count(*) FROM key WHERE disabled_at IS NOT NULL AND ended_at IS NULL"
    valid = "coalesce(expires_at > ?1, TRUE) AND coalesce(retires_at > ?1, TRUE)"
    return tx.number(f"{disabled} AND {valid}", to_micros(now))


def count_with_names(tx: Transaction, table: str, condition: str, limit: int) -> CountWithNames:
    """Count the rows that satisfy the SQL `condition`, and return their first names."""
    rows = tx.each(f"SELECT name FROM {table} WHERE {condition} ORDER BY fold LIMIT ?", [limit])
    names = tuple(str(name) for (name,) in rows)
    return CountWithNames(tx.number(f"SELECT count(*) FROM {table} WHERE {condition}"), names)
