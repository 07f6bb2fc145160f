"""The audit log: reading it, verifying its hash chain, and recording refused requests."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import NotFoundError, Problem, ProblemsError, command
from gamcli.model import AuditEntry, format_rfc3339
from gamcli.store import hash_chain
from gamcli.store.audit import AuditFilter

NO_APP = "-"
"""The target of an audit entry about requests that named no known application."""


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """A valid audit log: the number of entries and the hash of the last one."""

    entries: int
    head: str


@contextmanager
def search(gam: Gam, filters: AuditFilter, limit: int | None = None) -> Iterator[Iterator[AuditEntry]]:
    """Yield the matching entries; a noun as the action matches all its verbs."""
    filters = filters._replace(action=complete_action(filters.action))
    with gam.store.reading() as tx:
        yield islice(store.audit.search(tx, filters), limit)


def complete_action(action: str | None) -> str | None:
    """Return the pattern of an action; a noun matches all its verbs."""
    return action if action is None or {".", "*"} & {*action} else f"{action}.*"


def show(gam: Gam, seq: int) -> AuditEntry:
    """Return the entry with that number; raises NotFoundError."""
    with gam.store.reading() as tx:
        entry = store.audit.find(tx, seq)
        if entry is None:
            head = store.audit.load_head(tx)
            last = f"the last one is {head.seq}" if head else "the log is empty"
            raise NotFoundError(f"no audit entry {seq}: {last}", command("audit", "list"))
    return entry


def read_head(gam: Gam) -> hash_chain.ChainHead:
    """Return the last entry; raises StoreAuditLogError if there is none or it has no hash."""
    with gam.store.reading() as tx:
        head = store.audit.load_head(tx)
        if head is None or not head.hash:
            store.audit.verify(tx)
    assert head is not None, "verifying an empty audit log fails"
    return head


def verify(gam: Gam, known_head: str | None = None) -> AuditVerification:
    """
    Verify that no audit entry was changed or removed; raises StoreAuditLogError for the first that was.

    `known_head` is an earlier head, which must be in the log.
    """
    with gam.store.reading() as tx:
        return AuditVerification(*store.audit.verify(tx, known_head))


def verify_export(name: str, lines: Iterable[bytes], known_head: str | None = None) -> AuditVerification:
    """Verify an export in JSON lines; raises ProblemsError for a line that is not an audit entry."""
    return AuditVerification(*hash_chain.verify(_parse_rows(name, lines), known_head))


def _parse_rows(name: str, lines: Iterable[bytes]) -> Iterator[hash_chain.Row]:
    for number, line in enumerate(lines, 1):
        try:
            yield _parse_row(json.loads(line, object_pairs_hook=_require_unique, parse_constant=_refuse_constant))
        except (ValueError, TypeError, RecursionError) as error:
            raise ProblemsError([Problem(name, number, "not an audit entry")], EXPORT_HINT) from error


EXPORT_HINT = "FILE must be the output of: gamcli audit export -o jsonl"


def _require_unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON; raises ValueError if two members have the same name."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(pairs)
    return members


def _refuse_constant(name: str) -> object:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(name)


ENTRY_MEMBERS = frozenset(AuditEntry._fields)
"""The members of an exported entry: it must have exactly these."""


def _parse_row(entry: Any) -> hash_chain.Row:  # noqa: ANN401 - JSON
    if type(entry) is not dict or entry.keys() != ENTRY_MEMBERS or type(entry["seq"]) is not int:
        raise TypeError(entry)
    texts = [entry[name] for name in ("at", "actor", "action", "target")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(entry)
    details = json.dumps(entry["details"], ensure_ascii=False, separators=(",", ":"))
    return entry["seq"], *texts, details, entry["hash"]


def record_refusal_counts(gam: Gam, counts: Mapping[str, Mapping[str, int]], since: datetime) -> None:
    """Write one audit entry per client ID ("" for none) with how often each rule refused its requests."""
    with gam.store.writing() as tx:
        for client_id, refused in counts.items():
            app = store.apps.find_by_client_id(tx, client_id) if client_id else None
            details = {} if app is None else {"client_id": app.client_id}
            gam.record(
                tx,
                store.audit.REFUSAL_ACTION,
                NO_APP if app is None else app.name,
                None,
                **details,
                refused=dict(refused),
                since=format_rfc3339(since),
                until=format_rfc3339(gam.now()),
            )
