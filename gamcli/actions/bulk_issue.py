"""
Issuing many keys at once, from a validated input file.

A run processes the rows in order, one chunk at a time: one transaction issues the keys of a chunk and records that the
keys of the previous chunk were delivered; then the secrets are delivered. If a run is interrupted, the secrets of at
most one chunk are lost. The next run of the same input finds those keys and gives them new secrets.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.bulk_terms import MICROSECOND
from gamcli.actions.bulk_validation import RERUN_HINT, ValidatedInput, iter_groups, revalidate_chunk
from gamcli.errors import ConflictError
from gamcli.model import Key
from gamcli.rules import bulk_minting as rules
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.store import Transaction
from gamcli.store.batches import Batch, BatchPart, NewKey
from gamcli.store.bulk_rows import RENEWED, REPEATED, BulkChunk, BulkRow, KeyTerms
from gamcli.store.timestamps import to_micros

IMPORTED_PREFIX = ""
"""The prefix of the part of a batch that has its imported keys: their IDs have nothing in common."""

CHUNK_ROWS = 15_000
"""The number of keys issued in one transaction, which blocks token requests for a fraction of a second."""


class DeliveredKey(NamedTuple):
    """A key to deliver, for the row of that number in the input."""

    row: int
    id: str
    user: str
    terms: KeyTerms
    secret: Secret
    expires_at: datetime | None


class MintedChunk(NamedTuple):
    """A chunk with the IDs and secrets of its new keys, which are not saved yet; imported ones have NO_SECRET."""

    chunk: BulkChunk
    part: BatchPart
    new_keys: list[tuple[BulkRow, str, Secret]]


class BulkRun(NamedTuple):
    """A run of a batch; its input is valid as of the audit entry `audit_seq`."""

    batch: Batch
    validated: ValidatedInput
    audit_seq: int


DeliverKeys = Callable[[Sequence[DeliveredKey]], None]
"""Writes the keys to the output and flushes them to disk."""


def find_batch(gam: Gam, digest: bytes) -> Batch | None:
    """Return the batch that an earlier run of the input with that SHA-256 created, or None."""
    with gam.store.reading() as tx:
        return store.batches.find(tx, digest)


def count_delivered(gam: Gam, batch: Batch, keys: Iterable[tuple[str, Secret]]) -> int:
    """Return how many of `keys`, IDs and secrets from the first row on, were issued by the batch."""
    count = 0
    with gam.store.reading() as tx:
        parts: dict[str, list[BatchPart]] = {}
        for part in store.batches.load_parts(tx, batch):
            parts.setdefault(part.id_prefix, []).append(part)
        imported_parts = parts.get(IMPORTED_PREFIX, ())
        for group in iter_groups(keys, CHUNK_ROWS):
            digests = store.batches.load_digests(tx, (key_id for key_id, _ in group))
            for key_id, secret in group:
                row = count + 1
                is_issued = any(
                    part.first <= row <= part.last for part in parts.get(key_id[: rules.ID_PREFIX_LENGTH], ())
                )
                is_imported = any(part.first <= row <= part.last for part in imported_parts) and secret == NO_SECRET
                is_right = key_id not in digests or secret.matches(digests[key_id])
                if not is_right and secret == NO_SECRET:  # imported, or the key of a repeated request
                    is_right = is_imported or store.request_ids.exists_for_key(tx, key_id)
                if not is_right or not (is_issued or (is_imported and key_id)):
                    return count
                count += 1
    return count


def start_run(gam: Gam, validated: ValidatedInput, digest: bytes, output: str) -> BulkRun:
    """Start a run of the input, which writes to `output`."""
    with gam.store.writing() as tx:
        tx.use_more_memory()
        batch = validated.batch
        if store.batches.find(tx, digest) != batch:
            raise _superseded_error()
        is_new = batch is None or (validated.delivered_rows == 0 and batch.delivered > 0)
        if batch is None or is_new:
            batch = store.batches.create(tx, digest, output, gam.now())
        else:
            batch = store.batches.resume(tx, batch, output)
    return BulkRun(batch, validated, validated.audit_seq)


def issue_keys(gam: Gam, run: BulkRun, deliver: DeliverKeys) -> None:
    """Issue the keys of the rows that have none yet, and deliver them in the order of the input."""
    row = run.validated.delivered_rows
    while True:
        with gam.store.reading() as tx:
            chunk = store.bulk_rows.next_chunk(tx, row, CHUNK_ROWS)
            minted = _mint_chunk(tx, gam, chunk) if chunk.rows else None
        with gam.store.writing() as tx:
            if not store.batches.record_delivery(tx, run.batch, row):
                raise _superseded_error()
            if minted is None:
                return
            keys, run = _issue_chunk(tx, gam, run, minted)
        deliver(keys)
        row = chunk.last


def _superseded_error() -> ConflictError:
    return ConflictError("another run of the same input has started", "wait for it to finish")


def _mint_chunk(tx: Transaction, gam: Gam, chunk: BulkChunk) -> MintedChunk:
    """Mint the keys of a chunk; their IDs ascend in the order of the indexes, which makes inserting fast."""
    prefix = rules.mint_id_prefix(gam.entropy)
    while store.batches.is_id_prefix_taken(tx, prefix):
        prefix = rules.mint_id_prefix(gam.entropy)
    rows = [row for row in chunk.rows if not row.outcome and row.key_id is None]
    ids = rules.mint_ids(prefix, len(rows), gam.entropy)
    secrets = rules.mint_secrets(ids, gam.entropy)
    part = BatchPart(chunk.first, chunk.last, prefix, gam.now())
    imported = [(row, row.key_id, NO_SECRET) for row in chunk.rows if not row.outcome and row.key_id is not None]
    return MintedChunk(chunk, part, [*zip(rows, ids, secrets, strict=True), *imported])


def _issue_chunk(tx: Transaction, gam: Gam, run: BulkRun, minted: MintedChunk) -> tuple[list[DeliveredKey], BulkRun]:
    """Save the keys of a chunk, which is validated again if the store has changed."""
    head = store.batches.load_last_change_seq(tx)
    if head != run.audit_seq or store.batches.is_id_prefix_taken(tx, minted.part.id_prefix):
        minted = _mint_chunk(tx, gam, revalidate_chunk(tx, gam.now(), minted.chunk))
    chunk = minted.chunk
    renewed = [row for row in chunk.rows if row.outcome == RENEWED]
    repeated = [row for row in chunk.rows if row.outcome == REPEATED]
    keys = [*_renew_undelivered(tx, gam, run.batch, renewed, chunk.terms), *_add_new_keys(tx, run.batch, minted)]
    if repeated:
        keys += _repeat_without_secrets(tx, run.batch, repeated, chunk.terms)
    if run.validated.has_requests:
        ids_by_row = {row.row: key_id for row, key_id, _ in minted.new_keys}
        store.request_ids.save_pending(tx, chunk.first, chunk.last, ids_by_row)
    _record_chunk(tx, gam, run.batch, minted, keys)
    keys.sort(key=lambda key: key.row)
    # After a change by another process the sequence number stays behind, so that every later chunk is validated again.
    return keys, run._replace(audit_seq=store.batches.load_last_change_seq(tx)) if head == run.audit_seq else run


def _record_chunk(tx: Transaction, gam: Gam, batch: Batch, minted: MintedChunk, keys: Sequence[DeliveredKey]) -> None:
    """Write the audit entries of a chunk: one for the keys that it issues, and one for those that it imports."""
    rows = minted.chunk.rows
    lines = [min(row.line for row in rows), max(row.line for row in rows)]
    new_ids = {key_id for row, key_id, _ in minted.new_keys if row.key_id is None}
    imported_ids = {row.key_id for row, _, _ in minted.new_keys if row.key_id is not None}
    renewed_ids = {row.current_key for row in rows if row.outcome == RENEWED}
    details: dict[str, object] = {"made": len(new_ids), "renewed": len(renewed_ids)}
    details["beginning"] = minted.part.id_prefix
    details["keys"] = _owners_by_app(key for key in keys if key.id in new_ids)
    details["reissued"] = _owners_by_app(key for key in keys if key.id in renewed_ids)
    if new_ids or renewed_ids or not imported_ids:
        gam.record(tx, "key.generate", f"batch {batch.id}", None, lines=lines, **details)
    if imported_ids:
        owners = _owners_by_app(key for key in keys if key.id in imported_ids)
        gam.record(tx, "key.import", f"batch {batch.id}", None, lines=lines, made=len(imported_ids), keys=owners)


def _owners_by_app(keys: Iterable[DeliveredKey]) -> dict[str, dict[str, str]]:
    """Return the users of keys by application and key ID, for the audit entry; `audit list --key` finds them."""
    owners: dict[str, dict[str, str]] = {}
    for key in keys:
        owners.setdefault(key.terms.name, {})[key.id] = key.user
    return owners


def _add_new_keys(tx: Transaction, batch: Batch, minted: MintedChunk) -> list[DeliveredKey]:
    """Save new keys, each as the current one of its user and application."""
    if not minted.new_keys:
        return []
    terms, now = minted.chunk.terms, minted.part.created_at
    store.batches.clear_current(tx, (row.current_key for row, _, _ in minted.new_keys if row.current_key))
    store.batches.add_keys(tx, _new_key_rows(minted, to_micros(now)))
    store.batches.add_part(tx, batch, minted.part)
    if minted.new_keys[-1][0].key_id is not None:
        store.batches.add_part(tx, batch, minted.part._replace(id_prefix=IMPORTED_PREFIX))
    expires_at = {
        each.id: None if each.lifetime_us is None else now + each.lifetime_us * MICROSECOND for each in terms.values()
    }
    return [
        DeliveredKey(row.row, key_id, row.name, terms[row.terms], secret, expires_at[row.terms])
        for row, key_id, secret in minted.new_keys
    ]


def _new_key_rows(minted: MintedChunk, now: int) -> list[NewKey]:
    values = {
        each.id: (each.app, each.scopes, None if each.lifetime_us is None else now + each.lifetime_us)
        for each in minted.chunk.terms.values()
    }
    key_rows: list[NewKey] = []
    for row, key_id, secret in minted.new_keys:
        app, scopes, expires_at = values[row.terms]
        digest = secret.digest() if row.digest is None else bytes.fromhex(row.digest)
        key_rows.append((key_id, row.user, app, scopes, digest, now, expires_at, row.label))
    return key_rows


def _renew_undelivered(
    tx: Transaction, gam: Gam, batch: Batch, rows: list[BulkRow], terms: dict[int, KeyTerms]
) -> list[DeliveredKey]:
    """Give new secrets to keys that were never delivered."""
    keys = [key for row in rows if (key := store.keys.find(tx, row.current_key or ""))]
    secrets = rules.mint_secrets([key.id for key in keys], gam.entropy)
    count = store.batches.replace_digests(
        tx, {key.id: secret.digest() for key, secret in zip(keys, secrets, strict=True)}
    )
    if count != len(rows):
        raise ConflictError("keys of this input were used or revoked during the run", RERUN_HINT)
    return _previously_issued(tx, batch, list(zip(rows, keys, secrets, strict=True)), terms)


def _repeat_without_secrets(
    tx: Transaction, batch: Batch, rows: list[BulkRow], terms: dict[int, KeyTerms]
) -> list[DeliveredKey]:
    """Return the keys of repeated requests without secrets, because they were delivered before."""
    keys = [key for row in rows if (key := store.keys.find(tx, row.current_key or ""))]
    if len(keys) != len(rows):
        raise ConflictError("keys of this input were deleted during the run", RERUN_HINT)
    return _previously_issued(tx, batch, [(row, key, NO_SECRET) for row, key in zip(rows, keys, strict=True)], terms)


def _previously_issued(
    tx: Transaction, batch: Batch, keys: list[tuple[BulkRow, Key, Secret]], terms: dict[int, KeyTerms]
) -> list[DeliveredKey]:
    for prefix, created_at in {
        (IMPORTED_PREFIX if row.key_id else key.id[: rules.ID_PREFIX_LENGTH], key.created_at) for row, key, _ in keys
    }:
        first, last = min(row.row for row, _, _ in keys), max(row.row for row, _, _ in keys)
        store.batches.add_part(tx, batch, BatchPart(first, last, prefix, created_at))
    return [
        DeliveredKey(
            row.row, key.id, key.user, terms[row.terms]._replace(scopes="+".join(key.scopes)), secret, key.expires_at
        )
        for row, key, secret in keys
    ]
