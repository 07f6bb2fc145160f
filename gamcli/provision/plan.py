"""Execution plans: the steps that lead to the desired state, and the keys that they invalidate or suspend."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from gamcli.model import App, Key, KeyImpact, Repository, format_rfc3339
from gamcli.model.plan import (
    DELETE,
    UPDATE,
    AdoptedObject,
    Change,
    FieldChange,
    ManifestPlan,
    UnlistedObject,
    diff_records,
)
from gamcli.provision.desired import Desired, DesiredKey, DesiredObject
from gamcli.rules import durations
from gamcli.rules.credentials import Secret
from gamcli.store.adoptions import Manageable

Pair = tuple[str, str]
"""The GUID of a user and the client ID of an application: a pair has at most one current key."""

RELEASE = "release"
"""A step that only clears the owner of an adopted object that the manifests no longer list."""

HIDDEN_FIELDS = {"managed_by", "expires_at", "default"}
"""Fields that changes leave out: owner and default are shown separately, expiry depends on the time of apply."""

KEY_FIELDS = ("scopes", "label", "api_key")
"""The fields shown for a key that replaces another."""


class PlanOptions(NamedTuple):
    """Whether to delete objects that are no longer listed, and to take over objects of other owners."""

    prune: bool = False
    adopt: bool = False


class Step(NamedTuple):
    """
    One step: a record before and after it, and the secret that it issues, if any.

    `item` is what the manifests ask for, None for what they no longer list. A key that is renewed stays valid for
    `overlap`; `note` says why it is renewed.
    """

    action: str
    kind: str
    name: str
    before: Manageable | Repository | None
    after: Manageable | Repository | None
    secret: Secret | None = None
    item: DesiredObject | DesiredKey | None = None
    overlap: timedelta | None = None
    note: str = ""

    def change(self) -> Change:
        """Return the step as plans show it."""
        owner = self.item.owner if self.item else getattr(self.before, "managed_by", None)
        place = self.item.location if self.item else None
        action = UPDATE if self.action == RELEASE else self.action
        return Change(action, self.kind, self.name, tuple(self.field_changes()), owner, place, self.note)

    def field_changes(self) -> Iterator[FieldChange]:
        """Yield the fields that the step changes, as plans show them."""
        if self.action == RELEASE:
            yield FieldChange("managed_by", getattr(self.before, "managed_by", None), None)
            return
        fields = (field for field in diff_records(self.before, self.after) if field.field not in HIDDEN_FIELDS)
        if isinstance(self.after, App) and self.before is None:
            is_provided = self.item is not None and "client_id" in getattr(self.item, "fields", ())
            yield FieldChange("client_id", None, self.after.client_id if is_provided else "(generated)")
            yield FieldChange("client_secret", None, "(new)")
        if isinstance(self.before, Key) and self.action == UPDATE:
            fields = (field for field in fields if field.field in KEY_FIELDS and not self.is_import)
        yield from fields
        if isinstance(self.after, Key):
            if self.is_import:
                yield FieldChange("api_key", None if self.before is None else "(set)", "(import)")
            is_date = isinstance(self.item, DesiredKey) and self.after.expires_at == self.item.expires_at is not None
            field, describe = ("expires_at", _expiry) if is_date else ("expires_in", _lifetime)
            old, new = (None if each is None else describe(each) for each in (self.before, self.after))
            if old != new:
                yield FieldChange(field, old, new)

    @property
    def is_import(self) -> bool:
        """Whether the step saves a key that the manifest provides."""
        is_new = isinstance(self.after, Key) and self.before is not self.after and self.secret is None
        return is_new and isinstance(self.item, DesiredKey) and self.item.api_key is not None


def _expiry(record: object) -> str:
    return format_rfc3339(record.expires_at) if isinstance(record, Key) and record.expires_at else "never"


def _lifetime(record: object) -> str:
    """Return for how long a key is valid from the time of issue."""
    if not isinstance(record, Key) or record.expires_at is None:
        return "never"
    lifetime = record.expires_at - record.created_at
    return durations.format_duration(lifetime) or str(lifetime)


class Adoption(NamedTuple):
    """A record that gets a new owner; `owner` is the current one, None if it has none."""

    kind: str
    name: str
    owner: str | None
    new_owner: str
    record: Manageable


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """
    Everything that `apply` does, in order.

    `apps` are the applications as they will be, by normalized name; `key_users` are the user names of all pairs for
    which a key is desired; `keyed` are the pairs that have, or had, a key. `unlisted` are the steps that `prune` would
    add.
    """

    desired: Desired
    steps: tuple[Step, ...]
    adoptions: tuple[Adoption, ...]
    unlisted: tuple[Step, ...]
    apps: Mapping[str, App]
    key_users: Mapping[Pair, str]
    keyed: frozenset[Pair]
    impacts: tuple[KeyImpact, ...] = ()

    @property
    def invalidated(self) -> list[KeyImpact]:
        """The active keys that become permanently invalid."""
        return [impact for impact in self.impacts if impact.is_permanent]

    @property
    def deletion_count(self) -> int:
        return sum(step.action == DELETE for step in self.steps)

    @property
    def issues_secrets(self) -> bool:
        """Whether new secrets are issued, which have to be saved somewhere."""
        return any(step.secret is not None for step in self.steps)

    def summary(self) -> ManifestPlan:
        """Return the plan as it is printed, without secrets."""
        return ManifestPlan.from_changes(
            [step.change() for step in self.steps],
            self.impacts,
            adopts=tuple(AdoptedObject(each.kind, each.name, each.owner, each.new_owner) for each in self.adoptions),
            leaves=tuple(UnlistedObject(step.kind, step.name) for step in self.unlisted),
        )
