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
from gamcli.store.sqlite.errors import told
from gamcli.store.timestamps import LAST, instant, micros

LOOKED_AT = 100_000
"""Where no index helps, so many rows are looked at."""

ENTRIES = 1000
"""So many of the last audit entries are looked at."""

SLACK = 300
"""An entry may be so many seconds before the one that it follows: clocks of several machines, and slow commits."""

STILL = 3600
"""A copy that nobody has written to for so many seconds is not on its way any more."""

SMALL = 64 * 1024 * 1024
"""So many bytes are read in a moment."""

PATIENCE = 1.0
"""So many seconds it waits for whoever has the store to himself."""

NAMED = 3
"""So many names are told."""

ROLES = {"": "store", "-wal": "WAL", "-shm": "SHM", "-journal": "journal"}


def lying(path: Path) -> Iterator[FileFacts]:
    """Yield the folder of a store, the store, and every file beside it that is called like it."""
    try:
        beside = sorted(path.parent.glob(f"{_literal(path.name)}*"))
    except OSError:
        return
    for each in (path.parent, *beside):
        role = "folder" if each == path.parent else ROLES.get(each.name.removeprefix(path.name), "copy")
        found = one(each, role)
        if found is not None:
            yield found._replace(is_secret=role != "folder")


LEFT = re.compile(r"\..+\.[0-9a-f]{8}\.part(-wal|-shm|-journal)?")
"""How `copies.part_of` calls what becomes a copy."""


def left(path: Path, now: datetime) -> Iterator[FileFacts]:
    """Yield what copies that were killed left in the folder of a store: nobody has written to it for a while."""
    try:
        parts = [each for each in sorted(path.parent.iterdir()) if LEFT.fullmatch(each.name)]
    except OSError:
        return
    for each in parts:
        found = one(each, "part")
        if found is not None and each.stat().st_mtime < now.timestamp() - STILL:
            yield found


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def one(path: Path, role: str) -> FileFacts | None:
    """Return the facts of a file, None when it is not there; a folder or device is no file but for the role of one."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) and role != "folder":
        return None
    return FileFacts(role, str(path), stat.S_IMODE(found.st_mode), found.st_uid, found.st_size)


def room(path: Path) -> int | None:
    """Return how many bytes the disk of `path` has left, None where nobody says."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def look(path: Path, now: datetime) -> tuple[int, tuple[str, ...], StoreContents | None]:
    """
    Return the version of a store, the outputs that its batches wrote to, and what it holds.

    Of another version than ours only that is returned. Raises a StoreError that says what to do.
    """
    if not files.holds_something(path):
        raise StoreMissingError(f"there is no store at {path}")
    try:
        with open_readonly.at(path, PATIENCE) as connection:
            connection.execute("BEGIN")
            version = _version(connection, path)
            if version != len(schema.STEPS):
                return version, (), None
            tx = Transaction(connection)
            _require_sound(tx, path)
            return version, tuple(_outputs(tx)), _contents(tx, now)
    except sqlite3.Error as error:
        raise told(error, path) from error


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if owner != schema.APPLICATION_ID:
        raise StoreUnusableError(f"{path} is not a store of gamcli")
    return int(version)


def _require_sound(tx: Transaction, path: Path) -> None:
    """Read every page of a store that is small; a large one is for `store check`."""
    if path.stat().st_size <= SMALL and tx.one("PRAGMA quick_check(1)") != ("ok",):
        raise StoreUnusableError(f"{path} is damaged")


def _outputs(tx: Transaction) -> Iterator[str]:
    rows = tx.each("SELECT DISTINCT output FROM (SELECT output FROM batch ORDER BY id DESC LIMIT ?)", [LOOKED_AT])
    return (str(output) for (output,) in rows)


def _contents(tx: Transaction, now: datetime) -> StoreContents:
    kept = repository.find(tx)
    if kept is None:
        raise StoreMissingError("the store holds no repository yet")
    default: Any = tx.one("SELECT name, enabled FROM auth_type WHERE name = ?", kept.default_auth_type)
    return StoreContents(
        uses_wal=tx.one("PRAGMA journal_mode") == ("wal",),
        latest_timestamps=tuple(_latest(tx)),
        clock_step=_stepped_back(tx),
        default_auth_type=(str(default[0]), bool(default[1])),
        disabled_auth_types=tuple(_shut_types(tx, now)),
        apps_without_rest=_apps(tx, "api_keys_enabled AND enabled AND NOT remote_rest"),
        unlimited_keys=counts.lasting(tx),
        unlimited_key=_lasting_key(tx),
        apps_without_timeout=_apps(tx, "api_keys_enabled AND api_key_timeout_hours = 0").names,
        idle_apps=_apps(tx, "api_keys_enabled AND NOT EXISTS (SELECT 1 FROM key WHERE app_number = app.number)"),
        idle_users=_users_idle(tx),
        orphaned_tokens=_orphans(tx, now),
    )


