"""The plan of a set of manifests: beside its changes, what it takes over and what it leaves alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from gamcli.model import KeyImpact
from gamcli.model.plan import Change, Plan


@dataclass(frozen=True, slots=True)
class AdoptedObject:
    """What a manifest takes over as it is: from nobody (`from_owner` None) or from another owner."""

    kind: str
    name: str
    from_owner: str | None
    owner: str


@dataclass(frozen=True, slots=True)
class UnlistedObject:
    """What a manifest named once and names no longer: it stays until `--prune`."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ManifestPlan(Plan):
    """What would be done for manifests; `adopts` and `leaves` are no changes."""

    adopts: tuple[AdoptedObject, ...] = ()
    leaves: tuple[UnlistedObject, ...] = ()

    @classmethod
    def build(
        cls,
        changes: Sequence[Change],
        impacts: Sequence[KeyImpact],
        adopts: Sequence[AdoptedObject],
        leaves: Sequence[UnlistedObject],
    ) -> "ManifestPlan":
        """Return the plan of `changes`, which touch the keys of `impacts`."""
        plan = Plan.from_changes(changes, impacts)
        return cls(plan.changes, plan.invalidates, plan.suspends, plan.summary, tuple(adopts), tuple(leaves))
