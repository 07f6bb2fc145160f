"""What an authentication type may be."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gamcli.errors import UsageError
from gamcli.model import AUTH_TYPE_KINDS, AuthType
from gamcli.rules import names

Changes = Mapping[str, object]
"""`description` and `enabled`; what is absent stays."""

ANY = "any"
"""What stands for every type where an application says which one it allows."""

DESCRIPTION_LENGTH = 120  # GAM: Description of an authentication type


def create(name: str, kind: str, changes: Changes, now: datetime) -> AuthType:
    """Return a new authentication type of that kind (GAM: TypeId); raises UsageError."""
    fresh = AuthType(
        name=check_name(name),
        type=check_kind(kind),
        description="",
        enabled=True,
        default=False,
        created_at=now,
        updated_at=now,
    )
    return apply_changes(fresh, changes, now)


def check_name(name: str) -> str:
    """Return `name` when it may be that of an authentication type; raises UsageError."""
    names.check_name("an authentication type", name)
    if name.lower() == ANY:
        raise UsageError(f"an authentication type cannot be called '{name}': that means all of them", "another name")
    return name


def check_kind(kind: str) -> str:
    """Return the kind of authentication type that `kind` names in any case; raises UsageError."""
    known = {each.lower(): each for each in AUTH_TYPE_KINDS}
    if kind.lower() not in known:
        raise UsageError(
            f"no kind of authentication type '{names.escape_unprintable(kind)}'", " or ".join(AUTH_TYPE_KINDS)
        )
    return known[kind.lower()]


def apply_changes(auth_type: AuthType, changes: Changes, now: datetime) -> AuthType:
    """Return `auth_type` with `changes` laid over it, or itself when they change nothing; raises UsageError."""
    names.check_text("the description", str(changes.get("description", "")), DESCRIPTION_LENGTH)
    after = replace(auth_type, **changes)  # type: ignore[arg-type]
    return auth_type if after == auth_type else replace(after, updated_at=now)
