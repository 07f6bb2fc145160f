"""What a plan is made of while it is made: its steps, what it takes over, and every fault on the way."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeVar

from gamcli.errors import ConflictError, Problem, ProblemsError, UsageError
from gamcli.model import App, AuthType, Key, Repository, User, normalize_name
from gamcli.provision.desired import Desired, DesiredKey, DesiredObject
from gamcli.rules import names
from gamcli.rules.credentials import Entropy, Secret
from gamcli.store.adoptions import Manageable

Fields = dict[str, object]
Judged = TypeVar("Judged")

RELEASE = "release"
"""A step that changes only who manages a record: what a manifest took over, and names no longer, is let go."""

FAULTS = 1000
"""So many faults are told: beyond them something is wrong with the whole."""


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """How a plan is made: the instant, the dice, and whether it deletes (`prune`) and takes from others (`adopt`)."""

    now: datetime
    entropy: Entropy
    prune: bool = False
    adopt: bool = False


COMPARED = 2000
"""So many names are compared with one that nothing has."""


class Step(NamedTuple):
    """One step: a record before and after it, and the secret that it issues, if any."""

    action: str
    kind: str
    name: str
    before: Manageable | Repository | None
    after: Manageable | Repository | None
    secret: Secret | None = None


class Adoption(NamedTuple):
    """A record that is taken over, from nobody (None) or from another owner."""

    kind: str
    name: str
    owner: str | None
    by: str
    record: Manageable


@dataclass(slots=True)
class Draft:
    """
    The store as it will be, and the steps that lead there; records are found by the fold of their names.

    `pairs` are those that a key is wanted for, each a GUID and a client_id, with the name of the user; `current` are
    the keys, alive or not, that pairs have now.
    """

    desired: Desired
    terms: DiffOptions
    auth_types: dict[str, AuthType]
    repository: Repository
    apps: dict[str, App]
    users: dict[str, User]
    current: Mapping[tuple[str, str], Key]
    steps: list[Step] = field(default_factory=list)
    adopts: list[Adoption] = field(default_factory=list)
    leaves: list[Step] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)
    foreign: list[Adoption] = field(default_factory=list)
    held: list[ConflictError] = field(default_factory=list)
    broken: set[tuple[str, str]] = field(default_factory=set)
    pairs: dict[tuple[str, str], str] = field(default_factory=dict)

    def settle(self, wanted: DesiredObject | DesiredKey, step: Step) -> None:
        """Take a step that makes or changes a record, unless there is nothing to change, and see who owns it."""
        if step.before is not None:
            assert not isinstance(step.before, Repository), "a repository has no owner"
            self.own(wanted, step.kind, step.name, step.before, stays=step.kind != "key")
        if step.before is not step.after:
            self.steps.append(step)

    def own(
        self, wanted: DesiredObject | DesiredKey, kind: str, name: str, record: Manageable, *, stays: bool = True
    ) -> None:
        """See to it that the owner of `wanted` manages what `stays`, and that no other owner manages `record`."""
        owner = record.managed_by
        if owner == wanted.owner:
            return
        if owner is not None and not self.terms.adopt:
            self.foreign.append(Adoption(kind, name, owner, wanted.owner, record))
        elif stays:
            self.adopts.append(Adoption(kind, name, owner, wanted.owner, record))

    def judged(self, kind: str, wanted: DesiredObject, judge: Callable[[Fields], Judged]) -> Judged | None:
        """Return what `judge` makes of the fields, or note every fault of theirs, each at its own field."""
        fields = dict(wanted.fields)
        while True:
            try:
                return judge(fields)
            except UsageError as error:
                alone = () if _said(judge, {}) == error.message else fields
                culprit = next((name for name in alone if _said(judge, {name: fields[name]}) == error.message), None)
                near = f"; {error.hint}" if error.hint and error.hint.startswith("did you mean") else ""
                self.refuse(kind, wanted, f"{error.message}{near}", culprit or "")
                if culprit is None:
                    return None
                del fields[culprit]

    def refuse(self, kind: str, wanted: DesiredObject, what: str, field_name: str = "") -> None:
        """Note what is wrong with a record that is wanted: what stands on it is not judged."""
        self.faults.append(wanted.problem(what, field_name))
        self.broken.add((kind, normalize_name(wanted.name)))

    def require_sound(self) -> None:
        """Raise FaultsError for all that is wrong, or ConflictError for what others manage."""
        if self.faults:
            raise ProblemsError(self.faults[:FAULTS])
        if self.held:
            raise self.held[0]
        if self.foreign:
            first, *rest = self.foreign
            more = f", and {len(rest)} more are not yours" if rest else ""
            raise ConflictError(
                f"{first.kind} '{first.name}' is managed by '{first.owner}'{more}", "add --adopt to take over"
            )


def _said(judge: Callable[[Fields], object], fields: Fields) -> str | None:
    try:
        judge(fields)
    except UsageError as error:
        return error.message
    return None


def clashes(claims: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield each text that two identities claim, with the one that came first and the other."""
    first: dict[str, str] = {}
    for text, identity in claims:
        holder = first.setdefault(text, identity)
        if holder != identity:
            yield text, holder, identity


def unknown(noun: str, name: str, known: Iterable[str]) -> str:
    """Return that nothing has that name, with the nearest name that something has."""
    near = names.closest_match(name, islice(known, COMPARED))
    return f"no {noun} named '{name}'" + (f"; did you mean '{near}'?" if near else "")
