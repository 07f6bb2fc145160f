"""
What a doctor asks: the files of a store as they lie there, and counts of what it holds; nothing is ever changed.

The store is opened as it is: not brought up to date, and not written. Counts come from indexes, or stop after LOOKED_AT
rows, so that a million keys are looked at in a moment.
"""

import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from gamcli.errors import StoreMissingError, StoreUnusableError
from gamcli.model.doctor import DisabledAuthType, FileFacts, StoreContents
from gamcli.model.overviews import CountWithNames
from gamcli.store import counts, pruning, repository, schema
from gamcli.store.sqlite import files, open_readonly
from gamcli.store.sqlite.database import Transaction
from gamcli.store.sqlite.errors import translate_error
from gamcli.store.timestamps import LATEST, from_micros, to_micros

MAX_ROWS = 100_000
"""Where no index helps, so many rows are looked at."""

MAX_ENTRIES = 1000
"""So many of the last audit entries are looked at."""

CLOCK_TOLERANCE = 300
"""An entry may be so many seconds before the one that it follows: clocks of several machines, and slow commits."""

STALE_SECONDS = 3600
"""A copy that nobody has written to for so many seconds is not on its way any more."""

MAX_QUICK_CHECK_BYTES = 64 * 1024 * 1024
"""So many bytes are read in a moment."""

TIMEOUT = 1.0
"""So many seconds it waits for whoever has the store to himself."""

MAX_NAMES = 3
"""So many names are told."""

ROLES = {"": "store", "-wal": "WAL", "-shm": "SHM", "-journal": "journal"}


def find_files(path: Path) -> Iterator[FileFacts]:
    """Yield the folder of a store, the store, and every file beside it that is called like it."""
    try:
        beside = sorted(path.parent.glob(f"{_escape_glob(path.name)}*"))
    except OSError:
        return
    for each in (path.parent, *beside):
        role = "folder" if each == path.parent else ROLES.get(each.name.removeprefix(path.name), "copy")
        found = load_file_facts(each, role)
        if found is not None:
            yield found._replace(is_secret=role != "folder")


TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.part(-wal|-shm|-journal)?")
"""How `copies.part_of` calls what becomes a copy."""


def find_leftover_files(path: Path, now: datetime) -> Iterator[FileFacts]:
    """Yield what copies that were killed left in the folder of a store: nobody has written to it for a while."""
    try:
        parts = [each for each in sorted(path.parent.iterdir()) if TEMPORARY_NAME.fullmatch(each.name)]
    except OSError:
        return
    for each in parts:
        found = load_file_facts(each, "part")
        if found is not None and each.stat().st_mtime < now.timestamp() - STALE_SECONDS:
            yield found


def _escape_glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def load_file_facts(path: Path, role: str) -> FileFacts | None:
    """Return the facts of a file, None when it is not there; a folder or device is no file but for the role of one."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) and role != "folder":
        return None
    return FileFacts(role, str(path), stat.S_IMODE(found.st_mode), found.st_uid, found.st_size)


def find_free_bytes(path: Path) -> int | None:
    """Return how many bytes the disk of `path` has left, None where nobody says."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def load_contents(path: Path, now: datetime) -> tuple[int, tuple[str, ...], StoreContents | None]:
    """
    Return the version of a store, the outputs that its batches wrote to, and what it holds.

    Of another version than ours only that is returned. Raises a StoreError that says what to do.
    """
    if not files.store_exists(path):
        raise StoreMissingError(f"there is no store at {path}")
    try:
        with open_readonly.open_readonly(path, TIMEOUT) as connection:
            connection.execute("BEGIN")
            version = _version(connection, path)
            if version != len(schema.MIGRATIONS):
                return version, (), None
            tx = Transaction(connection)
            _require_undamaged(tx, path)
            return version, tuple(_load_outputs(tx)), _load_contents(tx, now)
    except sqlite3.Error as error:
        raise translate_error(error, path) from error


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if owner != schema.APPLICATION_ID:
        raise StoreUnusableError(f"{path} is not a store of gamcli")
    return int(version)


def _require_undamaged(tx: Transaction, path: Path) -> None:
    """Read every page of a store that is small; a large one is for `store check`."""
    if path.stat().st_size <= MAX_QUICK_CHECK_BYTES and tx.one("PRAGMA quick_check(1)") != ("ok",):
        raise StoreUnusableError(f"{path} is damaged")


def _load_outputs(tx: Transaction) -> Iterator[str]:
    rows = tx.each("SELECT DISTINCT output FROM (SELECT output FROM batch ORDER BY id DESC LIMIT ?)", [MAX_ROWS])
    return (str(output) for (output,) in rows)


