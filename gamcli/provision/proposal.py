"""What would be done: the steps that `plan` finds, the keys that they touch, and how both are told."""

from dataclasses import dataclass
from itertools import chain

from gamcli.actions import Gam
from gamcli.actions.changes import load_key_facts
from gamcli.model import Key, KeyImpact
from gamcli.model.manifests import AdoptedObject, ManifestPlan, UnlistedObject
from gamcli.model.plan import UPDATE, Change, FieldChange, diff_records
from gamcli.provision import impacts, snapshot
from gamcli.provision.desired import Desired
from gamcli.provision.draft import RELEASE, DiffOptions, Draft, Step
from gamcli.provision.plan import diff
from gamcli.store import Transaction

UNTOLD = {"managed_by", "expires_at", "default"}
"""
Fields that no change tells: who manages a record and which type is the default are told apart, and when a new key
expires, the hour decides.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked of a plan: to delete what is named no longer, and to take over what others manage."""

    prune: bool = False
    adopt: bool = False


NOTHING_MORE = Options()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A draft and the live keys that it touches."""

    draft: Draft
    impacts: tuple[KeyImpact, ...]

    @property
    def ending(self) -> list[KeyImpact]:
        """The live keys that end for good."""
        return [each for each in self.impacts if each.is_permanent]

    @property
    def changes(self) -> bool:
        """Whether there is anything to do, adoptions left out."""
        return bool(self.draft.steps)

    @property
    def issues(self) -> bool:
        """Whether there are new secrets, which need a place."""
        return any(step.secret is not None for step in self.draft.steps)

    def plan(self) -> ManifestPlan:
        """Return what people and programs are told."""
        draft = self.draft
        return ManifestPlan.build(
            [change(step) for step in draft.steps],
            self.impacts,
            [AdoptedObject(each.kind, each.name, each.owner, each.by) for each in draft.adopts],
            [UnlistedObject(each.kind, each.name) for each in draft.leaves],
        )


def propose(tx: Transaction, gam: Gam, desired: Desired, options: Options) -> Proposal:
    """Return what leads from the state of the store to `desired`; raises FaultsError and ConflictError."""
    terms = DiffOptions(gam.now(), gam.entropy, options.prune, options.adopt)
    draft = diff(desired, snapshot.read(tx, desired), terms)
    facts = chain.from_iterable(load_key_facts(tx, gam, each) for each in impacts.filters(draft.steps))
    return Proposal(draft, impacts.of(draft.steps, facts))


def change(step: Step) -> Change:
    """Return what is told of a step."""
    if step.action == RELEASE:
        owner = getattr(step.before, "managed_by", None)
        return Change(UPDATE, step.kind, step.name, (FieldChange("managed_by", owner, None),))
    told = (each for each in diff_records(step.before, step.after) if each.field not in UNTOLD)
    if isinstance(step.before, Key) and step.action == UPDATE:
        told = (each for each in told if each.field in ("scopes", "auth_type", "label", "api_key"))
    return Change(step.action, step.kind, step.name, tuple(told))