def _latest(tx: Transaction) -> Iterator[tuple[str, datetime]]:
    """Yield the latest instants that the store knows of, as far as indexes tell."""
    for what, sql in (
        ("the newest key", "SELECT max(created_at) FROM key"),
        ("the newest token", "SELECT max(id) FROM token"),
        (
            "an audit entry",
            f"""SELECT max(CAST(strftime('%s', at) AS INTEGER)) * 1000000
            FROM (SELECT at FROM audit ORDER BY seq DESC LIMIT {ENTRIES})""",
        ),
    ):
        (found,) = tx.one(sql) or (None,)
        if found is not None:
            yield what, instant(min(int(str(found)), micros(LAST)))


def _stepped_back(tx: Transaction) -> tuple[int, int] | None:
    """Return the last audit entry that is clearly before the one it follows, and by how many seconds."""
    found: Any = tx.one(
        f"""SELECT seq, back FROM (
            SELECT seq, lag(second) OVER (ORDER BY seq) - second AS back
            FROM (SELECT seq, CAST(strftime('%s', at) AS INTEGER) AS second
                FROM audit ORDER BY seq DESC LIMIT {ENTRIES}))
        WHERE back > ? ORDER BY seq DESC LIMIT 1""",
        SLACK,
    )
    return None if found is None else (int(found[0]), int(found[1]))


def _shut_types(tx: Transaction, now: datetime) -> Iterator[DisabledAuthType]:
    """Yield the disabled authentication types, with those of the LOOKED_AT newest keys that need them and live."""
    live = "ended_at IS NULL AND coalesce(expires_at > ?1, TRUE) AND coalesce(retires_at > ?1, TRUE)"
    newest = "SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?3"
    more = counts.everything(tx, "key") > LOOKED_AT
    for fold, name in tx.each("SELECT fold, name FROM auth_type WHERE NOT enabled AND type = 'APIkey'"):
        (keys,) = tx.one(
            f"SELECT count(*) FROM ({newest}) WHERE auth_type = ?2 AND {live}", micros(now), name, LOOKED_AT
        ) or (0,)
        only = tx.each("SELECT name FROM app WHERE api_key_auth_type = ? AND api_keys_enabled LIMIT ?", [fold, NAMED])
        yield DisabledAuthType(str(name), int(str(keys)), tuple(str(app) for (app,) in only), more)


def _apps(tx: Transaction, condition: str) -> CountWithNames:
    return _some(tx, "app", condition)


def _users_idle(tx: Transaction) -> CountWithNames | None:
    if counts.everything(tx, "user") > LOOKED_AT:
        return None
    nothing = "NOT EXISTS (SELECT 1 FROM key WHERE user_number = user.number)"
    return _some(tx, "user", f"enabled AND NOT blocked AND {nothing}")


def _some(tx: Transaction, table: str, condition: str) -> CountWithNames:
    names = tx.each(f"SELECT name FROM {table} WHERE {condition} ORDER BY fold LIMIT ?", [NAMED])
    found = tuple(str(name) for (name,) in names)
    (number,) = tx.one(f"SELECT count(*) FROM {table} WHERE {condition}") or (0,)
    return CountWithNames(int(str(number)), found)


def _lasting_key(tx: Transaction) -> str | None:
    """Return the id of a key, of the LOOKED_AT newest, that lasts although its application sets a timeout by now."""
    found = tx.one(
        """SELECT key.id FROM (SELECT * FROM key ORDER BY created_at DESC, id DESC LIMIT ?) AS key
        JOIN app ON app.number = key.app_number
        WHERE key.ended_at IS NULL AND key.expires_at IS NULL AND key.retires_at IS NULL
        AND app.api_keys_enabled AND app.api_key_timeout_hours > 0 LIMIT 1""",
        LOOKED_AT,
    )
    return None if found is None else str(found[0])


def _orphans(tx: Transaction, now: datetime) -> int:
    """Count the tokens, of the LOOKED_AT oldest, that lack their key, user or application, and that a prune deletes."""
    (number,) = tx.one(
        """SELECT count(*) FROM (SELECT * FROM token
            WHERE id <= ? AND id < (SELECT max(id) FROM token) ORDER BY id LIMIT ?) AS token
        LEFT JOIN user ON user.guid = token.user_guid
        LEFT JOIN app ON app.client_id = token.client_id
        LEFT JOIN key ON key.id = token.key
        WHERE user.guid IS NULL OR app.client_id IS NULL OR (token.key IS NOT NULL AND key.id IS NULL)""",
        micros(now - pruning.KEPT),
        LOOKED_AT,
    ) or (0,)
    return int(str(number))
