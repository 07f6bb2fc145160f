"""
The contents of a store that `doctor` checks, read without migrating or changing it.

Counts come from indexes or stop after MAX_ROWS, so that a store with a million keys is read quickly.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from gamcli.errors import StoreMissingError, StoreUnusableError
from gamcli.model.doctor import DisabledAuthType, StoreContents
from gamcli.model.overviews import CountWithNames
from gamcli.store import counts, pruning, repository, schema, sessions
from gamcli.store.sqlite import file_header, files
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import translate_errors
from gamcli.store.sqlite.transaction import SqliteTransaction
from gamcli.store.timestamps import LATEST, from_micros, to_micros

MAX_ROWS = 100_000
"""How many rows are read where no index helps."""

MAX_ENTRIES = 1000
"""How many audit entries are read, latest first."""

CLOCK_TOLERANCE = 300
"""Seconds by which an entry may be older than the previous one: clocks differ, and commits may be slow."""

MAX_QUICK_CHECK_BYTES = 64 * 1024 * 1024
"""Up to this size every page is checked; larger stores are left to `store check`."""

TIMEOUT = 1.0
"""Seconds to wait for a process that has locked the store."""

MAX_NAMES = 3


def load_contents(path: Path, now: datetime) -> tuple[int, tuple[str, ...], StoreContents | None]:
    """
    Return the schema version of a store, the output files of its batches, and its contents.

    The contents of an older store are None. Raises a StoreError when the store cannot be used.
    """
    if not files.store_exists(path):
        raise StoreMissingError(f"the store {path} does not exist")
    with translate_errors(path), open_readonly(path, TIMEOUT) as connection:
        connection.execute("BEGIN")
        tx = SqliteTransaction(connection)
        version = file_header.read_version(tx.one, path)
        problem = file_header.find_version_problem(version, file_header.read_last_migration(tx.one))
        if problem is not None:
            raise StoreUnusableError(f"{path} is damaged: {problem}")
        if version != len(schema.MIGRATIONS):
            return version, (), None
        _require_undamaged(tx, path)
        return version, tuple(_load_outputs(tx)), _load_contents(tx, path, now)


def _require_undamaged(tx: SqliteTransaction, path: Path) -> None:
    if path.stat().st_size <= MAX_QUICK_CHECK_BYTES and tx.one("PRAGMA quick_check(1)") != ("ok",):
        raise StoreUnusableError(f"{path} is damaged")


def _load_outputs(tx: SqliteTransaction) -> Iterator[str]:
    rows = tx.each("SELECT DISTINCT output FROM (SELECT output FROM batch ORDER BY id DESC LIMIT ?)", [MAX_ROWS])
    return (str(output) for (output,) in rows)


def _load_contents(tx: SqliteTransaction, path: Path, now: datetime) -> StoreContents:
    record = repository.find(tx)
    if record is None:
        raise StoreMissingError("the store is not initialized")
    default: Any = tx.one("SELECT name, enabled FROM auth_type WHERE name = ?", record.default_auth_type)
    return StoreContents(
        uses_wal=not file_header.lacks_wal(tx.one, path),
        latest_timestamps=tuple(_latest_timestamps(tx)),
        clock_step=_find_clock_step(tx),
        default_auth_type=(str(default[0]), bool(default[1])),
        default_type_uses=repository.load_default_type_uses(tx, now, 30),
        disabled_auth_types=tuple(_disabled_auth_types(tx, now)),
        apps_without_rest=_count_apps(tx, "api_keys_enabled AND enabled AND NOT remote_rest"),
        unlimited_keys=counts.count_unlimited(tx),
        unlimited_key=_find_unlimited_key(tx),
        apps_without_timeout=_count_apps(tx, "api_keys_enabled AND api_key_timeout_hours = 0").names,
        idle_apps=_count_apps(tx, "api_keys_enabled AND NOT EXISTS (SELECT 1 FROM key WHERE app_number = app.number)"),
        idle_users=_count_idle_users(tx),
        orphaned_tokens=_count_orphaned_tokens(tx, now),
        orphaned_sessions=sessions.count_orphans(tx),
        disabled_keys=counts.count_disabled_keys(tx, now),
        expired_keys=counts.count_expired_keys(tx, now),
    )


def _latest_timestamps(tx: SqliteTransaction) -> Iterator[tuple[str, datetime]]:
    """Yield the latest timestamps that indexes provide, each with its origin."""
    for what, sql in (
        ("the newest key", "SELECT max(created_at) FROM key"),
        ("the newest token", "SELECT max(id) FROM token"),
        (
            "an audit entry",
            f"""SELECT max(CAST(strftime('%s', at) AS INTEGER)) * 1000000
            FROM (SELECT at FROM audit ORDER BY seq DESC LIMIT {MAX_ENTRIES})""",
        ),
    ):
        (time,) = tx.one(sql) or (None,)
        if time is not None:
            yield what, from_micros(min(int(str(time)), to_micros(LATEST)))


def _find_clock_step(tx: SqliteTransaction) -> tuple[int, int] | None:
    """Return the last audit entry that is clearly older than the previous one, and by how many seconds."""
    row: Any = tx.one(
        f"""SELECT seq, back FROM (
            SELECT seq, lag(second) OVER (ORDER BY seq) - second AS back
            FROM (SELECT seq, CAST(strftime('%s', at) AS INTEGER) AS second
                FROM audit ORDER BY seq DESC LIMIT {MAX_ENTRIES}))
        WHERE back > ? ORDER BY seq DESC LIMIT 1""",
        CLOCK_TOLERANCE,
    )
    return None if row is None else (int(row[0]), int(row[1]))


def _disabled_auth_types(tx: SqliteTransaction, now: datetime) -> Iterator[DisabledAuthType]:
    """Yield the disabled authentication types with the active keys, of the MAX_ROWS newest, that need them."""
    active = "ended_at IS NULL AND coalesce(expires_at > ?1, TRUE) AND coalesce(retires_at > ?1, TRUE)"
    newest = "SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?3"
    more = counts.count_rows(tx, "key") > MAX_ROWS
    none_enabled = "NOT EXISTS (SELECT 1 FROM auth_type WHERE enabled AND type = 'APIkey')"
    for fold, name in tx.each("SELECT fold, name FROM auth_type WHERE NOT enabled AND type = 'APIkey'"):
        apps = f"SELECT number FROM app WHERE ifnull(api_key_auth_type = ?2, {none_enabled})"
        sql = f"SELECT count(*) FROM ({newest}) WHERE app_number IN ({apps}) AND {active}"
        (keys,) = tx.one(sql, to_micros(now), fold, MAX_ROWS) or (0,)
        only = tx.each(
            "SELECT name FROM app WHERE api_key_auth_type = ? AND api_keys_enabled LIMIT ?", [fold, MAX_NAMES]
        )
        yield DisabledAuthType(str(name), int(str(keys)), tuple(str(app) for (app,) in only), more)


def _count_apps(tx: SqliteTransaction, condition: str) -> CountWithNames:
    return CountWithNames(*counts.count_with_names(tx, "app", condition, MAX_NAMES))


def _count_idle_users(tx: SqliteTransaction) -> CountWithNames | None:
    if counts.count_rows(tx, "user") > MAX_ROWS:
        return None
    no_keys = "NOT EXISTS (SELECT 1 FROM key WHERE user_number = user.number)"
    return CountWithNames(*counts.count_with_names(tx, "user", f"enabled AND NOT blocked AND {no_keys}", MAX_NAMES))


def _find_unlimited_key(tx: SqliteTransaction) -> str | None:
    """Return the id of a key without expiry, of the MAX_ROWS newest, whose application has a timeout now."""
    row = tx.one(
        """SELECT key.id FROM (SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?) AS key
        JOIN app ON app.number = key.app_number
        WHERE key.ended_at IS NULL AND key.expires_at IS NULL AND key.retires_at IS NULL
        AND app.api_keys_enabled AND app.api_key_timeout_hours > 0 LIMIT 1""",
        MAX_ROWS,
    )
    return None if row is None else str(row[0])


def _count_orphaned_tokens(tx: SqliteTransaction, now: datetime) -> int:
    """Count the tokens, of the MAX_ROWS oldest, without key, user or application that `token prune` would delete."""
    (number,) = tx.one(
        """SELECT count(*) FROM (SELECT * FROM token
            WHERE id <= ? AND id < (SELECT max(id) FROM token) ORDER BY id LIMIT ?) AS token
        LEFT JOIN user ON user.guid = token.user_guid
        LEFT JOIN app ON app.client_id = token.client_id
        LEFT JOIN key ON key.id = token.key
        WHERE user.guid IS NULL OR app.client_id IS NULL OR (token.key IS NOT NULL AND key.id IS NULL)""",
        to_micros(now - pruning.DEFAULT_RETENTION),
        MAX_ROWS,
    ) or (0,)
    return int(str(number))
