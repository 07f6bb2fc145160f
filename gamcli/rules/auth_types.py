"""Authentication types: the valid settings, and how changes apply to them."""

from collections.abc import Mapping
from datetime import datetime

from gamcli.errors import UsageError
from gamcli.model import AUTH_TYPE_KINDS, AuthType
from gamcli.rules import names

Changes = Mapping[str, object]
"""New values of `description` and `enabled`."""

ANY = "any"
"""The word by which an application allows every authentication type; not available as a name."""

DESCRIPTION_LENGTH = 120  # GAM: Description of an authentication type


def create(name: str, kind: str, changes: Changes, now: datetime) -> AuthType:
    """Return a new authentication type of the given kind (GAM: TypeId); raises UsageError."""
    auth_type = AuthType(
        name=check_name(name),
        type=check_kind(kind),
        description="",
        enabled=True,
        default=False,
        created_at=now,
        updated_at=now,
    )
    return apply_changes(auth_type, changes, now)


def check_name(name: str) -> str:
    """Return `name`, or raise UsageError if it is invalid."""
    names.check_name("an authentication type", name)
    if name.lower() == ANY:
        raise UsageError(f"'{name}' is reserved: it means every authentication type", "choose another name")
    return name


def check_kind(kind: str) -> str:
    """Return the kind of authentication type named by `kind`, in any case; raises UsageError."""
    known = {each.lower(): each for each in AUTH_TYPE_KINDS}
    if kind.lower() not in known:
        raise UsageError(
            f"invalid type '{names.escape_unprintable(kind)}'",
            f"use {' or '.join(AUTH_TYPE_KINDS)}",
        )
    return known[kind.lower()]


def apply_changes(auth_type: AuthType, changes: Changes, now: datetime) -> AuthType:
    """Return `auth_type` with `changes` applied, or itself if nothing changes; raises UsageError."""
    names.check_text("the description", str(changes.get("description", "")), DESCRIPTION_LENGTH)
    after = auth_type._replace(**changes)  # type: ignore[arg-type]
    return auth_type if after == auth_type else after._replace(updated_at=now)
