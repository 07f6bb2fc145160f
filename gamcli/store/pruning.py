"""
What is long dead, found and deleted in small parts: nobody waits for more than one of them.

Dead is dead: what a token, session or key ended once never lives again, so whatever was dead before an instant may go.
A record whose user, application or key was deleted is dead too; nothing tells since when, so its own age counts.
The last row always stays: ids are never given twice.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from gamcli.store.sqlite.database import Transaction

DEFAULT_RETENTION = timedelta(days=30)
"""How long dead tokens are kept by default: as long as somebody may ask what one was used for."""

CHUNK_ROWS = 1000
"""So many rows are looked at in one transaction: some milliseconds."""

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

# What a floor ended must be gone before the floor goes.
_PRUNABLE_FLOORS = """SELECT client_id, user_guid FROM token_floor WHERE since <= ?1 AND NOT EXISTS (
        SELECT 1 FROM session JOIN refresh_token ON refresh_token.session = session.id
        WHERE session.user_guid = token_floor.user_guid AND session.client_id = token_floor.client_id
        AND refresh_token.token < since)
    LIMIT ?2"""

PRUNABLE = {"token": _PRUNABLE_TOKENS, "session": _PRUNABLE_SESSIONS}
"""How the dead rows of a table are found, in the order in which they go: sessions once none of their tokens is left."""


class IdRange(NamedTuple):
    """A part of a table: the ids behind `first`, `last` included; dead is what was so at `before`, in microseconds."""

    table: str
    first: int
    last: int
    cutoff: int

    @property
    def values(self) -> tuple[int, int, int]:
        """What the queries for dead rows take."""
        return self.first, self.last, self.cutoff


def next_range(tx: Transaction, table: str, first: int, before: int) -> IdRange | None:
    """Return the next part of a table behind the id `first`, None at its end: ids count up as time does."""
    row: Any = tx.one(
        f"""SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? AND id <= ?
        AND id < (SELECT max(id) FROM {table}) ORDER BY id LIMIT ?)""",
        first,
        before,
        CHUNK_ROWS,
    )
    return None if row[0] is None else IdRange(table, first, row[0], before)


def count_prunable(tx: Transaction, part: IdRange) -> int:
    """Count the dead rows in a part."""
    row: Any = tx.one(f"SELECT count(*) FROM ({PRUNABLE[part.table]})", *part.values)
    return int(row[0])


def load_last_token_id(tx: Transaction) -> int:
    """Return the id of the last token, 0 when there is none: the one that no walk deletes."""
    row: Any = tx.one("SELECT coalesce(max(id), 0) FROM token")
    return int(row[0])


def delete_prunable(tx: Transaction, part: IdRange) -> tuple[int, int]:
    """Delete the dead rows in a part; return how many, and how many refresh tokens went with sessions."""
    refresh = 0
    if part.table == "session":
        refresh = tx.run(f"DELETE FROM refresh_token WHERE session IN ({PRUNABLE['session']})", *part.values)
    return tx.run(f"DELETE FROM {part.table} WHERE id IN ({PRUNABLE[part.table]})", *part.values), refresh


def delete_floors(tx: Transaction, before: int) -> int:
    """Forget what was superseded up to an id, some at a time, once all that it ended is gone; return how many."""
    return tx.run(f"DELETE FROM token_floor WHERE (client_id, user_guid) IN ({_PRUNABLE_FLOORS})", before, CHUNK_ROWS)
