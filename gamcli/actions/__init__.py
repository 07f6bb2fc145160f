"""
Everything gamcli can do, one function each: load facts, let a rule decide, keep what it decided.

A file a noun. Each function takes a `Gam` first and opens its own transaction; every change writes its audit entry in
that transaction.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime

from gamcli.model import rfc3339
from gamcli.rules.credentials import Entropy
from gamcli.store import Store, Transaction, audit


@dataclass(frozen=True, slots=True)
class Gam:
    """What actions work with: the store, the clock (aware, UTC), the dice, and who is acting from where."""

    store: Store
    now: Callable[[], datetime]
    entropy: Entropy
    actor: str

    def record(self, tx: Transaction, action: str, target: str, **details: object) -> None:
        """Write the audit entry of a change; `details` never holds a secret."""
        text = json.dumps(details, ensure_ascii=False, default=_plain)
        audit.add(tx, rfc3339(self.now()), self.actor, action, target, text)


def differences(before: object, after: object) -> dict[str, object]:
    """Return the fields in which two records of one kind differ, each as [old, new], secrets left out."""
    found: dict[str, object] = {}
    for each in fields(before):  # type: ignore[arg-type]
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new and each.name != "updated_at":
            found[each.name] = [old, new] if each.repr else "changed"
    return found


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]
