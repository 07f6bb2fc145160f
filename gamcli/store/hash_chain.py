"""
The chain of the audit trail: the hash of an entry covers what it says and the hash of the entry before.

The hash is the SHA-256, in lower-case hex, of a JSON array in UTF-8 without blanks:

    [the hash of the entry before, "" for entry 1, seq, at, actor, action, target, details]

It is what `json.dumps(…, ensure_ascii=False, separators=(",", ":"))` makes of these, `details` as the object that its
text is. Whoever holds the entries recomputes it: no secret is in it. It never changes, for hashes are kept elsewhere.
"""

from collections.abc import Iterable
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

from gamcli.errors import StoreAuditLogError

Row = tuple[object, ...]
"""An entry as the store keeps it: seq, at, actor, action, target, details, hash."""


class ChainHead(NamedTuple):
    """The last entry of a trail: how many there are, and a hash that covers them all."""

    seq: int
    hash: str


def hash_entry(before: str, entry: tuple[int, str, str, str, str, str]) -> str:
    """Return the hash of an entry, its `details` JSON without blanks, that follows the one with the hash `before`."""
    seq, at, actor, action, target, details = entry
    told = f"{quoted(at)},{quoted(actor)},{quoted(action)},{quoted(target)},{details}"
    return sha256(f"[{quoted(before)},{seq},{told}]".encode("utf-8", "surrogatepass")).hexdigest()


def verify(rows: Iterable[Row], head: str | None = None) -> ChainHead:
    """
    Return the head of a trail that is whole; raises StoreTrailError with the first entry that is not as it was written.

    `head` is the hash of an entry that was there once, and has to be there now.
    """
    last, before, seen = 0, "", head is None
    row: Any
    for row in rows:
        seq, kept = row[0], row[6]
        if seq != last + 1 or kept != hash_entry(before, row[:6]):
            raise _broken_at(last, seq, kept)
        last, before = seq, kept
        if kept == head:
            seen = True
    if not last:
        raise _broken_at(0, None, None)
    if not seen:
        told = f"no entry has the hash {head}: the trail ends with entry {last} now, its end was cut off or rewritten"
        raise StoreAuditLogError(told, COMPARE_HINT)
    return ChainHead(last, before)


COMPARE_HINT = "compare with an export or a backup that lies elsewhere: gamcli audit export"


def _broken_at(last: int, seq: int | None, kept: str | None) -> StoreAuditLogError:
    """Return what is wrong with the entry behind the entry `last`."""
    due = last + 1
    if seq is None or seq > due:
        there = "the trail is empty" if seq is None else f"the next that is there is entry {seq}"
        return StoreAuditLogError(f"entry {due} was removed: {there}", COMPARE_HINT)
    if seq < due:
        return StoreAuditLogError(f"entry {seq} was put in: entries count from 1", COMPARE_HINT)
    if kept is None:
        return StoreAuditLogError(f"entry {due} has no hash: it was put in or changed", COMPARE_HINT)
    follows = f" and from entry {last}" if last else ""
    told = f"its hash does not follow from what it says{follows}"
    return StoreAuditLogError(f"entry {due} was changed, moved or put in: {told}", COMPARE_HINT)
