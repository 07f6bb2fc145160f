"""
Find and delete expired and revoked tokens and sessions, in chunks so that no other process waits long.

A token, session or key that has become inactive stays inactive, so rows that were inactive before the cutoff can be
deleted. Rows whose user, application or key was deleted count as inactive too; the time of deletion is unknown, so
their own age decides. The last row always stays, so that an id is never reused.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from gamcli.store import sessions
from gamcli.store.engine import Transaction

DEFAULT_RETENTION = timedelta(days=30)
"""How long inactive tokens are kept by default, so that their use can still be investigated."""

CHUNK_ROWS = 1000
"""Rows per transaction: some milliseconds."""

_JOIN_OWNERS = """LEFT JOIN user ON user.guid = {0}.user_guid LEFT JOIN app ON app.client_id = {0}.client_id
    LEFT JOIN key ON key.id = {0}.key"""

_OWNER_GONE = """user.guid IS NULL OR app.client_id IS NULL
    OR ({0}.key IS NOT NULL AND (key.id IS NULL OR key.ended_at <= ?3 OR key.retires_at <= ?3))"""

_PRUNABLE_TOKENS = f"""SELECT token.id FROM token {_JOIN_OWNERS.format("token")}
    LEFT JOIN session ON session.id = token.session
    LEFT JOIN token_floor ON token_floor.client_id = token.client_id AND token_floor.user_guid = token.user_guid
    WHERE token.id > ?1 AND token.id <= ?2 AND (
        token.expires_at <= ?3 OR token.revoked_at <= ?3 OR {_OWNER_GONE.format("token")}
        OR (token.session IS NOT NULL AND (session.id IS NULL OR session.revoked_at <= ?3))
        OR (token.id < token_floor.since AND token_floor.since <= ?3))"""

_PRUNABLE_SESSIONS = f"""SELECT session.id FROM session {_JOIN_OWNERS.format("session")}
    WHERE session.id > ?1 AND session.id <= ?2 AND (
        session.revoked_at <= ?3 OR {_OWNER_GONE.format("session")}
        OR NOT EXISTS (SELECT 1 FROM refresh_token WHERE session = session.id AND expires_at > ?3))
    AND NOT EXISTS (SELECT 1 FROM token WHERE token.session = session.id)"""

# A floor must stay as long as there are refresh tokens that it supersedes.
_PRUNABLE_FLOORS = """SELECT client_id, user_guid FROM token_floor WHERE since <= ?1 AND NOT EXISTS (
        SELECT 1 FROM session JOIN refresh_token ON refresh_token.session = session.id
        WHERE session.user_guid = token_floor.user_guid AND session.client_id = token_floor.client_id
        AND refresh_token.token < since)
    LIMIT ?2"""

PRUNABLE = {"token": _PRUNABLE_TOKENS, "session": _PRUNABLE_SESSIONS}
"""Queries for inactive rows by table, in order of deletion: a session is deleted after the last of its tokens."""


class IdRange(NamedTuple):
    """Rows of a table with ids in (first, last]; `cutoff` is in microseconds since 1970."""

    table: str
    first: int
    last: int
    cutoff: int

    @property
    def values(self) -> tuple[int, int, int]:
        return self.first, self.last, self.cutoff


def next_range(tx: Transaction, table: str, first: int, before: int) -> IdRange | None:
    """Return the next range after the id `first`, or None at the end of the table."""
    row: Any = tx.one(
        f"""SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? AND id <= ?
        AND id < (SELECT max(id) FROM {table}) ORDER BY id LIMIT ?) AS chunk""",
        first,
        before,
        CHUNK_ROWS,
    )
    return None if row[0] is None else IdRange(table, first, row[0], before)


def count_prunable(tx: Transaction, ids: IdRange) -> int:
    return tx.number(f"SELECT count(*) FROM ({PRUNABLE[ids.table]}) AS prunable", *ids.values)


def count_other_orphans(tx: Transaction, cutoff: int) -> int:
    """Count the sessions without application or user that no range covers, since they are new or have tokens."""
    in_range = f"id <= {cutoff} AND id < (SELECT max(id) FROM session)"
    return sessions.count_orphans(
        tx, f"NOT ({in_range} AND NOT EXISTS (SELECT 1 FROM token WHERE token.session = session.id))"
    )


def delete_prunable(tx: Transaction, ids: IdRange) -> tuple[int, int]:
    """Delete the inactive rows of a range; return how many, and how many refresh tokens of deleted sessions."""
    refresh = 0
    if ids.table == "session":
        refresh = tx.run(f"DELETE FROM refresh_token WHERE session IN ({PRUNABLE['session']})", *ids.values)
    return tx.run(f"DELETE FROM {ids.table} WHERE id IN ({PRUNABLE[ids.table]})", *ids.values), refresh


def delete_floors(tx: Transaction, before: int) -> int:
    """Delete the `token_floor` rows that no longer supersede anything, at most CHUNK_ROWS; return how many."""
    return tx.run(f"DELETE FROM token_floor WHERE (client_id, user_guid) IN ({_PRUNABLE_FLOORS})", before, CHUNK_ROWS)
