"""
Everything gamcli can do, one function each: load the facts, ask the rules, save the result, write the audit entry.

There is one module per noun. Each function takes a `Gam` first and runs in one transaction, audit entry included.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from gamcli import store
from gamcli.model import SECRET_FIELDS, Key, KeyImpact, format_rfc3339
from gamcli.rules import durations
from gamcli.rules.credentials import Entropy
from gamcli.store import Store, Transaction

if TYPE_CHECKING:
    from gamcli.model.plan import Change, Plan


@dataclass(slots=True)
class DryRun:
    """The changes of a dry run and the keys they affect; the store rolls the changes back."""

    changes: "list[Change]" = field(default_factory=list)
    impacts: list[KeyImpact] = field(default_factory=list)

    def plan(self) -> "Plan":
        from gamcli.model.plan import Plan  # noqa: PLC0415 - start-up: plans are rare

        return Plan.from_changes(self.changes, self.impacts)


@dataclass(frozen=True, slots=True)
class Gam:
    """
    The context of every action: the store, the clock (aware, UTC), the random source and the actor for the audit log.

    With a `dry_run`, which needs a store that rolls back, no change has to be confirmed.
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
        change: "tuple[NamedTuple | None, NamedTuple | None] | None" = None,
        **details: object,
    ) -> None:
        """
        Write an audit entry; `details` must not contain a secret.

        `change` is the record before and after it, None where there is none; changed fields are added to the details.
        """
        before, after = change or (None, None)
        changed = differences(before, after) if before is not None and after is not None else {}
        store.audit.add(
            tx, format_rfc3339(self.now()), self.actor, action, target, _encode_details({**changed, **details})
        )
        if change is not None:
            self.record_change(action, target, change)

    def record_change(self, action: str, target: str, change: "tuple[NamedTuple | None, NamedTuple | None]") -> None:
        """Add a change to the plan of a dry run, for a change that is part of another audit entry."""
        if self.dry_run is not None:
            self.dry_run.changes.append(_build_change(action, target, *change))

    def record_impact(self, *impacts: KeyImpact) -> None:
        """Add the active keys that a change invalidates or suspends to the plan of a dry run."""
        if self.dry_run is not None:
            self.dry_run.impacts.extend(impacts)


def _build_change(action: str, target: str, before: object, after: object) -> "Change":
    from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, diff_records  # noqa: PLC0415 - start-up: plans are rare

    verb = CREATE if before is None else DELETE if after is None else UPDATE
    kind = action.partition(".")[0].replace("_", "-")
    if before is None:  # the ID of a new key is unknown until it is issued
        target = f"{after.user} for {after.app}" if isinstance(after, Key) else str(getattr(after, "name", ""))
    return Change(verb, kind, target, diff_records(before, after))


def differences(before: NamedTuple, after: NamedTuple) -> dict[str, object]:
    """Return the fields in which two records of the same type differ as [old, new], without secrets."""
    changed: dict[str, object] = {}
    for name, old, new in zip(before._fields, before, after, strict=True):
        if old != new and name != "updated_at":
            changed[name] = "changed" if name in SECRET_FIELDS else [old, new]
    return changed


def _to_json_value(value: object) -> object:
    if isinstance(value, datetime):
        return format_rfc3339(value)
    if isinstance(value, timedelta):
        return durations.format_duration(value) or "0"
    return {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]


_encode_details = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_to_json_value).encode
