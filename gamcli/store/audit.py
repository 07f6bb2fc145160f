"""The audit log: one entry per change, written in the transaction of the change and chained to the entry before."""

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from gamcli.errors import StoreAuditLogError
from gamcli.model import AuditEntry, JsonText, format_rfc3339, normalize_name
from gamcli.store import hash_chain
from gamcli.store.engine import Row, Transaction
from gamcli.store.hash_chain import ChainHead
from gamcli.store.queries import Conditions, order_by

REFUSAL_ACTION = "endpoint.refuse"
"""The action of entries that summarize refused requests and change nothing."""

ACTIONS = (
    "app.adopt", "app.create", "app.delete", "app.release", "app.rename", "app.rotate_secret", "app.update",
    "auth_type.adopt", "auth_type.create", "auth_type.delete", "auth_type.release", "auth_type.set_default",
    "auth_type.update", "endpoint.refuse", "key.adopt", "key.disable", "key.enable", "key.generate", "key.import",
    "key.reissue", "key.release", "key.retire", "key.revoke", "key.rotate", "key.update", "repository.init",
    "store.restore",
    "token.prune", "token.revoke", "user.adopt", "user.block", "user.create", "user.delete", "user.disable",
    "user.enable", "user.release", "user.rename", "user.set_password", "user.unblock", "user.update",
)  # fmt: skip
"""The actions of entries, for completion."""

LAST_SEQ = (1 << 63) - 1
"""The largest integer that SQLite can store."""

_SELECT = "SELECT seq, at, actor, action, target, details, hash FROM audit"

SORTS = {name: name for name in ("seq", "at", "actor", "action", "target")}


