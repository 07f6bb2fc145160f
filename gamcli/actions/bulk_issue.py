"""
Many keys at once, of an input that was checked.

A run works through the rows in their order, a chunk at a time: one transaction makes the keys of a chunk and records
that those of the chunk before have been delivered; then the secrets leave. Whatever ends a run, at most one chunk of
keys has secrets that nobody saw. The next run of the same input finds them by that mark and gives them fresh ones.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.bulk_validation import MICROSECOND, RERUN_HINT, ValidatedInput, iter_groups, revalidate_chunk
from gamcli.errors import ConflictError
from gamcli.model import Key
from gamcli.rules import bulk_minting as rules
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.store import Transaction
from gamcli.store.batches import Batch, BatchPart, NewKey
from gamcli.store.bulk_rows import RENEWED, REPEATED, BulkChunk, BulkRow, KeyTerms
from gamcli.store.timestamps import to_micros

CHUNK_ROWS = 15_000
"""So many keys are made in one transaction: a request for a token waits for it for a fraction of a second."""


class DeliveredKey(NamedTuple):
    """A key as it is delivered; `row` is its row of the input, `terms` tell the application and the scopes."""

    row: int
    id: str
    user: str
    terms: KeyTerms
    secret: Secret
    expires_at: datetime | None


class MintedChunk(NamedTuple):
    """Keys of a chunk that are minted and not yet kept: rows that get a new key, with its id and secret."""

    chunk: BulkChunk
    part: BatchPart
    new_keys: list[tuple[BulkRow, str, Secret]]


class BulkRun(NamedTuple):
    """What goes on: the batch, its checked input, and the audit entry at which both are known to be right."""

    batch: Batch
    validated: ValidatedInput
    audit_seq: int


DeliverKeys = Callable[[Sequence[DeliveredKey]], None]
"""Takes secrets to where they belong, so that not even a power cut loses them."""


def find_batch(gam: Gam, digest: bytes) -> Batch | None:
    """Return the batch that earlier runs of the input with that SHA-256 have begun, or None."""
    with gam.store.reading() as tx:
        return store.batches.find(tx, digest)


def count_delivered(gam: Gam, batch: Batch, keys: Iterable[tuple[str, Secret]]) -> int:
    """Return how many of `keys`, ids and secrets from the first row on, are those that the batch made."""
    count = 0
    with gam.store.reading() as tx:
        parts: dict[str, list[BatchPart]] = {}
        for part in store.batches.load_parts(tx, batch):
            parts.setdefault(part.id_prefix, []).append(part)
        for group in iter_groups(keys, CHUNK_ROWS):
            kept = store.batches.load_digests(tx, (key_id for key_id, _ in group))
            for key_id, secret in group:
                its = parts.get(key_id[: rules.ID_PREFIX_LENGTH], ())
                is_made = any(part.first <= count + 1 <= part.last for part in its)
                if not is_made or not (key_id not in kept or _matches_key(tx, key_id, secret, kept[key_id])):
                    return count
                count += 1
    return count


def _matches_key(tx: Transaction, key_id: str, secret: Secret, digest: bytes) -> bool:
    """Say whether a row says of a key what it must; that of a repeated request says no secret."""
    return secret.matches(digest) or (secret == NO_SECRET and store.request_ids.exists_for_key(tx, key_id))


def start_run(gam: Gam, validated: ValidatedInput, digest: bytes, output: str) -> BulkRun:
    """Record that a run of the input begins; what is written to `output` from now on is its own."""
    with gam.store.writing() as tx:
        store.batches.enlarge_cache(tx)
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
    """Make the keys of the rows that have none yet, and `deliver` them in the order of the input."""
    row = run.validated.delivered_rows
    while True:
        with gam.store.reading() as tx:
            chunk = store.bulk_rows.next_chunk(tx, row, CHUNK_ROWS)
            draft = _mint_chunk(tx, gam, chunk) if chunk.rows else None
        with gam.store.writing() as tx:
            if not store.batches.record_delivery(tx, run.batch, row):
                raise _superseded_error()
            if draft is None:
                return
            made, run = _issue_chunk(tx, gam, run, draft)
        deliver(made)
        row = chunk.last


def _superseded_error() -> ConflictError:
    return ConflictError("another run of the same input has begun", "let that one end")


def _mint_chunk(tx: Transaction, gam: Gam, chunk: BulkChunk) -> MintedChunk:
    """Mint the keys of a chunk; their ids ascend with the numbers of users and applications, as the indexes do."""
    beginning = rules.mint_id_prefix(gam.entropy)
    while store.batches.is_id_prefix_taken(tx, beginning):
        beginning = rules.mint_id_prefix(gam.entropy)
    fresh = [row for row in chunk.rows if not row.outcome]
    ids = rules.mint_ids(beginning, len(fresh), gam.entropy)
    secrets = rules.mint_secrets(ids, gam.entropy)
    return MintedChunk(
        chunk, BatchPart(chunk.first, chunk.last, beginning, gam.now()), list(zip(fresh, ids, secrets, strict=True))
    )


def _issue_chunk(tx: Transaction, gam: Gam, run: BulkRun, minted: MintedChunk) -> tuple[list[DeliveredKey], BulkRun]:
    """Keep the keys of a draft, unless the store has changed so that they cannot be."""
    head = store.batches.load_last_change_seq(tx)
    if head != run.audit_seq or store.batches.is_id_prefix_taken(tx, minted.part.id_prefix):
        minted = _mint_chunk(tx, gam, revalidate_chunk(tx, gam.now(), minted.chunk))
    renewed = [row for row in minted.chunk.rows if row.outcome == RENEWED]
    repeated = [row for row in minted.chunk.rows if row.outcome == REPEATED]
    made = [*_renew_undelivered(tx, gam, run.batch, renewed, minted.chunk.terms), *_add_new_keys(tx, run.batch, minted)]
    if run.validated.has_requests:
        made += _repeat_without_secrets(tx, run.batch, repeated, minted.chunk.terms)
        new = {row.row: key_id for row, key_id, _ in minted.new_keys}
        store.request_ids.save_pending(tx, minted.chunk.first, minted.chunk.last, new)
    lines = [min(row.line for row in minted.chunk.rows), max(row.line for row in minted.chunk.rows)]
    told = {"made": len(minted.new_keys), "renewed": len(renewed), "beginning": minted.part.id_prefix}
    gam.record(tx, "key.generate", f"batch {run.batch.id}", None, lines=lines, **told)
    in_order: list[DeliveredKey] = [made[0]] * len(made)
    for each in made:
        in_order[each.row - minted.chunk.first] = each
    # Whoever changed the store may have done it after this input was checked: from then on each chunk is checked again.
    return in_order, run._replace(audit_seq=store.batches.load_last_change_seq(tx)) if head == run.audit_seq else run


def _add_new_keys(tx: Transaction, batch: Batch, minted: MintedChunk) -> list[DeliveredKey]:
    """Keep new keys, each as the current one of its pair."""
    if not minted.new_keys:
        return []
    terms, now = minted.chunk.terms, minted.part.created_at
    store.batches.clear_current(tx, (row.current_key for row, _, _ in minted.new_keys if row.current_key))
    store.batches.add_keys(tx, _new_key_rows(minted, to_micros(now)))
    store.batches.add_part(tx, batch, minted.part)
    expires_at = {
        each.id: None if each.lifetime_us is None else now + each.lifetime_us * MICROSECOND for each in terms.values()
    }
    return [
        DeliveredKey(row.row, key_id, row.name, terms[row.terms], secret, expires_at[row.terms])
        for row, key_id, secret in minted.new_keys
    ]


def _new_key_rows(minted: MintedChunk, now: int) -> list[NewKey]:
    carried = {
        each.id: (each.app, each.auth_type, each.scopes, None if each.lifetime_us is None else now + each.lifetime_us)
        for each in minted.chunk.terms.values()
    }
    found: list[NewKey] = []
    for row, key_id, secret in minted.new_keys:
        app, auth_type, scopes, expires_at = carried[row.terms]
        found.append((key_id, row.user, app, auth_type, scopes, secret.digest(), now, expires_at, row.label))
    return found


def _renew_undelivered(
    tx: Transaction, gam: Gam, batch: Batch, rows: list[BulkRow], terms: dict[int, KeyTerms]
) -> list[DeliveredKey]:
    """Give keys that reached nobody fresh secrets."""
    keys = [key for row in rows if (key := store.keys.find(tx, row.current_key or ""))]
    secrets = rules.mint_secrets([key.id for key in keys], gam.entropy)
    count = store.batches.replace_digests(
        tx, {key.id: secret.digest() for key, secret in zip(keys, secrets, strict=True)}
    )
    if count != len(rows):
        raise ConflictError("keys of this input were used or ended while it was checked", RERUN_HINT)
    return _previously_issued(tx, batch, list(zip(rows, keys, secrets, strict=True)), terms)


def _repeat_without_secrets(
    tx: Transaction, batch: Batch, rows: list[BulkRow], terms: dict[int, KeyTerms]
) -> list[DeliveredKey]:
    """Return the keys of requests that were made before, without secrets: these have reached their owners."""
    keys = [key for row in rows if (key := store.keys.find(tx, row.current_key or ""))]
    if len(keys) != len(rows):
        raise ConflictError("keys of this input were deleted while it was checked", RERUN_HINT)
    return _previously_issued(tx, batch, [(row, key, NO_SECRET) for row, key in zip(rows, keys, strict=True)], terms)


def _previously_issued(
    tx: Transaction, batch: Batch, found: list[tuple[BulkRow, Key, Secret]], terms: dict[int, KeyTerms]
) -> list[DeliveredKey]:
    for beginning, created_at in {(key.id[: rules.ID_PREFIX_LENGTH], key.created_at) for _, key, _ in found}:
        first, last = min(row.row for row, _, _ in found), max(row.row for row, _, _ in found)
        store.batches.add_part(tx, batch, BatchPart(first, last, beginning, created_at))
    return [
        DeliveredKey(
            row.row, key.id, key.user, terms[row.terms]._replace(scopes="+".join(key.scopes)), secret, key.expires_at
        )
        for row, key, secret in found
    ]
