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
    names.check("an authentication type", name)
    if name.lower() == ANY:
        raise UsageError(f"an authentication type cannot be called '{name}': that means all of them", "another name")
    known = {each.lower(): each for each in AUTH_TYPE_KINDS}
    if kind.lower() not in known:
        raise UsageError(f"no kind of authentication type '{names.shown(kind)}'", " or ".join(AUTH_TYPE_KINDS))
    fresh = AuthType(
        name=name,
        type=known[kind.lower()],
        description="",
        enabled=True,
        default=False,
        created_at=now,
        updated_at=now,
    )
    return changed(fresh, changes, now)


def changed(auth_type: AuthType, changes: Changes, now: datetime) -> AuthType:
    """Return `auth_type` with `changes` laid over it, or itself when they change nothing; raises UsageError."""
    names.check_text("the description", str(changes.get("description", "")), DESCRIPTION_LENGTH)
    after = replace(auth_type, **changes)  # type: ignore[arg-type]
    return auth_type if after == auth_type else replace(after, updated_at=now)
