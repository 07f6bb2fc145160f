"""What a backup would make usable again, and what it lacks, compared with the present store."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from gamcli.errors import StoreError, command
from gamcli.model.maintenance import Reactivated
from gamcli.model.token_ids import format_token_id
from gamcli.store.engine import Store
from gamcli.store.schema import MIGRATIONS
from gamcli.store.sqlite.backups import copy, read_version_of, temporary_file
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import translate_errors
from gamcli.store.timestamps import from_micros, from_micros_or_none, to_micros

TIMEOUT = 1.0

_KEYS = """SELECT old.id, user.name || ' for ' || app.name,
    CASE WHEN new.id IS NULL THEN 'deleted' ELSE coalesce(new.end_status,
        CASE WHEN new.retires_at <= :now THEN 'replaced' WHEN new.disabled_at IS NOT NULL THEN 'disabled'
        ELSE 'retiring' END) END
    FROM backup.key AS old JOIN backup.user AS user ON user.number = old.user_number
    JOIN backup.app AS app ON app.number = old.app_number LEFT JOIN main.key AS new ON new.id = old.id
    WHERE old.ended_at IS NULL AND old.disabled_at IS NULL
    AND coalesce(old.expires_at > :now, TRUE) AND coalesce(old.retires_at > :now, TRUE)
    AND (new.id IS NULL OR new.ended_at IS NOT NULL OR new.disabled_at IS NOT NULL
    OR (old.retires_at IS NULL AND coalesce(new.retires_at < old.expires_at, new.retires_at IS NOT NULL)))"""

_USERS = """SELECT old.guid, old.name,
    CASE WHEN NOT new.blocked THEN 'disabled' WHEN new.enabled THEN 'blocked' ELSE 'blocked and disabled' END
    FROM backup.user AS old JOIN main.user AS new ON new.guid = old.guid
    WHERE old.enabled AND NOT old.blocked AND (new.blocked OR NOT new.enabled)"""

_APPS = """SELECT old.client_id, old.name, 'disabled'
    FROM backup.app AS old JOIN main.app AS new ON new.client_id = old.client_id
    WHERE old.enabled AND NOT new.enabled"""

_SECRETS = """SELECT old.client_id, old.name,
    CASE WHEN new.retiring_until > :now AND new.retiring_digest = old.secret_digest THEN 'retiring' ELSE 'rotated' END
    FROM backup.app AS old JOIN main.app AS new ON new.client_id = old.client_id
    WHERE old.secret_digest <> new.secret_digest"""

_TOKENS = """SELECT old.id, 'token', 'revoked' FROM backup.token AS old JOIN main.token AS new ON new.id = old.id
    WHERE old.revoked_at IS NULL AND coalesce(old.expires_at > :now, TRUE) AND new.revoked_at IS NOT NULL"""

_SESSIONS = """SELECT old.id, 'session', 'revoked'
    FROM backup.session AS old JOIN main.session AS new ON new.id = old.id
    WHERE old.revoked_at IS NULL AND new.revoked_at IS NOT NULL"""

_QUERIES = {
    "key": _KEYS, "user": _USERS, "app": _APPS, "client secret": _SECRETS, "token": _TOKENS, "session": _SESSIONS,
}  # fmt: skip


_ONLY_PRESENT = {
    "app": "SELECT name FROM main.app AS new WHERE client_id NOT IN (SELECT client_id FROM backup.app)",
    "user": "SELECT name FROM main.user AS new WHERE guid NOT IN (SELECT guid FROM backup.user)",
    "key": "SELECT id FROM main.key AS new WHERE id NOT IN (SELECT id FROM backup.key)",
}


class Comparison(NamedTuple):
    """
    What is usable in a backup but not in the present store, and (kind, name) of what only the present store holds.

    `client_secrets` are the digests of the present store by client ID: the current one, the retiring one and its end.
    `retirements` are the times at which its retiring keys become invalid, by ID.
    `note` says why the stores cannot be compared, or that they are of different repositories.
    """

    reactivated: tuple[Reactivated, ...] = ()
    only_present: tuple[tuple[str, str], ...] = ()
    client_secrets: Mapping[str, tuple[bytes, bytes | None, datetime | None]] = {}
    retirements: Mapping[str, datetime] = {}
    note: str = ""


def compare(present: Path, backup: Path, now: datetime) -> Comparison:
    """Compare `backup`, of the current schema version, with the store `present`, of any earlier one."""
    try:
        with _migrated(present) as store, translate_errors(store), open_readonly(store, TIMEOUT) as connection:
            connection.execute("ATTACH ? AS backup", (f"{backup.absolute().as_uri()}?mode=ro",))
            same = "SELECT 1 FROM main.repository AS one JOIN backup.repository AS other ON other.guid = one.guid"
            note = "" if connection.execute(same).fetchone() else "the backup is of another repository"
            lost = ((kind, str(name)) for kind, sql in _ONLY_PRESENT.items() for (name,) in connection.execute(sql))
            apps: Any = connection.execute(
                "SELECT client_id, secret_digest, retiring_digest, retiring_until FROM main.app"
            )
            secrets = {client_id: (one, other, from_micros_or_none(until)) for client_id, one, other, until in apps}
            keys = connection.execute("SELECT id, retires_at FROM main.key WHERE retires_at > ?", (to_micros(now),))
            retirements = {key_id: from_micros(instant) for key_id, instant in keys}
            return Comparison(tuple(_query(connection, now)), tuple(lost), secrets, retirements, note)
    except StoreError as error:
        return Comparison(note=f"the current store was not compared: {error.message}")


@contextmanager
def _migrated(path: Path) -> Iterator[Path]:
    """Yield the store, or a migrated copy of one of an earlier schema version."""
    if read_version_of(path) == len(MIGRATIONS):
        yield path
        return
    with temporary_file(path) as copied:
        copy(path, copied)
        with Store.open(copied) as opened:
            earlier = opened.migrated
        if earlier and earlier.backup:
            earlier.backup.unlink()
        yield copied


def _query(connection: sqlite3.Connection, now: datetime) -> Iterator[Reactivated]:
    for kind, sql in _QUERIES.items():
        for key, *rest in connection.execute(sql, {"now": to_micros(now)} if ":now" in sql else {}):
            identity = format_token_id(key) if kind in ("token", "session") else str(key)
            name, state = map(str, rest)
            yield Reactivated(kind, identity, name, state, _end_command(kind, identity, name, state))


def _end_command(kind: str, identity: str, name: str, state: str) -> str:
    is_disabled, is_retiring = state == "disabled", state == "retiring"
    rotate = command("key", "rotate", identity, "--overlap", "7d")
    return {
        "key": rotate if is_retiring else command("key", "disable" if is_disabled else "revoke", identity),
        "user": command("user", "disable" if is_disabled else "block", name),
        "app": command("app", "disable", name),
        "client secret": command("app", "rotate-secret", name, "--overlap", "24h" if is_retiring else "0"),
        "token": command("token", "revoke", identity),
        "session": command("token", "list", "--status", "active"),
    }[kind]
