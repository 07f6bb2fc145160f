"""Bulk issue: the keys created for an input file, and how many of them were written to the output."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gamcli.store import audit
from gamcli.store.damage import reports_damage
from gamcli.store.engine import Row, Transaction
from gamcli.store.queries import chunks, placeholders
from gamcli.store.timestamps import from_micros, to_micros

AFTER_LAST_ID = "{"
"""Sorts after every id: in ASCII `{` follows `z`."""


class Batch(NamedTuple):
    """The progress of one input, identified by its SHA-256; `run` counts its processes, only the last may go on."""

    id: int
    digest: bytes
    output: str
    run: int
    delivered: int


class BatchPart(NamedTuple):
    """Keys created in one transaction for the rows `first` to `last`; their ids share a prefix."""

    first: int
    last: int
    id_prefix: str
    created_at: datetime


NewKey = tuple[str, int, int, str, bytes, int, int | None, str]
"""A row of table key: id, user number, app number, scopes, digest, created at, expires at, label."""


def find(tx: Transaction, digest: bytes) -> Batch | None:
    """Return the latest batch for the input with this SHA-256, or None."""
    sql = "SELECT id, digest, output, run, delivered FROM batch WHERE digest = ? ORDER BY id DESC LIMIT 1"
    return tx.build(Batch._make, sql, digest)


def create(tx: Transaction, digest: bytes, output: str, now: datetime) -> Batch:
    tx.run(
        """INSERT INTO batch (id, digest, created_at, output, run, delivered)
        VALUES ((SELECT coalesce(max(id), 0) + 1 FROM batch), ?, ?, ?, 1, 0)""",
        digest,
        to_micros(now),
        output,
    )
    batch = find(tx, digest)
    assert batch is not None
    return batch


def resume(tx: Transaction, batch: Batch, output: str) -> Batch:
    """Record that another process continues the batch."""
    tx.run("UPDATE batch SET run = run + 1, output = ? WHERE id = ?", output, batch.id)
    return batch._replace(run=batch.run + 1, output=output)


def record_delivery(tx: Transaction, batch: Batch, rows: int) -> bool:
    """Record how many rows were written to the output; return False when another process has taken over."""
    sql = """UPDATE batch SET delivered = CASE WHEN delivered < ?1 THEN ?1 ELSE delivered END
        WHERE id = ?2 AND run = ?3"""
    return tx.run(sql, rows, batch.id, batch.run) == 1


def load_parts(tx: Transaction, batch: Batch) -> list[BatchPart]:
    rows: Iterator[Any] = tx.each(
        "SELECT first, last, beginning, created_at FROM batch_part WHERE batch = ? ORDER BY first, created_at",
        [batch.id],
    )
    return [*map(_build_part, rows)]


def load_all_parts(tx: Transaction) -> Iterator[BatchPart]:
    return map(_build_part, tx.stream("SELECT first, last, beginning, created_at FROM batch_part"))


@reports_damage("batch_part", ("first", "last", "beginning", "created_at"))
def _build_part(row: Row) -> BatchPart:
    value: Any = row
    return BatchPart(value[0], value[1], value[2], from_micros(value[3]))


def load_delivered_outputs(tx: Transaction) -> dict[tuple[str, datetime], str]:
    """Return where keys were delivered, by the prefix of their ids and their time."""
    rows: Iterator[Any] = tx.each(
        """SELECT first, last, beginning, batch_part.created_at, output
        FROM batch_part JOIN batch ON batch.id = batch_part.batch WHERE delivered >= last ORDER BY batch.id"""
    )
    parts = ((_build_part(row), row[-1]) for row in rows)
    return {(part.id_prefix, part.created_at): output for part, output in parts}


def add_part(tx: Transaction, batch: Batch, part: BatchPart) -> None:
    tx.run(
        """INSERT INTO batch_part (batch, first, last, beginning, created_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING""",
        batch.id,
        part.first,
        part.last,
        part.id_prefix,
        to_micros(part.created_at),
    )


def is_id_prefix_taken(tx: Transaction, prefix: str) -> bool:
    sql = "SELECT 1 FROM key WHERE id >= ? AND id < ? LIMIT 1"
    return tx.one(sql, prefix, prefix + AFTER_LAST_ID) is not None


def add_keys(tx: Transaction, keys: Iterable[NewKey]) -> None:
    """Insert keys, each as the current one of its user and application. Fastest when sorted by id."""
    tx.run_many(
        """INSERT INTO key (id, user_number, app_number, scopes, digest, created_at, expires_at, label,
        current) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        ((*key, 1) for key in keys),
    )


def clear_current(tx: Transaction, key_ids: Iterable[str]) -> None:
    """Mark keys as no longer the current ones of their users and applications."""
    tx.run_many("UPDATE key SET current = NULL WHERE id = ?", ((key_id,) for key_id in key_ids))


def replace_digests(tx: Transaction, digests: Mapping[str, bytes]) -> int:
    """Replace the secrets of keys that are unused and not ended; return how many were."""
    sql = "UPDATE key SET digest = ? WHERE id = ? AND last_used_at IS NULL AND ended_at IS NULL"
    return tx.run_many(sql, ((digest, key_id) for key_id, digest in digests.items()))


def load_digests(tx: Transaction, key_ids: Iterable[str]) -> dict[str, bytes]:
    """Return the digests of those keys that still exist."""
    digests: dict[str, bytes] = {}
    for chunk in chunks(key_ids):
        rows: Iterator[Any] = tx.each(f"SELECT id, digest FROM key WHERE id IN ({placeholders(chunk)})", chunk)
        digests.update(rows)
    return digests


def load_last_change_seq(tx: Transaction) -> int:
    """Return the number of the last audit entry that records a change; grants and refusals do not count."""
    return tx.number("SELECT seq FROM audit WHERE action <> ? ORDER BY seq DESC LIMIT 1", audit.REFUSAL_ACTION)
