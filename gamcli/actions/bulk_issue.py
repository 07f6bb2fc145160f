"""
Issuing many keys at once, from a validated input file.

A run processes the rows in order, one chunk at a time: one transaction issues the keys of a chunk and records that the
keys of the previous chunk were delivered; then the secrets are delivered. If a run is interrupted, the secrets of at
most one chunk are lost. The next run of the same input finds those keys and gives them new secrets.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.bulk_terms import MICROSECOND, TermsResolver
from gamcli.actions.bulk_validation import (
    RERUN_HINT,
    ValidatedInput,
    conflict_message,
    iter_groups,
    repeat_outcome,
)
from gamcli.actions.keys import require_new
from gamcli.errors import ConflictError, GamcliError, NotFoundError
from gamcli.model import Key
from gamcli.rules.credentials import (
    API_KEY_ID_PREFIX_LENGTH,
    NO_SECRET,
    Secret,
    mint_api_key_id_prefix,
    mint_api_key_ids,
    mint_api_keys,
)
from gamcli.store import Transaction
from gamcli.store.batches import Batch, BatchPart, NewKey
from gamcli.store.bulk_rows import RENEWED, REPEATED, BulkChunk, BulkRow, BulkUser, KeyTerms
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
                    part.first <= row <= part.last for part in parts.get(key_id[:API_KEY_ID_PREFIX_LENGTH], ())
                )
                is_imported = any(part.first <= row <= part.last for part in imported_parts) and secret == NO_SECRET
                is_right = key_id not in digests or secret.matches(digests[key_id])
                if not is_right and secret == NO_SECRET:  # imported, or the key of a repeated request
                    is_right = is_imported or store.request_ids.exists_for_key(tx, key_id)
                if not is_right or not (is_issued or (is_imported and key_id)):
                    return count
                count += 1
    return count


def start_run(gam: Gam, validated: ValidatedInput, digest: bytes, output: str) -> ValidatedInput:
    """Start a run of the input, which writes to `output`; the result has its batch."""
    with gam.store.writing() as tx:
        tx.use_more_memory()
        batch = validated.batch
        if store.batches.find(tx, digest) != batch:
            raise _superseded_error()
        if batch is None or (validated.delivered_rows == 0 and batch.delivered > 0):
            batch = store.batches.create(tx, digest, output, gam.now())
        else:
            batch = store.batches.resume(tx, batch, output)
    return validated._replace(batch=batch)


def issue_keys(gam: Gam, validated: ValidatedInput, deliver: DeliverKeys) -> None:
    """Issue the keys of the rows that have none yet, and deliver them in the order of the input."""
    batch, row, audit_seq = validated.batch, validated.delivered_rows, validated.audit_seq
    assert batch is not None, "the run was started"
    while True:
        with gam.store.reading() as tx:
            chunk = store.bulk_rows.next_chunk(tx, row, CHUNK_ROWS)
            minted = _mint_chunk(tx, gam, chunk) if chunk.rows else None
        with gam.store.writing() as tx:
            if not store.batches.record_delivery(tx, batch, row):
                raise _superseded_error()
            if minted is None:
                return
            is_unchanged = store.batches.load_last_change_seq(tx) == audit_seq
            if not is_unchanged or store.batches.is_id_prefix_taken(tx, minted.part.id_prefix):
                minted = _mint_chunk(tx, gam, revalidate_chunk(tx, gam.now(), chunk))
            keys = _issue_chunk(tx, gam, batch, minted)
            if validated.has_requests:
                ids_by_row = {row.row: key_id for row, key_id, _ in minted.new_keys}
                store.request_ids.save_pending(tx, chunk.first, chunk.last, ids_by_row)
            if is_unchanged:  # otherwise the number stays behind, so that every later chunk is validated again
                audit_seq = store.batches.load_last_change_seq(tx)
        deliver(keys)
        row = chunk.last


def _superseded_error() -> ConflictError:
    return ConflictError("another run of the same input has started", "wait for it to finish")


def _mint_chunk(tx: Transaction, gam: Gam, chunk: BulkChunk) -> MintedChunk:
    """Mint the keys of a chunk; their IDs ascend in the order of the indexes, which makes inserting fast."""
    prefix = mint_api_key_id_prefix(gam.entropy)
    while store.batches.is_id_prefix_taken(tx, prefix):
        prefix = mint_api_key_id_prefix(gam.entropy)
    rows = [row for row in chunk.rows if not row.outcome and row.key_id is None]
    ids = mint_api_key_ids(prefix, len(rows), gam.entropy)
    secrets = mint_api_keys(ids, gam.entropy)
    part = BatchPart(chunk.first, chunk.last, prefix, gam.now())
    imported = [(row, row.key_id, NO_SECRET) for row in chunk.rows if not row.outcome and row.key_id is not None]
    return MintedChunk(chunk, part, [*zip(rows, ids, secrets, strict=True), *imported])


def revalidate_chunk(tx: Transaction, now: datetime, chunk: BulkChunk) -> BulkChunk:
    """Validate a chunk again after a change of the store; raises ConflictError if a row is no longer valid."""
    terms: list[KeyTerms] = []
    resolver = TermsResolver(tx, now, terms.append)
    users = store.bulk_rows.find_users_by_number(tx, list({row.user for row in chunk.rows}))
    current = {row: key for row, _, key in store.bulk_rows.find_current_keys(tx, chunk.first, chunk.last)}
    repeated = {
        row: (request, request_json, key)
        for row, _, request_json, request, key in store.request_ids.find_repeated(tx, chunk.first, chunk.last)
    }
    rows = []
    for row in chunk.rows:
        earlier, user = chunk.terms[row.terms], users.get(row.user)
        try:
            if row.row in repeated:
                request = repeated[row.row][0]
                outcome = repeat_outcome(now, *repeated[row.row])
                valid = _revalidate_row(resolver, row, earlier, user, None)
                rows.append(valid._replace(current_key=request.key_id, outcome=outcome))
            else:
                rows.append(_revalidate_row(resolver, row, earlier, user, current.get(row.row)))
        except GamcliError as error:
            raise ConflictError(f"line {row.line} is no longer valid: {error.message}", RERUN_HINT) from error
    return chunk._replace(rows=rows, terms={each.id: each for each in terms})


def _revalidate_row(
    resolver: TermsResolver, row: BulkRow, earlier: KeyTerms, user: BulkUser | None, key: Key | None
) -> BulkRow:
    if user is None:
        raise NotFoundError(f"user '{row.name}' was deleted")
    if row.key_id is not None and row.digest is not None and row.outcome is None:
        require_new(resolver.tx, row.key_id, bytes.fromhex(row.digest))
    terms = resolver.resolve(user, earlier.client_id, earlier.requested_scopes, earlier.expires_in)
    if key is not None and key.is_valid(resolver.now) and not (row.outcome and key.id == row.current_key):
        raise ConflictError(conflict_message(key))
    return row._replace(terms=terms.id, current_key=None if key is None else key.id)


def _issue_chunk(tx: Transaction, gam: Gam, batch: Batch, minted: MintedChunk) -> list[DeliveredKey]:
    """Save the keys of a chunk, and return them in the order of the input."""
    keys = [
        *_find_existing_keys(tx, gam, batch, minted.chunk, RENEWED),
        *_find_existing_keys(tx, gam, batch, minted.chunk, REPEATED),
        *_add_new_keys(tx, batch, minted),
    ]
    _record_chunk(tx, gam, batch, minted, keys)
    return sorted(keys, key=lambda key: key.row)


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


def _add_new_keys(tx: Transaction, batch: Batch, minted: MintedChunk) -> Iterator[DeliveredKey]:
    """Save new keys, each as the current one of its user and application."""
    if not minted.new_keys:
        return
    terms, now = minted.chunk.terms, minted.part.created_at
    now_us = to_micros(now)
    expiry: dict[int, tuple[int, datetime] | tuple[None, None]] = {
        each.id: (None, None)
        if each.lifetime_us is None
        else (now_us + each.lifetime_us, now + each.lifetime_us * MICROSECOND)
        for each in terms.values()
    }

    def build_row(row: BulkRow, key_id: str, secret: Secret) -> NewKey:
        of_row = terms[row.terms]
        digest = secret.digest() if row.digest is None else bytes.fromhex(row.digest)
        return key_id, row.user, of_row.app, of_row.scopes, digest, now_us, expiry[row.terms][0], row.label

    store.batches.clear_current(tx, (row.current_key for row, _, _ in minted.new_keys if row.current_key))
    store.batches.add_keys(tx, starmap(build_row, minted.new_keys))
    store.batches.add_part(tx, batch, minted.part)
    if minted.new_keys[-1][0].key_id is not None:
        store.batches.add_part(tx, batch, minted.part._replace(id_prefix=IMPORTED_PREFIX))
    for row, key_id, secret in minted.new_keys:
        yield DeliveredKey(row.row, key_id, row.name, terms[row.terms], secret, expiry[row.terms][1])


def _find_existing_keys(
    tx: Transaction, gam: Gam, batch: Batch, chunk: BulkChunk, outcome: int
) -> Iterator[DeliveredKey]:
    """Yield the keys that rows have already: with a new secret when RENEWED, without when REPEATED."""
    rows = [row for row in chunk.rows if row.outcome == outcome]
    found = store.keys.find_all(tx, (row.current_key or "" for row in rows))
    keys = [found[row.current_key] for row in rows if row.current_key in found]
    secrets, count = [NO_SECRET for _ in keys], len(keys)
    if outcome == RENEWED:
        secrets = mint_api_keys([key.id for key in keys], gam.entropy)
        digests = {key.id: secret.digest() for key, secret in zip(keys, secrets, strict=True)}
        count = store.batches.replace_digests(tx, digests)
    if count != len(rows):
        change = "used or revoked" if outcome == RENEWED else "deleted"
        raise ConflictError(f"keys of this input were {change} during the run", RERUN_HINT)
    for prefix, created_at in {
        (IMPORTED_PREFIX if row.key_id else key.id[:API_KEY_ID_PREFIX_LENGTH], key.created_at)
        for row, key in zip(rows, keys, strict=True)
    }:
        first, last = min(row.row for row in rows), max(row.row for row in rows)
        store.batches.add_part(tx, batch, BatchPart(first, last, prefix, created_at))
    for row, key, secret in zip(rows, keys, secrets, strict=True):
        terms = chunk.terms[row.terms]._replace(scopes="+".join(key.scopes))
        yield DeliveredKey(row.row, key.id, key.user, terms, secret, key.expires_at)
