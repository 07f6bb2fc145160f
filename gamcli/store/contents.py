"""
The contents of a store that `doctor` checks.

Counts come from indexes or stop after MAX_ROWS, so that a store with a million keys is read quickly.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any

from gamcli.errors import StoreMissingError
from gamcli.model.doctor import DisabledAuthType, StoreContents
from gamcli.model.overviews import CountWithNames
from gamcli.store import counts, pruning, repository, sessions
from gamcli.store.engine import Transaction
from gamcli.store.timestamps import LATEST, from_micros, to_micros

MAX_ROWS = 100_000
"""How many rows are read where no index helps."""

MAX_ENTRIES = 1000
"""How many audit entries are read, latest first."""

CLOCK_TOLERANCE = 300
"""Seconds by which an entry may be older than the previous one: clocks differ, and commits may be slow."""

MAX_NAMES = 3


def load_contents(tx: Transaction, now: datetime, *, uses_wal: bool = True) -> StoreContents:
    record = repository.find(tx)
    if record is None:
        raise StoreMissingError("the store is not initialized")
    default: Any = tx.one("SELECT name, enabled FROM auth_type WHERE name = ?", record.default_auth_type)
    count_apps = partial(counts.count_with_names, tx, "app", limit=MAX_NAMES)
    return StoreContents(
        uses_wal=uses_wal,
        latest_timestamps=tuple(_latest_timestamps(tx)),
        clock_step=_find_clock_step(tx),
        default_auth_type=(str(default[0]), bool(default[1])),
        default_type_uses=repository.load_default_type_uses(tx, now, 30),
        disabled_auth_types=tuple(_disabled_auth_types(tx, now)),
        apps_without_rest=count_apps("api_keys_enabled AND enabled AND NOT remote_rest"),
        unlimited_keys=counts.count_unlimited(tx),
        unlimited_key=_find_unlimited_key(tx),
        apps_without_timeout=count_apps("api_keys_enabled AND api_key_timeout_hours = 0").names,
        idle_apps=count_apps("api_keys_enabled AND NOT EXISTS (SELECT 1 FROM key WHERE app_number = app.number)"),
        idle_users=_count_idle_users(tx),
        orphaned_tokens=_count_orphaned_tokens(tx, now),
        orphaned_sessions=sessions.count_orphans(tx),
        disabled_keys=counts.count_disabled_keys(tx, now),
        expired_keys=counts.count_expired_keys(tx, now),
    )


def _latest_timestamps(tx: Transaction) -> Iterator[tuple[str, datetime]]:
    """Yield the latest timestamps that indexes provide, each with its origin."""
    for what, sql in (
        ("the newest key", "SELECT max(created_at) FROM key"),
        ("the newest token", "SELECT max(id) FROM token"),
    ):
        (time,) = tx.one(sql) or (None,)
        if time is not None:
            yield what, from_micros(min(int(str(time)), to_micros(LATEST)))
    entries = _load_entry_times(tx)
    if entries:
        yield "an audit entry", max(time for _, time in entries)


def _load_entry_times(tx: Transaction) -> list[tuple[int, datetime]]:
    """Return the numbers and times of the last audit entries, in order."""
    rows = tx.each("SELECT seq, at FROM audit ORDER BY seq DESC LIMIT ?", [MAX_ENTRIES])
    times = ((int(str(seq)), _parse_time(str(at))) for seq, at in rows)
    return [(seq, time) for seq, time in times if time is not None][::-1]


def _parse_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # reported as a broken audit log
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _find_clock_step(tx: Transaction) -> tuple[int, int] | None:
    """Return the last audit entry that is clearly older than the previous one, and by how many seconds."""
    steps = [
        (seq, int((before - time).total_seconds()))
        for (_, before), (seq, time) in pairwise(_load_entry_times(tx))
        if (before - time).total_seconds() > CLOCK_TOLERANCE
    ]
    return steps[-1] if steps else None


def _disabled_auth_types(tx: Transaction, now: datetime) -> Iterator[DisabledAuthType]:
    """Yield the disabled authentication types with the active keys, of the MAX_ROWS newest, that need them."""
    active = "ended_at IS NULL AND coalesce(expires_at > ?1, TRUE) AND coalesce(retires_at > ?1, TRUE)"
    newest = "SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?3"
    more = counts.count_rows(tx, "key") > MAX_ROWS
    none_enabled = "NOT EXISTS (SELECT 1 FROM auth_type WHERE enabled AND type = 'APIkey')"
    for fold, name in tx.each("SELECT fold, name FROM auth_type WHERE NOT enabled AND type = 'APIkey'"):
        apps = f"SELECT number FROM app WHERE coalesce(api_key_auth_type = ?2, {none_enabled})"
        sql = f"SELECT count(*) FROM ({newest}) AS newest WHERE app_number IN ({apps}) AND {active}"
        keys = tx.number(sql, to_micros(now), fold, MAX_ROWS)
        only = tx.each(
            "SELECT name FROM app WHERE api_key_auth_type = ? AND api_keys_enabled LIMIT ?", [fold, MAX_NAMES]
        )
        yield DisabledAuthType(str(name), keys, tuple(str(app) for (app,) in only), more)


def _count_idle_users(tx: Transaction) -> CountWithNames | None:
    if counts.count_rows(tx, "user") > MAX_ROWS:
        return None
    no_keys = "NOT EXISTS (SELECT 1 FROM key WHERE user_number = user.number)"
    return counts.count_with_names(tx, "user", f"enabled AND NOT blocked AND {no_keys}", MAX_NAMES)


def _find_unlimited_key(tx: Transaction) -> str | None:
    """Return the id of a key without expiry, of the MAX_ROWS newest, whose application has a timeout now."""
    row = tx.one(
        """SELECT key.id FROM (SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?) AS key
        JOIN app ON app.number = key.app_number
        WHERE key.ended_at IS NULL AND key.expires_at IS NULL AND key.retires_at IS NULL
        AND app.api_keys_enabled AND app.api_key_timeout_hours > 0 LIMIT 1""",
        MAX_ROWS,
    )
    return None if row is None else str(row[0])


def _count_orphaned_tokens(tx: Transaction, now: datetime) -> int:
    """Count the tokens, of the MAX_ROWS oldest, without key, user or application that `token prune` would delete."""
    return tx.number(
        """SELECT count(*) FROM (SELECT * FROM token
            WHERE id <= ? AND id < (SELECT max(id) FROM token) ORDER BY id LIMIT ?) AS token
        LEFT JOIN user ON user.guid = token.user_guid
        LEFT JOIN app ON app.client_id = token.client_id
        LEFT JOIN key ON key.id = token.key
        WHERE user.guid IS NULL OR app.client_id IS NULL OR (token.key IS NOT NULL AND key.id IS NULL)""",
        to_micros(now - pruning.DEFAULT_RETENTION),
        MAX_ROWS,
    )


def load_output_paths(tx: Transaction) -> Iterator[str]:
    """Yield the output files of the latest batches."""
    rows = tx.each(
        "SELECT DISTINCT output FROM (SELECT output FROM batch ORDER BY id DESC LIMIT ?) AS latest", [MAX_ROWS]
    )
    return (str(output) for (output,) in rows)
