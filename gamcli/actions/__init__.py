"""
Everything gamcli can do, one function each: load facts, let a rule decide, keep what it decided.

A file a noun. Each function takes a `Gam` first and opens its own transaction; every change writes its audit entry in
that transaction.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING

from gamcli import store
from gamcli.model import Key, KeyImpact, format_rfc3339
from gamcli.rules.credentials import Entropy
from gamcli.store import Store, Transaction

if TYPE_CHECKING:
    from gamcli.model.plan import Change, Plan


@dataclass(slots=True)
class DryRun:
    """What is only tried: the changes and the keys touched are noted here, and undone in the store."""

    changes: "list[Change]" = field(default_factory=list)
    impacts: list[KeyImpact] = field(default_factory=list)

    def plan(self) -> "Plan":
        """Return what the real thing would do."""
        from gamcli.model.plan import Plan  # noqa: PLC0415 - start-up: plans are rare

        return Plan.from_changes(self.changes, self.impacts)


@dataclass(frozen=True, slots=True)
class Gam:
    """
    What actions work with: the store, the clock (aware, UTC), the dice, and who is acting from where.

    With a `rehearsal`, which goes with `Store.rehearsing`, nobody is asked to accept what a change ends.
    """

    store: Store
    now: Callable[[], datetime]
    entropy: Entropy
    actor: str
    dry_run: DryRun | None = None

    def record(
        self,
        tx: Transaction,
        action: str,
        target: str,
        change: tuple[object, object] | None = None,
        **details: object,
    ) -> None:
        """
        Write the audit entry of a change; `details` never holds a secret.

        `change` is the record before and after, None for one that is not there; what differs is told too.
        """
        before, after = change or (None, None)
        told = differences(before, after) if before is not None and after is not None else {}
        store.audit.add(
            tx, format_rfc3339(self.now()), self.actor, action, target, _encode_details({**told, **details})
        )
        if change is not None:
            self.record_change(action, target, change)

    def record_change(self, action: str, target: str, change: tuple[object, object]) -> None:
        """Note a change of a record that comes with what `record` told."""
        if self.dry_run is not None:
            self.dry_run.changes.append(build_change(action, target, *change))

    def record_impact(self, *impacts: KeyImpact) -> None:
        """Note the live keys that a change ends or suspends."""
        if self.dry_run is not None:
            self.dry_run.impacts.extend(impacts)


def build_change(action: str, target: str, before: object, after: object) -> "Change":
    """Return the step of a plan that an audited `action` (noun.verb) on `target` is."""
    from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, diff_records  # noqa: PLC0415 - start-up: plans are rare

    verb = CREATE if before is None else DELETE if after is None else UPDATE
    kind = action.partition(".")[0].replace("_", "-")
    return Change(verb, kind, _record_name(after) if before is None else target, diff_records(before, after))


def _record_name(record: object) -> str:
    """Return what a new record is called; the id of a key is not known before it is made."""
    return f"{record.user} for {record.app}" if isinstance(record, Key) else str(getattr(record, "name", ""))


def differences(before: object, after: object) -> dict[str, object]:
    """Return the fields in which two records of one kind differ, each as [old, new], secrets left out."""
    found: dict[str, object] = {}
    for each in fields(before):  # type: ignore[arg-type]
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new and each.name != "updated_at":
            found[each.name] = [old, new] if each.repr else "changed"
    return found


def _to_json_value(value: object) -> object:
    if isinstance(value, datetime):
        return format_rfc3339(value)
    return {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]


_encode_details = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_to_json_value).encode
