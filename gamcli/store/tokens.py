"""Access tokens."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from gamcli.model import Key, Token
from gamcli.model.sessions import Session
from gamcli.store import sessions
from gamcli.store.queries import Conditions, order_by
from gamcli.store.sqlite.database import Row, Transaction
from gamcli.store.timestamps import from_micros, from_micros_or_none, to_micros, to_micros_or_none

# A token also becomes inactive with its key, while its key is disabled, with its session, or with a newer token (one
# token per user).
_SELECT = """SELECT token.id, token.digest, token.user_guid, token.client_id, token.key, token.scopes, token.issued_at,
    token.expires_at, token.revoked_at, key.ended_at, key.retires_at, token_floor.since, user.name, app.name,
    token.session, session.revoked_at, session.initial_properties, key.end_status, key.disabled_at
    FROM token JOIN user ON user.guid = token.user_guid JOIN app ON app.client_id = token.client_id
    LEFT JOIN key ON key.id = token.key LEFT JOIN session ON session.id = token.session
    LEFT JOIN token_floor ON token_floor.client_id = token.client_id AND token_floor.user_guid = token.user_guid"""

# Deleting a key or session invalidates its tokens.
_READABLE = "(token.key IS NULL OR key.id IS NOT NULL) AND (token.session IS NULL OR session.id IS NOT NULL)"

SORTS = {
    "id": "token.id",
    "user": "user.fold",
    "app": "app.fold",
    "key": "token.key",
    "issued_at": "token.issued_at",
    "expires_at": "token.expires_at IS NULL, token.expires_at",
}


class TokenFilter(NamedTuple):
    """The filters and the order of a list of tokens; None matches all."""

    user_guid: str | None = None
    client_id: str | None = None
    key: str | None = None
    sort: str | None = None


def _record(row: Row) -> Token:
    value: Any = row
    superseded = value[6] if value[11] is not None and value[0] < value[11] else None
    reasons = {"revoked": value[8], f"key {value[17]}": value[9], "newer token issued": superseded}
    reasons["session revoked"] = value[15]
    revoked = [(at, reason) for reason, at in reasons.items() if at is not None]
    ends = revoked if value[10] is None else [*revoked, (value[10], "key replaced")]
    ended_at, reason = min(ends, default=(None, None))
    return Token(
        row=value[0],
        user=value[12],
        user_guid=value[2],
        app=value[13],
        client_id=value[3],
        key=value[4],
        scopes=tuple(value[5].split("+")) if value[5] else (),
        digest=value[1],
        issued_at=from_micros(value[6]),
        expires_at=from_micros_or_none(value[7]),
        ended_at=from_micros_or_none(ended_at),
        reason=reason or ("key disabled" if value[18] else None),
        session_row=value[14],
        initial_properties=sessions.parse_properties(value[16]) if value[16] else (),
        is_revoked=bool(revoked),
        is_suspended=value[18] is not None,
    )


def find(tx: Transaction, row: int) -> Token | None:
    columns = tx.one(f"{_SELECT} WHERE token.id = ? AND {_READABLE}", row)
    return None if columns is None else _record(columns)


def search(tx: Transaction, filters: TokenFilter) -> Iterator[Token]:
    conditions = Conditions()
    conditions.add(_READABLE)
    conditions.equal("token.user_guid", filters.user_guid)
    conditions.equal("token.client_id", filters.client_id)
    conditions.equal("token.key", filters.key)
    order = order_by(filters.sort, SORTS, "issued_at", "token.id")
    return map(_record, tx.each(_SELECT + conditions.where() + order, conditions.values))


def count_active(tx: Transaction, keys: Iterable[Key], now: datetime) -> dict[str, int]:
    """Return how many unexpired tokens of each key were not revoked; keys without any are left out."""
    used = [key for key in keys if key.last_used_at is not None]  # the others have no tokens
    if not used:
        return {}
    rows: Iterator[Any] = tx.each(
        """SELECT key, count(*) FROM token WHERE id >= ? AND key IN (SELECT value FROM json_each(?))
        AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) GROUP BY key""",
        [min(to_micros(key.created_at) for key in used), json.dumps([key.id for key in used]), to_micros(now)],
    )
    return dict(rows)


def next_id(tx: Transaction, now: datetime) -> int:
    """Return the id of a new token: microseconds of `now`, or the last id plus one if that is larger."""
    last = tx.cached(_load_last_id)
    last[0] = max(to_micros(now), last[0] + 1)
    return last[0]


def _load_last_id(tx: Transaction) -> list[int]:
    """Return the last id in a list that `next_id` updates, so that a transaction reads it once."""
    last: Any = tx.one("SELECT max(id) FROM token")
    return [last[0] or 0]


class TokenGrant(NamedTuple):
    """What an access token is issued with: scopes (joined by `+`), expiry and session."""

    scopes: str
    expires_at: datetime | None
    session: int | None = None


def add(
    tx: Transaction, row: int, digest: bytes, issued_at: datetime, holder: Key | Session, grant: TokenGrant
) -> None:
    """Insert a token issued for an API key, or for a session that began with a password."""
    tx.run(
        """INSERT INTO token (id, digest, user_guid, client_id, key, scopes, issued_at, expires_at, session)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        row,
        digest,
        holder.user_guid,
        holder.client_id,
        holder.id if isinstance(holder, Key) else holder.key,
        grant.scopes,
        to_micros(issued_at),
        to_micros_or_none(grant.expires_at),
        grant.session,
    )


def supersede(tx: Transaction, client_id: str, user_guid: str, row: int) -> None:
    """Invalidate the earlier tokens of the application and user."""
    tx.run(
        """INSERT INTO token_floor (client_id, user_guid, since) VALUES (?, ?, ?)
        ON CONFLICT (client_id, user_guid) DO UPDATE SET since = excluded.since""",
        client_id,
        user_guid,
        row,
    )


def revoke(tx: Transaction, row: int, at: datetime) -> None:
    tx.run("UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", to_micros(at), row)
