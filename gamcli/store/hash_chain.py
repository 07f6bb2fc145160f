"""
The hash chain of the audit log: the hash of an entry covers its content and the hash of the previous entry.

The hash is the SHA-256, in lower-case hex, of a JSON array in UTF-8 without whitespace:

    [previous hash, "" for entry 1, seq, at, actor, action, target, details]

It is what `json.dumps(…, ensure_ascii=False, separators=(",", ":"))` returns for these values, `details` as an object.
Anyone who has the entries can recompute it, since it contains no secret. The format must never change: people keep
hashes outside of the store.
"""

from collections.abc import Iterable
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

from gamcli.errors import StoreAuditLogError

Row = tuple[object, ...]
"""An entry: seq, at, actor, action, target, details, hash."""


class ChainHead(NamedTuple):
    """The number of the last entry, and its hash, which covers all entries."""

    seq: int
    hash: str


def hash_entry(before: str, entry: tuple[int, str, str, str, str, str]) -> str:
    """Return the hash of an entry that follows the one with the hash `before`; `details` must be compact JSON."""
    seq, at, actor, action, target, details = entry
    content = f"{quoted(at)},{quoted(actor)},{quoted(action)},{quoted(target)},{details}"
    return sha256(f"[{quoted(before)},{seq},{content}]".encode("utf-8", "surrogatepass")).hexdigest()


def verify(rows: Iterable[Row], head: str | None = None) -> ChainHead:
    """
    Return the head of the chain; raises StoreAuditLogError for the first entry that does not match.

    `head` is the hash of an earlier entry that must still exist.
    """
    last, before, seen = 0, "", head is None
    row: Any
    for row in rows:
        seq, stored = row[0], row[6]
        if seq != last + 1 or stored != hash_entry(before, row[:6]):
            raise _broken_at(last, seq, stored)
        last, before = seq, stored
        if stored == head:
            seen = True
    if not last:
        raise _broken_at(0, None, None)
    if not seen:
        message = f"no entry has the hash {head}: the last entry is {last}; later entries were removed or rewritten"
        raise StoreAuditLogError(message, COMPARE_HINT)
    return ChainHead(last, before)


COMPARE_HINT = "compare it with an earlier export or backup: gamcli audit export"


def _broken_at(last: int, seq: int | None, stored: str | None) -> StoreAuditLogError:
    """Return the error for the entry that follows entry `last`."""
    expected = last + 1
    if seq is None or seq > expected:
        reason = "the audit log is empty" if seq is None else f"the next entry is {seq}"
        message = f"entry {expected} was removed: {reason}"
    elif seq < expected:
        message = f"entry {seq} was inserted: entries are numbered from 1"
    elif stored is None:
        message = f"entry {expected} was changed or inserted: it has no hash"
    else:
        previous = f" and entry {last}" if last else ""
        message = f"entry {expected} was changed, moved or inserted: its hash does not match its content{previous}"
    return StoreAuditLogError(message, COMPARE_HINT)
