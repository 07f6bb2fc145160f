"""The audit log: one entry per change, written in the same transaction and chained to the entry before it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

from gamcli.errors import StoreAuditLogError
from gamcli.model import AuditEntry, JsonText, format_rfc3339
from gamcli.store import hash_chain
from gamcli.store.hash_chain import ChainHead
from gamcli.store.queries import Conditions, order_by
from gamcli.store.sqlite.database import Row, Transaction

REFUSAL_ACTION = "endpoint.refuse"
"""The action of entries that change nothing: they sum up what the endpoint refused."""

LAST_SEQ = (1 << 63) - 1
"""No integer of SQLite is larger; no trail comes so far."""

_SELECT = "SELECT seq, at, actor, action, target, details, hash FROM audit"

_SORTS = {name: name for name in ("seq", "at", "actor", "action", "target")}


class AuditFilter(NamedTuple):
    """
    Which entries a list shows, in which order; None asks for all. In texts `*` stands for any; case does not matter.

    An `actor` is the whole of it, a word, or the name before an `@` or behind a `=`. From `since` on, before `until`.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: str | None = None


def add(tx: Transaction, at: str, actor: str, action: str, target: str, details: str) -> None:
    """Keep the next entry; `at` is RFC 3339, `details` a JSON object without blanks and without secrets."""
    seq, before = load_head(tx) or (0, "")
    if seq >= LAST_SEQ:
        raise StoreAuditLogError(f"nothing can follow entry {seq}, which was put in", hash_chain.COMPARE_HINT)
    entry = (seq + 1, at, actor, action, target, details)
    tx.run(
        "INSERT INTO audit (seq, at, actor, action, target, details, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *entry,
        hash_chain.hash_entry(before, entry),
    )


def load_head(tx: Transaction) -> ChainHead | None:
    """Return the number and the hash of the last entry; None before there is any."""
    row: Any = tx.one("SELECT seq, coalesce(hash, '') FROM audit ORDER BY seq DESC LIMIT 1")
    return None if row is None else ChainHead(*row)


def load_last_change(tx: Transaction) -> Row | None:
    """Return the whole row of the last change, which every change moves and no refusal; None before there is any."""
    return tx.one("SELECT * FROM audit WHERE action <> ? ORDER BY seq DESC LIMIT 1", REFUSAL_ACTION)


def verify(tx: Transaction, head: str | None = None) -> ChainHead:
    """Return the head of the trail; raises StoreTrailError when it is not whole, or no entry has the hash `head`."""
    rows: Any = tx.each(f"{_SELECT} ORDER BY seq")
    with closing(rows):  # left open, it would hold this state of the store beyond the transaction
        try:
            return hash_chain.verify(rows, head)
        except sqlite3.OperationalError as error:
            _require_utf8(tx, error)
            raise


def _require_utf8(tx: Transaction, error: sqlite3.Error) -> None:
    """Raise StoreTrailError for the first entry with bytes that are no text: SQLite says only that there are some."""
    rows: Any = tx.each(
        """SELECT seq, CAST(at AS BLOB), CAST(actor AS BLOB), CAST(action AS BLOB), CAST(target AS BLOB),
        CAST(details AS BLOB), CAST(coalesce(hash, '') AS BLOB) FROM audit ORDER BY seq"""
    )
    with closing(rows):
        for seq, *texts in rows:
            try:
                b"\n".join(texts).decode()
            except UnicodeDecodeError:
                raise StoreAuditLogError(
                    f"entry {seq} was changed or put in: it is not UTF-8 text", hash_chain.COMPARE_HINT
                ) from error


def search(tx: Transaction, filters: AuditFilter | None = None) -> Iterator[AuditEntry]:
    """Yield the entries that `wanted` describes, from the first on."""
    filters, conditions = filters or AuditFilter(), Conditions()
    if filters.actor is not None:
        _add_actor(conditions, filters.actor)
    for column, text in (("action", filters.action), ("target", filters.target)):
        if text is not None:
            _add_text(conditions, column, text)
    if filters.since is not None:
        conditions.add("at >= ?", format_rfc3339(filters.since))
    if filters.until is not None:
        conditions.add("at < ?", format_rfc3339(filters.until))
    order = order_by(filters.sort, _SORTS, "seq", "seq")
    rows: Iterator[Any] = tx.each(_SELECT + conditions.where() + order, conditions.values)
    return (
        AuditEntry(seq, at, actor, action, target, JsonText(details), kept)
        for seq, at, actor, action, target, details, kept in rows
    )


def _add_actor(conditions: Conditions, text: str) -> None:
    word = _like_pattern(text)
    like = r"' ' || actor || ' ' LIKE ? ESCAPE '\'"
    conditions.add(f"({like} OR {like} OR {like})", f"% {word} %", f"% {word}@%", f"%={word} %")


def _add_text(conditions: Conditions, column: str, text: str) -> None:
    if "*" in text:
        conditions.add(rf"{column} LIKE ? ESCAPE '\'", _like_pattern(text))
    else:
        conditions.add(f"{column} = ? COLLATE NOCASE", text)


def _like_pattern(text: str) -> str:
    """Return `text` for a LIKE in which `*` stands for any, and all else for itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")
