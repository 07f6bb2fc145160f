"""The audit trail: one entry a change, written in its transaction."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gamcli.model import AuditEntry
from gamcli.store.database import Row, Transaction


def add(tx: Transaction, at: str, actor: str, action: str, target: str, details: str) -> None:
    """Keep the next entry; `at` is RFC 3339, `details` a JSON object without secrets."""
    last: Any = tx.one("SELECT max(seq) FROM audit")
    tx.run(
        "INSERT INTO audit (seq, at, actor, action, target, details) VALUES (?, ?, ?, ?, ?, ?)",
        (last[0] or 0) + 1,
        at,
        actor,
        action,
        target,
        details,
    )


def last(tx: Transaction) -> Row | None:
    """Return the whole row of the last entry, which every change moves; None before there is any."""
    return tx.one("SELECT * FROM audit ORDER BY seq DESC LIMIT 1")


def each(tx: Transaction) -> Iterator[AuditEntry]:
    """Yield the entries from the first on."""
    rows: Iterator[Any] = tx.each("SELECT seq, at, actor, action, target, details FROM audit ORDER BY seq")
    return (AuditEntry(seq, datetime.fromisoformat(at), *rest) for seq, at, *rest in rows)