class AuditFilter(NamedTuple):
    """
    The filters and the order of a list of entries; None matches all.

    In texts `*` matches anything, and case is ignored. `actor` matches the whole actor, a word of it, the name before
    an `@` or the value after a `=`. `since` is inclusive, `until` exclusive. Of each of the tuples
    in `mentions`, at least one text is the target or a text in the details.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    mentions: tuple[tuple[str, ...], ...] = ()
    sort: str | None = None


def add(tx: Transaction, at: str, actor: str, action: str, target: str, details: str) -> None:
    """Append an entry; `at` is RFC 3339, `details` compact JSON without secrets."""
    seq, before = tx.written_head or load_head(tx) or (0, "")
    if seq >= LAST_SEQ:
        raise StoreAuditLogError(
            f"entry {seq} has the largest possible number: it was inserted by another program", hash_chain.COMPARE_HINT
        )
    entry = (seq + 1, at, actor, action, target, details)
    digest = hash_chain.hash_entry(before, entry)
    sql = "INSERT INTO audit (seq, at, actor, action, target, details, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"
    tx.change(sql, *entry, digest)
    tx.keep_head(seq + 1, digest)
    tx.prove_by("SELECT 1 FROM audit WHERE seq = ? AND hash = ?", seq + 1, digest)


def load_head(tx: Transaction) -> ChainHead | None:
    """Return the number and the hash of the last entry, or None when the log is empty."""
    return tx.build(ChainHead._make, "SELECT seq, coalesce(hash, '') FROM audit ORDER BY seq DESC LIMIT 1")


def load_last_change(tx: Transaction) -> Row | None:
    """Return the last entry that is not a summary of refusals, as a row; None when there is none."""
    return tx.one("SELECT * FROM audit WHERE action <> ? ORDER BY seq DESC LIMIT 1", REFUSAL_ACTION)


def parse_details(details: str) -> dict[str, Any]:
    """Return the details of an entry; none if they are damaged, which `verify` reports."""
    with suppress(ValueError, TypeError, RecursionError):
        parsed = json.loads(details)
        return parsed if isinstance(parsed, dict) else {}
    return {}


def find_issue(tx: Transaction, key_id: str) -> dict[str, Any] | None:
    """Return the details of the entry that issued an API key, alone or in bulk, also after the key was deleted."""
    row: Any = tx.one("SELECT details FROM audit WHERE target = ? AND action LIKE 'key.%' ORDER BY seq LIMIT 1", key_id)
    row = row or tx.one(
        """SELECT details FROM audit
        WHERE action IN ('key.generate', 'key.import') AND target LIKE 'batch %' AND instr(details, ?) > 0""",
        json.dumps(key_id),
    )
    return None if row is None else parse_details(row[0])


def verify(tx: Transaction, head: str | None = None) -> ChainHead:
    """Return the head; raises StoreAuditLogError when the chain is broken or no entry has the hash `head`."""
    rows: Any = tx.stream(f"{_SELECT} ORDER BY seq")
    with closing(rows):  # an open cursor would keep the snapshot beyond the transaction
        try:
            return hash_chain.verify(rows, head)
        except tx.decoding_errors as error:
            _require_utf8(tx, error)
            raise


def _require_utf8(tx: Transaction, error: Exception) -> None:
    """Raise StoreAuditLogError for the first entry that is not UTF-8; the engine reports only that there is one."""
    rows: Any = tx.stream(
        """SELECT seq, CAST(at AS BLOB), CAST(actor AS BLOB), CAST(action AS BLOB), CAST(target AS BLOB),
        CAST(details AS BLOB), CAST(coalesce(hash, '') AS BLOB) FROM audit ORDER BY seq"""
    )
    with closing(rows):
        for seq, *texts in rows:
            try:
                b"\n".join(texts).decode()
            except UnicodeDecodeError:
                raise StoreAuditLogError(
                    f"entry {seq} was changed or inserted: it is not valid UTF-8", hash_chain.COMPARE_HINT
                ) from error


def search(tx: Transaction, filters: AuditFilter | None = None) -> Iterator[AuditEntry]:
    """Yield the entries that match `filters`, by default all of them in the order of their numbers."""
    filters, conditions = filters or AuditFilter(), Conditions()
    if filters.actor is not None:
        word, like = _like_pattern(filters.actor), r"' ' || actor || ' ' LIKE ? ESCAPE '\'"
        conditions.add(f"({like} OR {like} OR {like})", f"% {word} %", f"% {word}@%", f"%={word} %")
    for column, text in (("action", filters.action), ("target", filters.target)):
        if text is not None and "*" in text:
            conditions.add(rf"{column} LIKE ? ESCAPE '\'", _like_pattern(text))
        elif text is not None and text.isascii():  # SQLite folds the case of ASCII letters alone
            conditions.add(f"{column} = ? COLLATE NOCASE", text)
    if filters.since is not None:
        conditions.add("at >= ?", format_rfc3339(filters.since))
    if filters.until is not None:
        conditions.add("at < ?", format_rfc3339(filters.until))
    for texts in filters.mentions:
        mention = r"(target = ? COLLATE NOCASE OR instr(details, ?) > 0)"
        quoted = ((text, json.dumps(text, ensure_ascii=False)) for text in texts)
        conditions.add(f"({' OR '.join([mention] * len(texts))})", *chain.from_iterable(quoted))
    order = order_by(filters.sort, SORTS, "seq", "seq")
    entries = map(_record, tx.stream(_SELECT + conditions.where() + order, conditions.values))
    if filters.target is None or "*" in filters.target:
        return entries
    return filter(partial(_has_target, filters.target), entries)


def _has_target(text: str, entry: AuditEntry) -> bool:
    """Say whether the entry is about `text`: names are equal in any case, IDs of keys and tokens only as they are."""
    if entry.action.startswith(("key.", "token.")):
        return entry.target == text
    return normalize_name(entry.target) == normalize_name(text)


def find(tx: Transaction, seq: int) -> AuditEntry | None:
    return tx.build(_record, f"{_SELECT} WHERE seq = ?", seq) if seq <= LAST_SEQ else None


def _record(row: Row) -> AuditEntry:
    seq, at, actor, action, target, details, entry_hash = row
    return AuditEntry(seq, at, actor, action, target, JsonText(details), entry_hash)  # type: ignore[arg-type]


def _like_pattern(text: str) -> str:
    """Return a LIKE pattern in which only `*` is a wildcard."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")