def _load_contents(tx: Transaction, now: datetime) -> StoreContents:
    kept = repository.find(tx)
    if kept is None:
        raise StoreMissingError("the store holds no repository yet")
    default: Any = tx.one("SELECT name, enabled FROM auth_type WHERE name = ?", kept.default_auth_type)
    return StoreContents(
        uses_wal=tx.one("PRAGMA journal_mode") == ("wal",),
        latest_timestamps=tuple(_latest_timestamps(tx)),
        clock_step=_find_clock_step(tx),
        default_auth_type=(str(default[0]), bool(default[1])),
        disabled_auth_types=tuple(_disabled_auth_types(tx, now)),
        apps_without_rest=_count_apps(tx, "api_keys_enabled AND enabled AND NOT remote_rest"),
        unlimited_keys=counts.count_unlimited(tx),
        unlimited_key=_find_unlimited_key(tx),
        apps_without_timeout=_count_apps(tx, "api_keys_enabled AND api_key_timeout_hours = 0").names,
        idle_apps=_count_apps(tx, "api_keys_enabled AND NOT EXISTS (SELECT 1 FROM key WHERE app_number = app.number)"),
        idle_users=_count_idle_users(tx),
        orphaned_tokens=_count_orphaned_tokens(tx, now),
    )


def _latest_timestamps(tx: Transaction) -> Iterator[tuple[str, datetime]]:
    """Yield the latest instants that the store knows of, as far as indexes tell."""
    for what, sql in (
        ("the newest key", "SELECT max(created_at) FROM key"),
        ("the newest token", "SELECT max(id) FROM token"),
        (
            "an audit entry",
            f"""SELECT max(CAST(strftime('%s', at) AS INTEGER)) * 1000000
            FROM (SELECT at FROM audit ORDER BY seq DESC LIMIT {MAX_ENTRIES})""",
        ),
    ):
        (found,) = tx.one(sql) or (None,)
        if found is not None:
            yield what, from_micros(min(int(str(found)), to_micros(LATEST)))


def _find_clock_step(tx: Transaction) -> tuple[int, int] | None:
    """Return the last audit entry that is clearly before the one it follows, and by how many seconds."""
    found: Any = tx.one(
        f"""SELECT seq, back FROM (
            SELECT seq, lag(second) OVER (ORDER BY seq) - second AS back
            FROM (SELECT seq, CAST(strftime('%s', at) AS INTEGER) AS second
                FROM audit ORDER BY seq DESC LIMIT {MAX_ENTRIES}))
        WHERE back > ? ORDER BY seq DESC LIMIT 1""",
        CLOCK_TOLERANCE,
    )
    return None if found is None else (int(found[0]), int(found[1]))


def _disabled_auth_types(tx: Transaction, now: datetime) -> Iterator[DisabledAuthType]:
    """Yield the disabled authentication types, with those of the LOOKED_AT newest keys that need them and live."""
    live = "ended_at IS NULL AND coalesce(expires_at > ?1, TRUE) AND coalesce(retires_at > ?1, TRUE)"
    newest = "SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?3"
    more = counts.count_rows(tx, "key") > MAX_ROWS
    for fold, name in tx.each("SELECT fold, name FROM auth_type WHERE NOT enabled AND type = 'APIkey'"):
        (keys,) = tx.one(
            f"SELECT count(*) FROM ({newest}) WHERE auth_type = ?2 AND {live}", to_micros(now), name, MAX_ROWS
        ) or (0,)
        only = tx.each(
            "SELECT name FROM app WHERE api_key_auth_type = ? AND api_keys_enabled LIMIT ?", [fold, MAX_NAMES]
        )
        yield DisabledAuthType(str(name), int(str(keys)), tuple(str(app) for (app,) in only), more)


def _count_apps(tx: Transaction, condition: str) -> CountWithNames:
    return _count_with_names(tx, "app", condition)


def _count_idle_users(tx: Transaction) -> CountWithNames | None:
    if counts.count_rows(tx, "user") > MAX_ROWS:
        return None
    nothing = "NOT EXISTS (SELECT 1 FROM key WHERE user_number = user.number)"
    return _count_with_names(tx, "user", f"enabled AND NOT blocked AND {nothing}")


def _count_with_names(tx: Transaction, table: str, condition: str) -> CountWithNames:
    names = tx.each(f"SELECT name FROM {table} WHERE {condition} ORDER BY fold LIMIT ?", [MAX_NAMES])
    found = tuple(str(name) for (name,) in names)
    (number,) = tx.one(f"SELECT count(*) FROM {table} WHERE {condition}") or (0,)
    return CountWithNames(int(str(number)), found)


def _find_unlimited_key(tx: Transaction) -> str | None:
    """Return the id of a key, of the LOOKED_AT newest, that lasts although its application sets a timeout by now."""
    found = tx.one(
        """SELECT key.id FROM (SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?) AS key
        JOIN app ON app.number = key.app_number
        WHERE key.ended_at IS NULL AND key.expires_at IS NULL AND key.retires_at IS NULL
        AND app.api_keys_enabled AND app.api_key_timeout_hours > 0 LIMIT 1""",
        MAX_ROWS,
    )
    return None if found is None else str(found[0])


def _count_orphaned_tokens(tx: Transaction, now: datetime) -> int:
    """Count the tokens, of the LOOKED_AT oldest, that lack their key, user or application, and that a prune deletes."""
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
