"""Batches: what was made of an input of many keys, and how much of it has reached its output."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gamcli.store import audit
from gamcli.store.queries import chunks, placeholders
from gamcli.store.sqlite.database import Transaction
from gamcli.store.timestamps import from_micros, to_micros

AFTER_LAST_ID = "{"
"""In ASCII the brace follows z, the last letter of ids."""

CACHE_KIB = 64 * 1024
WAL_PAGES = 8000
"""So much memory, and so long a log, spare most of the reads and writes of pages that many keys touch in turn."""


class Batch(NamedTuple):
    """An input of many keys, known by its SHA-256; `run` counts those who worked on it, only the last may go on."""

    id: int
    digest: bytes
    output: str
    run: int
    delivered: int


class BatchPart(NamedTuple):
    """Keys that were made at once for the rows from `first` to `last`: their ids have one beginning."""

    first: int
    last: int
    id_prefix: str
    created_at: datetime


NewKey = tuple[str, int, int, str, str, bytes, int, int | None, str]
"""The row of a new key: id, numbers of user and application, type, scopes, digest, made and expired when, label."""

_SELECT = "SELECT id, digest, output, run, delivered FROM batch"


def find(tx: Transaction, digest: bytes) -> Batch | None:
    """Return the last batch of the input with that SHA-256, or None."""
    row: Any = tx.one(f"{_SELECT} WHERE digest = ? ORDER BY id DESC LIMIT 1", digest)
    return None if row is None else Batch(*row)


def create(tx: Transaction, digest: bytes, output: str, now: datetime) -> Batch:
    """Keep a new batch."""
    tx.run(
        "INSERT INTO batch (digest, created_at, output, run, delivered) VALUES (?, ?, ?, 1, 0)",
        digest,
        to_micros(now),
        output,
    )
    found = find(tx, digest)
    assert found is not None
    return found


def resume(tx: Transaction, batch: Batch, output: str) -> Batch:
    """Record that somebody works on the batch again."""
    tx.run("UPDATE batch SET run = run + 1, output = ? WHERE id = ?", output, batch.id)
    return batch._replace(run=batch.run + 1, output=output)


def record_delivery(tx: Transaction, batch: Batch, rows: int) -> bool:
    """Record that so many rows have reached the output; False when somebody else works on the batch by now."""
    wanted = "UPDATE batch SET delivered = max(delivered, ?) WHERE id = ? AND run = ?"
    return tx.run(wanted, rows, batch.id, batch.run) == 1


def load_parts(tx: Transaction, batch: Batch) -> list[BatchPart]:
    """Return the parts of the batch in their order."""
    found: Iterator[Any] = tx.each(
        "SELECT first, last, beginning, created_at FROM batch_part WHERE batch = ? ORDER BY first, created_at",
        [batch.id],
    )
    return [BatchPart(first, last, beginning, from_micros(at)) for first, last, beginning, at in found]


def add_part(tx: Transaction, batch: Batch, part: BatchPart) -> None:
    """Record which keys were made at once."""
    tx.run(
        """INSERT INTO batch_part (batch, first, last, beginning, created_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING""",
        batch.id,
        part.first,
        part.last,
        part.id_prefix,
        to_micros(part.created_at),
    )


def is_id_prefix_taken(tx: Transaction, beginning: str) -> bool:
    """Say whether the id of some key begins so."""
    wanted = "SELECT 1 FROM key WHERE id >= ? AND id < ? LIMIT 1"
    return tx.one(wanted, beginning, beginning + AFTER_LAST_ID) is not None


def add_keys(tx: Transaction, keys: Iterable[NewKey]) -> None:
    """Keep new keys, each as the current one of its pair; in order of their ids they cost least."""
    tx.run_many(
        """INSERT INTO key (id, user_number, app_number, auth_type, scopes, digest, created_at, expires_at, label,
        current) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)""",
        keys,
    )


def clear_current(tx: Transaction, key_ids: Iterable[str]) -> None:
    """Let other keys be the current ones of these keys' pairs."""
    tx.run_many("UPDATE key SET current = NULL WHERE id = ?", ((key_id,) for key_id in key_ids))


def replace_digests(tx: Transaction, digests: Mapping[str, bytes]) -> int:
    """Keep new digests of keys that nobody has used or ended, and return how many of them there are."""
    wanted = "UPDATE key SET digest = ? WHERE id = ? AND last_used_at IS NULL AND ended_at IS NULL"
    return tx.run_many(wanted, ((digest, key_id) for key_id, digest in digests.items()))


def load_digests(tx: Transaction, key_ids: Iterable[str]) -> dict[str, bytes]:
    """Return the digests of those keys that there still are."""
    found: dict[str, bytes] = {}
    for some in chunks(key_ids):
        rows: Iterator[Any] = tx.each(f"SELECT id, digest FROM key WHERE id IN ({placeholders(some)})", some)
        found.update(rows)
    return found


def load_last_change_seq(tx: Transaction) -> int:
    """Return the number of the last change that the store has seen; grants, last use and refusals are none."""
    row: Any = audit.load_last_change(tx)
    return 0 if row is None else int(row[0])


def enlarge_cache(tx: Transaction) -> None:
    """Let this connection hold more of the file in memory while it writes many keys."""
    tx.run(f"PRAGMA cache_size = -{CACHE_KIB}")
    tx.one(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
