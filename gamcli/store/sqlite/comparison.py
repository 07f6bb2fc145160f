"""What a backup would make usable again, compared with the present store."""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from gamcli.errors import StoreError, command
from gamcli.model.maintenance import Reactivated
from gamcli.model.token_ids import format_token_id
from gamcli.store.schema import MIGRATIONS
from gamcli.store.sqlite import file_header
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import translate_errors
from gamcli.store.sqlite.transaction import SqliteTransaction
from gamcli.store.timestamps import to_micros

TIMEOUT = 1.0

_KEYS = """SELECT old.id, user.name || ' for ' || app.name,
    CASE WHEN new.id IS NULL THEN 'deleted' ELSE coalesce(new.end_status,
        CASE WHEN new.retires_at <= :now THEN 'replaced' ELSE 'disabled' END) END
    FROM backup.key AS old JOIN backup.user AS user ON user.number = old.user_number
    JOIN backup.app AS app ON app.number = old.app_number LEFT JOIN main.key AS new ON new.id = old.id
    WHERE old.ended_at IS NULL AND old.disabled_at IS NULL
    AND coalesce(old.expires_at > :now, TRUE) AND coalesce(old.retires_at > :now, TRUE)
    AND (new.id IS NULL OR new.ended_at IS NOT NULL OR new.disabled_at IS NOT NULL OR new.retires_at <= :now)"""

_USERS = """SELECT old.guid, old.name,
    CASE WHEN new.blocked THEN 'blocked' ELSE 'disabled' END
    FROM backup.user AS old JOIN main.user AS new ON new.guid = old.guid
    WHERE old.enabled AND NOT old.blocked AND (new.blocked OR NOT new.enabled)"""

_APPS = """SELECT old.client_id, old.name, 'disabled'
    FROM backup.app AS old JOIN main.app AS new ON new.client_id = old.client_id
    WHERE old.enabled AND NOT new.enabled"""

_SECRETS = """SELECT old.client_id, old.name, 'rotated'
    FROM backup.app AS old JOIN main.app AS new ON new.client_id = old.client_id
    WHERE old.secret_digest <> new.secret_digest
    AND NOT coalesce(new.retiring_until > :now AND new.retiring_digest = old.secret_digest, FALSE)"""

_TOKENS = """SELECT old.id, 'token', 'revoked' FROM backup.token AS old JOIN main.token AS new ON new.id = old.id
    WHERE old.revoked_at IS NULL AND coalesce(old.expires_at > :now, TRUE) AND new.revoked_at IS NOT NULL"""

_SESSIONS = """SELECT old.id, 'session', 'revoked'
    FROM backup.session AS old JOIN main.session AS new ON new.id = old.id
    WHERE old.revoked_at IS NULL AND new.revoked_at IS NOT NULL"""

_QUERIES = {
    "key": _KEYS, "user": _USERS, "app": _APPS, "client secret": _SECRETS, "token": _TOKENS, "session": _SESSIONS,
}  # fmt: skip


def find_reactivated(present: Path, backup: Path, now: datetime) -> tuple[Reactivated, ...]:
    """Return what is usable in `backup` but not in the store `present`; nothing if it cannot be compared."""
    try:
        with translate_errors(present), open_readonly(present, TIMEOUT) as connection:
            if file_header.read_version(SqliteTransaction(connection).one, present) != len(MIGRATIONS):
                return ()
            connection.execute("ATTACH ? AS backup", (f"{backup.absolute().as_uri()}?mode=ro",))
            same = "SELECT 1 FROM main.repository AS one JOIN backup.repository AS other ON other.guid = one.guid"
            return tuple(_query(connection, now)) if connection.execute(same).fetchone() else ()
    except StoreError:
        return ()


def _query(connection: sqlite3.Connection, now: datetime) -> list[Reactivated]:
    found = []
    for kind, sql in _QUERIES.items():
        for each in connection.execute(sql, {"now": to_micros(now)} if ":now" in sql else {}):
            row: Any = each
            identity = format_token_id(row[0]) if kind in ("token", "session") else str(row[0])
            found.append(
                Reactivated(kind, identity, str(row[1]), str(row[2]), _end_command(kind, identity, str(row[1])))
            )
    return found


def _end_command(kind: str, identity: str, name: str) -> str:
    return {
        "key": command("key", "revoke", identity),
        "user": command("user", "block", name),
        "app": command("app", "disable", name),
        "client secret": command("app", "rotate-secret", name, "--overlap", "0"),
        "token": command("token", "revoke", identity),
        "session": command("token", "list", "--status", "active"),
    }[kind]
