"""API keys."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from gamcli import store
from gamcli.errors import NotFoundError, UsageError, command
from gamcli.model import Key, normalize_name
from gamcli.store.damage import reports_damage
from gamcli.store.engine import Query, Row, Transaction
from gamcli.store.queries import Conditions, chunks, order_by, placeholders, share, split_joined
from gamcli.store.timestamps import from_micros, from_micros_or_none, to_micros, to_micros_or_none

_COLUMNS = (
    "id", "scopes", "digest", "created_at", "expires_at", "label", "last_used_at", "retires_at",
    "ended_at", "end_status", "reason", "managed_by", "disabled_at",
    "replaces", "grants", "last_used_from",
)  # fmt: skip

FIELDS = f"""{", ".join(f"key.{column}" for column in _COLUMNS)}, user.guid, user.name, app.client_id, app.name,
    auth_type.name"""
_NAMES = (*_COLUMNS, "user_guid", "user", "client_id", "app", "auth_type")
_NULLABLE = (
    "expires_at", "last_used_at", "retires_at", "ended_at", "end_status", "reason", "managed_by", "disabled_at",
    "replaces", "last_used_from", "auth_type",
)  # fmt: skip
FIELD_COUNT = len(_NAMES)

_SELECT = f"""SELECT {FIELDS}
    FROM key JOIN user ON user.number = key.user_number JOIN app ON app.number = key.app_number
    LEFT JOIN auth_type ON auth_type.fold = app.api_key_auth_type"""

_OF_USER = "key.user_number = (SELECT number FROM user WHERE guid = ?)"
_ALLOWS_AUTH_TYPE = "(app.api_key_auth_type IS NULL OR app.api_key_auth_type = ?)"
_FOR_APP = "key.app_number = (SELECT number FROM app WHERE client_id = ?)"
_RETIRING = "key.ended_at IS NULL AND key.retires_at > ? AND coalesce(key.expires_at > ?, TRUE)"

SORTS = {
    "id": "key.id",
    "user": "user.fold",
    "app": "app.fold",
    "label": "key.label",
    "created_at": "key.created_at",
    "expires_at": "key.expires_at IS NULL, key.expires_at",
    "grants": "key.grants",
    "last_used_at": "key.last_used_at",
    "ended_at": "key.ended_at",
    "disabled_at": "key.disabled_at",
}


class KeyFilter(NamedTuple):
    """
    The filters and the order of a list of keys; None matches all. `label` may contain `*` and `?`.

    `auth_type` matches the keys of all applications that allow it. With `include_retiring`, `expires_before` also
    matches rotated keys whose overlap ends before then.
    """

    user_guid: str | None = None
    client_id: str | None = None
    auth_type: str | None = None
    label: str | None = None
    enabled: bool | None = None
    not_ended: bool = False
    is_current: bool = False
    expires_before: datetime | None = None
    include_retiring: bool = False
    sort: str | None = None


@reports_damage("key", _NAMES, _NULLABLE)
def _build_record(row: Row) -> Key:
    value: Any = row
    return Key(
        id=value[0],
        scopes=split_joined(value[1]),
        digest=value[2],
        created_at=from_micros(value[3]),
        expires_at=from_micros_or_none(value[4]),
        label=value[5],
        last_used_at=from_micros_or_none(value[6]),
        retires_at=from_micros_or_none(value[7]),
        ended_at=from_micros_or_none(value[8]),
        end=value[9],
        reason=value[10],
        managed_by=value[11],
        disabled_at=from_micros_or_none(value[12]),
        replaces=value[13],
        grants=value[14],
        last_used_from=value[15],
        user_guid=value[16],
        user=value[17],
        client_id=share(value[18]),
        app=share(value[19]),
        auth_type=share(value[20]),
    )


build_record = lru_cache(maxsize=256)(_build_record)  # equal rows give equal records, and rows seldom change


def find(tx: Transaction, key_id: str) -> Key | None:
    """Return the key with this complete id, or None."""
    return tx.build(build_record, f"{_SELECT} WHERE key.id = ?", key_id)


def find_all(tx: Transaction, key_ids: Iterable[str]) -> dict[str, Key]:
    """Return the keys with these IDs, by ID; missing ones are left out."""
    read = (tx.each(f"{_SELECT} WHERE key.id IN ({placeholders(chunk)})", chunk) for chunk in chunks(key_ids))
    return {key.id: key for rows in read for key in map(build_record, rows)}


MIN_PREFIX = 4


def get_by_prefix(tx: Transaction, prefix: str) -> Key:
    """Return the only key whose id starts with `prefix`; raises NotFoundError, or UsageError when it is ambiguous."""
    end = prefix + "{" if prefix else ""  # in ASCII `{` follows `z`, the last letter of ids
    rows = list(tx.each(f"{_SELECT} WHERE key.id >= ? AND key.id < ? ORDER BY key.id LIMIT 3", [prefix, end]))
    if not rows:
        user = store.users.find(tx, prefix)
        hint = command("key", "list", "--user", user.name) if user else command("key", "list")
        raise NotFoundError(f"no key with ID '{prefix}'", hint)
    if len(prefix) < MIN_PREFIX:
        raise UsageError(
            f"the ID prefix '{prefix}' is too short",
            f"use at least {MIN_PREFIX} characters of the ID, such as {rows[0][0]}",
        )
    if len(rows) > 1 and rows[0][0] != prefix:
        raise UsageError(f"the ID prefix '{prefix}' matches several keys", "use more characters of the ID")
    return build_record(rows[0])


def find_retiring(tx: Transaction, user_guid: str, client_id: str, now: datetime) -> list[Key]:
    """Return the rotated keys of a user and application that are still valid, the next to retire first."""
    values = [user_guid, client_id, to_micros(now), to_micros(now)]
    rows = tx.each(f"{_SELECT} WHERE {_OF_USER} AND {_FOR_APP} AND {_RETIRING} ORDER BY key.retires_at", values)
    return list(map(build_record, rows))


def find_current(tx: Transaction, user_guid: str, client_id: str) -> Key | None:
    """Return the latest key of a user and application, whatever its state, or None."""
    return find_current_of_pairs(tx, [(user_guid, client_id)]).get((user_guid, client_id))


def find_current_of_pairs(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Key]:
    """Return the latest key of each user and application with these GUIDs and client IDs, if there is one."""
    sql = f"{_SELECT} WHERE {_OF_USER} AND {_FOR_APP} AND current = 1"
    found = tx.fetch_together([Query(sql, pair, lambda rows: [*map(build_record, rows)]) for pair in pairs])
    return {(key.user_guid, key.client_id): key for key in chain.from_iterable(found)}


def find_current_of_users(tx: Transaction, user_guids: Iterable[str]) -> Iterator[Key]:
    """Yield the latest keys of these users, whatever their state."""
    for some in chunks(user_guids):
        yield from map(
            build_record, tx.each(f"{_SELECT} WHERE user.guid IN ({placeholders(some)}) AND key.current = 1", some)
        )


def find_next_to_expire(tx: Transaction, client_id: str, now: datetime) -> Key | None:
    """Return the key of the application that expires first, without ended and rotated ones, or None."""
    active = "key.ended_at IS NULL AND key.retires_at IS NULL AND key.expires_at > ?"
    sql = f"{_SELECT} WHERE {_FOR_APP} AND {active} ORDER BY key.expires_at LIMIT 1"
    return tx.build(build_record, sql, client_id, to_micros(now))


def find_next_to_retire(tx: Transaction, client_id: str, now: datetime) -> Key | None:
    """Return the rotated key of the application whose overlap ends first, or None."""
    retiring = f"{_FOR_APP} AND {_RETIRING} ORDER BY key.retires_at LIMIT 1"
    return tx.build(build_record, f"{_SELECT} WHERE {retiring}", client_id, to_micros(now), to_micros(now))


def find_last_used(tx: Transaction, client_id: str, limit: int) -> tuple[Key, ...]:
    """Return the most recently used keys of the application, latest first."""
    ids = f"SELECT id FROM key WHERE {_FOR_APP} AND last_used_at IS NOT NULL ORDER BY last_used_at DESC LIMIT ?"
    rows = tx.each(f"{_SELECT} WHERE key.id IN ({ids}) ORDER BY key.last_used_at DESC", [client_id, limit])
    return tuple(map(build_record, rows))


def find_managed_ids(tx: Transaction, owners: Collection[str]) -> Iterator[str]:
    """Yield the ids of the keys, without ended ones, that any of these manifest owners manages."""
    rows = tx.each(
        f"SELECT id FROM key WHERE managed_by IN ({placeholders([*owners])}) AND ended_at IS NULL", [*owners]
    )
    return (str(key_id) for (key_id,) in rows)


def set_managed_by(tx: Transaction, key_id: str, owner: str | None) -> None:
    tx.change("UPDATE key SET managed_by = ? WHERE id = ?", owner, key_id)


def search(tx: Transaction, filters: KeyFilter) -> Iterator[Key]:
    conditions = Conditions()
    if filters.user_guid is not None:
        conditions.add(_OF_USER, filters.user_guid)
    if filters.client_id is not None:
        conditions.add(_FOR_APP, filters.client_id)
    if filters.auth_type is not None:
        conditions.add(_ALLOWS_AUTH_TYPE, normalize_name(filters.auth_type))
    if filters.label is not None:
        conditions.add("key.label GLOB ?", filters.label)
    if filters.enabled is not None:
        conditions.add(f"key.disabled_at IS {'' if filters.enabled else 'NOT '}NULL")
    if filters.not_ended:
        conditions.add("key.ended_at IS NULL")
    if filters.is_current:
        conditions.add("key.current = 1")
    if filters.expires_before is not None:
        _add_expiry(conditions, to_micros(filters.expires_before), retires_too=filters.include_retiring)
    all_expire = filters.expires_before is not None and not filters.include_retiring
    sorts = {**SORTS, "expires_at": "key.expires_at"} if all_expire else SORTS
    order = order_by(filters.sort, sorts, "created_at", "key.id")
    return map(_build_record, tx.stream(_SELECT + conditions.where() + order, conditions.values))


def _add_expiry(conditions: Conditions, before: int, *, retires_too: bool) -> None:
    if retires_too:
        retiring = "SELECT id FROM key WHERE ended_at IS NULL AND retires_at IS NOT NULL AND retires_at <= ?"
        conditions.add(f"(key.expires_at <= ? OR key.id IN ({retiring}))", before, before)
    else:
        conditions.add("key.expires_at <= ?", before)


def add(tx: Transaction, key: Key, *, is_first: bool = False, is_current: bool = True) -> None:
    """
    Insert a key as the current one of its user and application, or as an earlier one.

    `is_first` skips the search for the previous one.
    """
    if is_current and not is_first:
        pair = (key.user_guid, key.client_id)
        tx.change(f"UPDATE key SET current = NULL WHERE {_OF_USER} AND {_FOR_APP} AND current = 1", *pair)
    values = (
        key.id,
        "+".join(key.scopes),
        key.digest,
        to_micros(key.created_at),
        to_micros_or_none(key.expires_at),
        key.label,
        to_micros_or_none(key.last_used_at),
        to_micros_or_none(key.retires_at),
        to_micros_or_none(key.ended_at),
        key.end,
        key.reason,
        key.managed_by,
        to_micros_or_none(key.disabled_at),
        key.replaces,
        key.grants,
        key.last_used_from,
    )
    tx.change(
        f"""INSERT INTO key ({", ".join(_COLUMNS)}, user_number, app_number, current) VALUES ({placeholders(values)},
        (SELECT number FROM user WHERE guid = ?), (SELECT number FROM app WHERE client_id = ?), ?)""",
        *values,
        key.user_guid,
        key.client_id,
        1 if is_current else None,
    )


def retire(tx: Transaction, key_id: str, at: datetime) -> None:
    """Keep a rotated key valid until `at`; it is no longer the current one of its user and application."""
    tx.change("UPDATE key SET retires_at = ?, current = NULL WHERE id = ?", to_micros(at), key_id)


def set_label(tx: Transaction, key_id: str, label: str) -> None:
    tx.change("UPDATE key SET label = ? WHERE id = ?", label, key_id)


def set_disabled(tx: Transaction, key_id: str, at: datetime | None, reason: str | None) -> None:
    """Disable a key since `at`; None enables it again."""
    tx.change("UPDATE key SET disabled_at = ?, reason = ? WHERE id = ?", to_micros_or_none(at), reason, key_id)


def record_end(tx: Transaction, key_id: str, status: str, at: datetime, reason: str | None) -> None:
    """Record that a key was permanently revoked, replaced or invalidated."""
    tx.change(
        "UPDATE key SET ended_at = ?, end_status = ?, reason = ? WHERE id = ?", to_micros(at), status, reason, key_id
    )
