"""
Planned changes, as records: the result of a dry run, and of `gamcli plan`.

Changes name fields as `-o json` does, nested ones with a dot. Secrets never appear.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from gamcli.model import ApiKeyPolicy, App, AuthType, Key, KeyImpact, Repository, TokenPolicy, User
from gamcli.model.tokens import Token

CREATE, UPDATE, DELETE = "create", "update", "delete"

DIFF_FIELDS: dict[type, tuple[str, ...]] = {
    Repository: ("default_auth_type",),
    AuthType: ("type", "description", "enabled", "default"),
    App: (
        "description", "enabled", "scopes", "remote_rest", "api_keys", "token", "require_scope",
        "share_user_ids", "one_token_per_user", "managed_by", "retiring_until",
    ),
    User: (
        "email", "verified_email", "first_name", "last_name", "external_id", "birthday", "gender", "url_image",
        "url_profile", "phone", "address", "city", "state", "post_code", "language", "timezone",
        "custom_info", "roles", "attributes", "enabled", "blocked", "managed_by",
    ),
    Key: ("scopes", "label", "expires_at", "retires_at", "end", "reason", "managed_by"),
    Token: ("scopes", "expires_at", "ended_at"),
    ApiKeyPolicy: ("enabled", "timeout_hours", "auth_type", "scope_choice"),
    TokenPolicy: ("timeout_minutes", "renewals"),
}  # fmt: skip
"""The fields of each record that a change lists, in order."""

FIELD_NAMES = {"retiring_until": "secret_retires_at"}
"""Fields with another name in JSON."""

SECRET_NAMES = {"secret_digest": "client_secret", "password_hash": "password", "digest": "api_key"}
"""Secret fields: a change lists only that they change, under these names."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A changed field; `old` is None in a new record, `new` in a deleted one."""

    field: str
    old: object
    new: object


class Place(Protocol):
    """Where a manifest declares a change; the line is computed on the first request."""

    @property
    def file(self) -> str:
        """The file as given by the user."""

    @property
    def line(self) -> int:
        """The line, from 1."""


@dataclass(frozen=True, slots=True)
class Change:
    """
    A created, updated or deleted record (`action`); `kind` is a noun of the command line, such as `auth-type`.

    A change of a manifest has an `owner` and a `place`; `note` says why it is due. None of the three identifies it.
    """

    action: str
    kind: str
    name: str
    fields: tuple[FieldChange, ...] = ()
    owner: str | None = field(default=None, repr=False, compare=False)
    place: Place | None = field(default=None, repr=False, compare=False)
    note: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AffectedKey:
    """An active key that a plan invalidates or suspends, with what helps to decide about it."""

    key: str
    user: str
    app: str
    reason: str
    last_used_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def from_impact(cls, impact: KeyImpact) -> "AffectedKey":
        key = impact.key
        return cls(key.id, key.user, key.app, impact.reason, key.last_used_at, key.expires_at)


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """How many records a plan creates, updates and deletes, and how many active keys it invalidates and suspends."""

    create: int
    update: int
    delete: int
    invalidate: int
    suspend: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Planned changes in order, and the active keys that they permanently invalidate or suspend."""

    changes: tuple[Change, ...]
    invalidates: tuple[AffectedKey, ...] = ()
    suspends: tuple[AffectedKey, ...] = ()
    summary: PlanSummary = PlanSummary(0, 0, 0, 0, 0)

    @classmethod
    def from_changes(cls, changes: Sequence[Change], impacts: Sequence[KeyImpact], **more: Any) -> Self:  # noqa: ANN401 - fields
        """Return the plan with its summary; `more` are the fields of a subclass."""
        permanent, temporary = (
            tuple(AffectedKey.from_impact(each) for each in impacts if each.is_permanent is is_permanent)
            for is_permanent in (True, False)
        )
        counts = Counter(change.action for change in changes)
        summary = PlanSummary(counts[CREATE], counts[UPDATE], counts[DELETE], len(permanent), len(temporary))
        return cls(tuple(changes), permanent, temporary, summary, **more)


def diff_records(before: object, after: object) -> tuple[FieldChange, ...]:
    """
    Return the fields in which two records of a kind differ; None stands for a missing record.

    For a new or deleted record, these are the fields that differ from their defaults.
    """
    record = before if after is None else after
    values = [(name, _field_value(record, path), default, path) for name, path, default in _DIFF_FIELDS[type(record)]]
    if before is None or after is None:
        differing = ((name, value) for name, value, default, _ in values if value != default and value not in ("", ()))
        return tuple(
            FieldChange(name, None if before is None else value, None if after is None else value)
            for name, value in differing
        )
    pairs = [(name, _field_value(before, path), new) for name, new, _, path in values]
    pairs.insert(0, ("name", getattr(before, "name", None), getattr(after, "name", None)))
    return (*(FieldChange(*pair) for pair in pairs if pair[1] != pair[2]), *_secret_changes(before, after))


def _secret_changes(before: object, after: object) -> Iterator[FieldChange]:
    for name, secret in SECRET_NAMES.items():
        old, new = getattr(before, name, None), getattr(after, name, None)
        if old != new:
            yield FieldChange(secret, None if old is None else "(set)", "(new)")


def _field_value(record: object, path: tuple[str, ...]) -> object:
    for name in path:
        record = getattr(record, name)
    return record


def _diff_fields(kind: Any, outer: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...], object]]:  # noqa: ANN401 - a type
    """Yield the JSON name, the attribute path and the default of each listed field, nested ones one by one."""
    defaults = {each.name: each.default for each in fields(kind)} if is_dataclass(kind) else kind._field_defaults
    for name in DIFF_FIELDS[kind]:
        default, path = defaults.get(name, MISSING), (*outer, name)
        if is_dataclass(default):
            yield from _diff_fields(type(default), path)
        else:
            yield FIELD_NAMES.get(name, ".".join(path)), path, default


_DIFF_FIELDS = {kind: tuple(_diff_fields(kind)) for kind in DIFF_FIELDS}


@dataclass(frozen=True, slots=True)
class AdoptedObject:
    """An object that a manifest adopts: previously unmanaged (`from_owner` None), or managed by another owner."""

    kind: str
    name: str
    from_owner: str | None
    owner: str


@dataclass(frozen=True, slots=True)
class UnlistedObject:
    """An object that was removed from the manifests: it stays until `--prune`."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ManifestPlan(Plan):
    """The plan of manifests; adopted and unlisted objects are not changes."""

    adopts: tuple[AdoptedObject, ...] = ()
    leaves: tuple[UnlistedObject, ...] = ()
