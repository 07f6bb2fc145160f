"""The audit trail: read, proved whole, and checked without the store from an export of it."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import Problem, ProblemsError
from gamcli.model import AuditEntry
from gamcli.store import hash_chain
from gamcli.store.audit import AuditFilter


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """
    Which entries a list shows; None asks for all, `*` in a text stands for any.

    An `actor` is found by a word too, such as the user behind a sudo; an `action` by its noun.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """A trail that is whole: how many entries it has, and the hash of the last."""

    entries: int
    head: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last entry, whose hash covers all of them."""

    seq: int
    hash: str


@contextmanager
def search(gam: Gam, search: AuditSearch) -> Iterator[Iterator[AuditEntry]]:
    """Read the entries that `search` describes, one by one, while the `with` lasts."""
    action = search.action
    if action is not None and not {".", "*"} & {*action}:
        action = f"{action}.*"
    with gam.store.reading() as tx:
        wanted = AuditFilter(search.actor, action, search.target, search.since, search.until, search.sort)
        yield islice(store.audit.search(tx, wanted), search.limit)


def read_head(gam: Gam) -> AuditHead:
    """Return the last entry; raises StoreTrailError when there is none or it has no hash."""
    with gam.store.reading() as tx:
        found = store.audit.load_head(tx)
        if found is None or not found.hash:
            store.audit.verify(tx)
    assert found is not None, "an empty trail is not whole"
    return AuditHead(*found)


def verify(gam: Gam, known_head: str | None = None) -> AuditVerification:
    """
    Prove that each entry is as it was written; raises StoreTrailError with the first that is not.

    `kept` is the head of an earlier state of the trail, which must be in it still.
    """
    with gam.store.reading() as tx:
        return AuditVerification(*store.audit.verify(tx, known_head))


def verify_export(name: str, lines: Iterable[bytes], known_head: str | None = None) -> AuditVerification:
    """Prove the same of an export in JSON lines; raises FaultsError for a line that is no entry."""
    return AuditVerification(*hash_chain.verify(_parse_rows(name, lines), known_head))


def _parse_rows(name: str, lines: Iterable[bytes]) -> Iterator[hash_chain.Row]:
    for number, line in enumerate(lines, 1):
        try:
            yield _parse_row(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ProblemsError([Problem(name, number, "this is no entry of an audit trail")], EXPORT_HINT) from error


EXPORT_HINT = "FILE is what this wrote, in JSON lines: gamcli audit export -o jsonl"


def _parse_row(entry: Any) -> hash_chain.Row:  # noqa: ANN401 - JSON
    texts = [entry[name] for name in ("at", "actor", "action", "target")]
    if type(entry["seq"]) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError(entry)
    details = json.dumps(entry["details"], ensure_ascii=False, separators=(",", ":"))
    return entry["seq"], *texts, details, entry["hash"]
