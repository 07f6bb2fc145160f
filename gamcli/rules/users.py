"""Users: GAM's fields, their lengths and formats, and how changes apply to them."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta

from gamcli.errors import UsageError
from gamcli.model import AttributeValue, User, normalize_name
from gamcli.rules import durations, lists, names
from gamcli.rules.scopes import BASIC_FIELDS, FIELD_LABELS, TABLE, canonical_name

Changes = Mapping[str, object]
"""New values by field name."""

GENDERS = ("N", "F", "M")
"""GAM: not specified, female, male."""

# GAM's lengths (GAMUser); fields without one have the general limit.
LENGTHS = {
    "email": 100,
    "first_name": 60,
    "last_name": 60,
    "external_id": 100,
    "url_image": 2048,
    "url_profile": 2048,
    "custom_info": 2048,
}
ATTRIBUTE_LENGTH = 2048

TEXT_FIELDS = (*(name for name in BASIC_FIELDS if name not in ("guid", "username")), "custom_info")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ATTRIBUTE_ID = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)


def create(name: str, guid: str, changes: Changes, now: datetime) -> User:
    """Return a new user with `changes` applied to the defaults; raises UsageError."""
    names.check_name("a user", name)
    for field, value in changes.items():
        check_field(field, value)
    changes = _normalize_roles(changes, ())
    return User(guid=guid, name=name, created_at=now, updated_at=now, **changes)  # type: ignore[arg-type]


def by_identifier(users: Iterable[User]) -> dict[str, User]:
    """Return users by normalized name, by normalized email and by GUID."""
    result: dict[str, User] = {}
    for user in users:
        result[user.guid] = result[normalize_name(user.name)] = user
        if user.email:
            result[normalize_name(user.email)] = user
    return result


def parse_guid(text: str) -> str:
    """Return a GUID in lower case, or raise UsageError if it is invalid."""
    if not _GUID.fullmatch(text.lower()):
        raise UsageError(f"invalid GUID '{names.escape_unprintable(text)}'")
    return text.lower()


def apply_changes(user: User, changes: Changes, now: datetime) -> User:
    """Return `user` with `changes` applied, or `user` itself if nothing changes; raises UsageError."""
    for field, value in changes.items():
        check_field(field, value)
    after = user._replace(**_normalize_roles(changes, user.roles))  # type: ignore[arg-type]
    if after == user:
        return user
    if after.email != user.email and "verified_email" not in changes:
        after = after._replace(verified_email=False)
    return after._replace(updated_at=now)


def _normalize_roles(changes: Changes, present: tuple[str, ...]) -> Changes:
    """Return `changes` without repeated roles, and with the `present` roles if only their order differs."""
    roles = changes.get("roles")
    if not isinstance(roles, tuple):
        return changes
    return {**changes, "roles": present if set(roles) == set(present) else tuple(dict.fromkeys(roles))}


def check_field(field: str, value: object) -> None:
    """Raise UsageError if `value` is invalid for the field."""
    if field in TEXT_FIELDS:
        text = names.check_text(f"the {FIELD_LABELS[field]}", str(value), LENGTHS.get(field, names.TEXT_LENGTH))
        is_valid, hint = _FORMATS.get(field, (None, ""))
        if text and is_valid is not None and not is_valid(text):
            raise UsageError(f"invalid {FIELD_LABELS[field]} '{text}'", hint)
    elif field == "roles" and isinstance(value, tuple):
        for role in value:
            check_role(role)
    elif field == "attributes" and isinstance(value, dict):
        for attribute, content in value.items():
            _check_attribute(attribute, content)


def password_expiry(now: datetime, expires: timedelta | datetime | None) -> datetime | None:
    """Return when a password set now expires, after a duration or at an instant; None = never. Raises UsageError."""
    if isinstance(expires, datetime):
        if expires <= now:
            raise UsageError(f"a password cannot expire in the past: {expires:%Y-%m-%d %H:%M}Z", "use a later date")
        return expires
    if expires is not None and expires <= timedelta(0):
        raise UsageError("the lifetime of a password must be greater than 0", "use a duration such as 90d, or omit it")
    return None if expires is None else durations.add_duration(now, expires)


def check_role(role: str) -> str:
    """Return `role`, or raise UsageError if it is not a valid external ID, or seems to be several."""
    names.check_name("a role", role, names.APP_NAME_LENGTH)
    lists.require_single("role", role, 'name each role separately: --role A --role B, or ["A", "B"] in a manifest')
    return role


def is_attribute_id(text: str) -> bool:
    return _ATTRIBUTE_ID.fullmatch(text) is not None


def _check_attribute(attribute: str, content: AttributeValue) -> None:
    if not is_attribute_id(attribute):
        raise UsageError(
            f"invalid attribute ID '{names.escape_unprintable(attribute)}'",
            "use 1 to 60 ASCII letters, digits, '_', '-' or '.'",
        )
    scope = canonical_name(f"user_{attribute}")
    if scope in TABLE:
        flag = scope.removeprefix("user_").replace("_", "-")
        raise UsageError(f"'{attribute}' is a field of every user, not an attribute", f"--{flag}")
    if isinstance(content, dict):
        for value_id in content:
            if not value_id:
                raise UsageError(f"a value of attribute {attribute} has an empty ID", "use 1 to 60 characters")
            names.check_text(f"the ID of a value of attribute {attribute}", value_id, names.NAME_LENGTH)
        content = [*content.values()]
    for text in [content] if isinstance(content, str) else content:
        names.check_text(f"attribute {attribute}", text, ATTRIBUTE_LENGTH)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_FORMATS: dict[str, tuple[Callable[[str], object], str]] = {
    "email": (_EMAIL.fullmatch, "use name@domain, without spaces"),
    "birthday": (_is_date, "use YYYY-MM-DD"),
    "gender": (GENDERS.__contains__, "use N (not specified), F or M"),
}
