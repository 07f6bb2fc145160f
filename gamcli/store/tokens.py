"""Access tokens."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gamcli.model import Key
from gamcli.model.tokens import Session, Token
from gamcli.store import sessions
from gamcli.store.damage import reports_damage, require_id
from gamcli.store.engine import Query, Row, Transaction
from gamcli.store.hash_chain import ChainHead
from gamcli.store.queries import Conditions, chunks, order_by, placeholders, share, split_joined
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


_REQUIRED = ("id", "digest", "user_guid", "client_id", "", "scopes", "issued_at", "", "", "", "", "", "user", "app")


@reports_damage("token", _REQUIRED, nullable=("",))
def _record(row: Row) -> Token:
    value: Any = row
    superseded = value[6] if value[11] is not None and value[0] < value[11] else None
    reasons = {"revoked": value[8], f"key {value[17]}": value[9], "newer token issued": superseded}
    reasons["session revoked"] = value[15]
    revoked = [(at, reason) for reason, at in reasons.items() if at is not None]
    ends = revoked if value[10] is None else [*revoked, (value[10], "key replaced")]
    ended_at, reason = min(ends, default=(None, None))
    return Token(
        row=require_id(value[0]),
        user=value[12],
        user_guid=value[2],
        app=share(value[13]),
        client_id=share(value[3]),
        key=value[4],
        scopes=split_joined(value[5]),
        digest=value[1],
        issued_at=from_micros(value[6]),
        expires_at=from_micros_or_none(value[7]),
        ended_at=from_micros_or_none(ended_at),
        reason=reason or ("key disabled" if value[18] else None),
        session_row=None if value[14] is None else require_id(value[14]),
        initial_properties=sessions.parse_properties(value[16]) if value[16] else (),
        is_revoked=bool(revoked),
        is_suspended=value[18] is not None,
    )


_HEAD = """(SELECT audit.seq FROM audit ORDER BY audit.seq DESC LIMIT 1),
    (SELECT coalesce(audit.hash, '') FROM audit ORDER BY audit.seq DESC LIMIT 1)"""

_SELECT_WITH_HEAD = _SELECT.replace(" FROM token ", f", {_HEAD} FROM token ", 1)


def find(tx: Transaction, row: int) -> Token | None:
    return tx.build(_record, f"{_SELECT} WHERE token.id = ? AND {_READABLE}", row)


def find_with_head(tx: Transaction, rows: Collection[int]) -> tuple[ChainHead | None, dict[int, Token]]:
    """Return the tokens in these rows, and the head of the audit log in the same statement; None without any token."""
    asked = [*rows, *[0] * ((1 << (len(rows) - 1).bit_length()) - len(rows))]  # few different statements
    found: list[Any] = [
        *tx.each(f"{_SELECT_WITH_HEAD} WHERE token.id IN ({placeholders(asked)}) AND {_READABLE}", asked)
    ]
    head = ChainHead(*found[0][-2:]) if found else None
    return head, {row[0]: _record(row) for row in found}


def search(tx: Transaction, filters: TokenFilter) -> Iterator[Token]:
    conditions = Conditions()
    conditions.add(_READABLE)
    conditions.equal("token.user_guid", filters.user_guid)
    conditions.equal("token.client_id", filters.client_id)
    conditions.equal("token.key", filters.key)
    order = order_by(filters.sort, SORTS, "issued_at", "token.id")
    return map(_record, tx.stream(_SELECT + conditions.where() + order, conditions.values))


def count_active(tx: Transaction, keys: Iterable[Key], now: datetime) -> dict[str, int]:
    """Return how many unexpired tokens of each key were not revoked; keys without any are left out."""
    used = [key for key in keys if key.last_used_at is not None]  # the others have no tokens
    if not used:
        return {}
    first = min(to_micros(key.created_at) for key in used)
    active: dict[str, int] = {}
    for chunk in chunks(key.id for key in used):
        rows: Iterator[Any] = tx.each(
            f"""SELECT key, count(*) FROM token WHERE id >= ? AND key IN ({placeholders(chunk)})
            AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) GROUP BY key""",
            [first, *chunk, to_micros(now)],
        )
        active.update(rows)
    return active


class IdState(NamedTuple):
    """The head of the audit log, None when it is empty, and the largest ID of a token or session."""

    head: ChainHead | None
    last_id: int


def _build_id_state(rows: Iterable[Any]) -> IdState:
    ((seq, digest, token, session),) = rows
    return IdState(None if seq is None else ChainHead(seq, digest), max(token or 0, session or 0))


ID_STATE = Query(f"SELECT {_HEAD}, (SELECT max(id) FROM token), (SELECT max(id) FROM session)", (), _build_id_state)
"""What a transaction that issues tokens begins with."""


def next_id(tx: Transaction, now: datetime, last_id: int) -> int:
    """Return the ID of a new token: about the microseconds of `now`, or larger if `last_id` is."""
    return tx.next_id(max(to_micros(now), last_id + 1))


class NewToken(NamedTuple):
    """
    An access token to insert, with its digest.

    `holder` is the key or session that it is issued for, `scopes` are joined by `+`.
    """

    row: int
    digest: bytes
    issued_at: datetime
    expires_at: datetime | None
    holder: Key | Session
    scopes: str
    session: int | None = None


def add(tx: Transaction, added: Iterable[NewToken]) -> None:
    """Insert tokens issued for API keys, or for sessions that began with a password."""
    rows = [
        (
            each.row,
            each.digest,
            each.holder.user_guid,
            each.holder.client_id,
            each.holder.id if isinstance(each.holder, Key) else each.holder.key,
            each.scopes,
            to_micros(each.issued_at),
            to_micros_or_none(each.expires_at),
            each.session,
        )
        for each in added
    ]
    tx.save(
        """INSERT INTO token (id, digest, user_guid, client_id, key, scopes, issued_at, expires_at, session)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        rows,
    )
    tx.prove_by("SELECT 1 FROM token WHERE id = ? AND digest = ?", *rows[-1][:2])


def supersede(tx: Transaction, floors: Mapping[tuple[str, str], int]) -> None:
    """Invalidate the tokens before a row, by client ID and user GUID."""
    tx.save(
        """INSERT INTO token_floor (client_id, user_guid, since) VALUES (?, ?, ?)
        ON CONFLICT (client_id, user_guid) DO UPDATE SET since = CASE
        WHEN excluded.since > token_floor.since THEN excluded.since ELSE token_floor.since END""",
        [(*owner, since) for owner, since in sorted(floors.items())],
    )


def revoke(tx: Transaction, row: int, at: datetime) -> None:
    tx.run("UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", to_micros(at), row)
