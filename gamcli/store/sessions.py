"""Sessions and their refresh tokens."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from gamcli.model.tokens import InitialProperty, RefreshToken, Session
from gamcli.store.damage import parse_json, reports_damage, require_id
from gamcli.store.engine import Row, Transaction
from gamcli.store.queries import split_joined
from gamcli.store.timestamps import from_micros, from_micros_or_none, to_micros

# With one token per user, a newer token supersedes the refresh tokens that were issued with earlier ones.
FIELDS = """session.id, session.user_guid, session.client_id, session.auth_type, session.scopes, session.key,
    session.initial_properties, session.revoked_at, refresh_token.counter, refresh_token.token, refresh_token.digest,
    refresh_token.expires_at, refresh_token.used_at, coalesce(token_floor.since, 0) > refresh_token.token"""
_NAMES = tuple(field.strip() for field in FIELDS.split(",", 13))
_NULLABLE = ("session.key", "session.revoked_at", "refresh_token.used_at")
FIELD_COUNT = len(_NAMES)

_ORPHANS = """FROM session WHERE (NOT EXISTS (SELECT 1 FROM app WHERE app.client_id = session.client_id)
    OR NOT EXISTS (SELECT 1 FROM user WHERE user.guid = session.user_guid))"""


@reports_damage("session", _NAMES, _NULLABLE)
def build_records(columns: Row) -> tuple[RefreshToken, Session]:
    """Return a refresh token and its session."""
    row: Any = columns
    session = Session(
        id=require_id(row[0]),
        user_guid=row[1],
        client_id=row[2],
        auth_type=row[3],
        scopes=split_joined(row[4]),
        key=row[5],
        initial_properties=parse_properties(row[6]),
        revoked_at=from_micros_or_none(row[7]),
    )
    token = RefreshToken(
        session=row[0],
        counter=row[8],
        token=require_id(row[9]),
        digest=row[10],
        expires_at=from_micros(row[11]),
        used_at=from_micros_or_none(row[12]),
        is_superseded=bool(row[13]),
    )
    return token, session


def load_all(tx: Transaction) -> Iterator[tuple[RefreshToken, Session]]:
    joined = "refresh_token JOIN session ON session.id = refresh_token.session"
    floors = "token_floor.client_id = session.client_id AND token_floor.user_guid = session.user_guid"
    return map(build_records, tx.stream(f"SELECT {FIELDS} FROM {joined} LEFT JOIN token_floor ON {floors}"))


def parse_properties(stored: str) -> tuple[InitialProperty, ...]:
    return tuple(InitialProperty(each["Id"], each["Value"]) for each in parse_json(stored, list, "initial properties"))


def _format_properties(properties: Iterable[InitialProperty]) -> str:
    return json.dumps([{"Id": each.id, "Value": each.value} for each in properties], ensure_ascii=False)


def add(tx: Transaction, added: Iterable[Session]) -> None:
    tx.save(
        """INSERT INTO session (id, user_guid, client_id, auth_type, key, scopes, initial_properties)
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        [
            (
                session.id,
                session.user_guid,
                session.client_id,
                session.auth_type,
                session.key,
                "+".join(session.scopes),
                _format_properties(session.initial_properties),
            )
            for session in added
        ],
    )


def add_refresh_tokens(tx: Transaction, added: Iterable[RefreshToken]) -> None:
    tx.save(
        "INSERT INTO refresh_token (session, counter, token, digest, expires_at) VALUES (?, ?, ?, ?, ?)",
        [(each.session, each.counter, each.token, each.digest, to_micros(each.expires_at)) for each in added],
    )


def mark_used(tx: Transaction, used: Iterable[RefreshToken], at: datetime) -> None:
    """Spend refresh tokens, which `grant_facts.find_refresh_tokens` has kept unchanged."""
    tx.save(
        "UPDATE refresh_token SET used_at = ? WHERE session = ? AND counter = ? AND used_at IS NULL",
        [(to_micros(at), each.session, each.counter) for each in used],
    )


def revoke(tx: Transaction, revoked: Iterable[int], at: datetime) -> None:
    """Revoke sessions and thereby their tokens; those that were revoked before are left unchanged."""
    tx.save(
        "UPDATE session SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
        [(to_micros(at), session) for session in revoked],
    )


def revoke_password_sessions(tx: Transaction, user_guid: str, at: datetime) -> None:
    """Revoke the sessions of a user that began with a password."""
    tx.change(
        "UPDATE session SET revoked_at = ? WHERE user_guid = ? AND key IS NULL AND revoked_at IS NULL",
        to_micros(at),
        user_guid,
    )


def delete_all(tx: Transaction, column: str, value: str) -> None:
    """Delete the sessions of a user or an application: those with a value in `column`."""
    sessions = f"SELECT id FROM session WHERE {column} = ?"
    tx.change(f"DELETE FROM refresh_token WHERE session IN ({sessions})", value)
    tx.change(f"DELETE FROM session WHERE {column} = ?", value)


def count_orphans(tx: Transaction, condition: str = "TRUE") -> int:
    """Count the sessions whose application or user does not exist: no action leaves one behind."""
    return tx.number(f"SELECT count(*) {_ORPHANS} AND {condition}")


def delete_orphans(tx: Transaction, limit: int) -> tuple[int, int]:
    """Delete at most `limit` sessions without application or user; return how many, and how many refresh tokens."""
    orphans = [*tx.each(f"SELECT id {_ORPHANS} LIMIT ?", [limit])]
    refresh_tokens = tx.run_many("DELETE FROM refresh_token WHERE session = ?", orphans)
    return tx.run_many("DELETE FROM session WHERE id = ?", orphans), refresh_tokens
