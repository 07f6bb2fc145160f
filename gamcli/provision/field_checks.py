"""
The checks of the fields of a manifest: each returns the value as the rules take it, or raises UsageError.

Patterns of JSON Schema describe what they accept; they are valid in ECMAScript and in Python.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from gamcli.errors import UsageError
from gamcli.provision.value_types import ReadValue, wrong_type
from gamcli.rules import apps, auth_types, durations, keys, names, passwords, scopes, users
from gamcli.rules.credentials import Secret


def text_of(noun: str, max_length: int = names.TEXT_LENGTH) -> ReadValue:
    return lambda value: names.check_text(noun, value, max_length)


def name_of(noun: str, max_length: int = names.NAME_LENGTH) -> ReadValue:
    return lambda value: names.check_name(noun, value, max_length)


def app_number(name: str) -> ReadValue:
    return validated_by(lambda value: apps.check_changes({name: value}))


def user_field(name: str) -> ReadValue:
    return validated_by(lambda value: users.check_field(name, value))


def validated_by(check: Callable[[Any], object]) -> ReadValue:
    """Return a function that returns a value unchanged if `check` raises no UsageError."""

    def read(value: Any) -> object:  # noqa: ANN401 - any TOML
        check(value)
        return value

    return read


def bounds(name: str) -> dict[str, object]:
    minimum, maximum, _ = apps.BOUNDS[name]
    return {"minimum": minimum, "maximum": maximum}


@lru_cache(maxsize=1024)  # thousands of keys share a few scope lists
def parse_scopes(words: tuple[str, ...]) -> tuple[str, ...]:
    return scopes.parse(words, users.is_attribute_id)


@lru_cache(maxsize=1024)  # thousands of users share a few role lists
def check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    users.check_field("roles", roles)
    return roles


def check_attributes(value: dict[str, object]) -> dict[str, object]:
    for content in value.values():
        inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else [content]
        for text in inner:
            if type(text) is not str:
                raise wrong_type("a string, a list of strings or a table of strings", text)
    users.check_field("attributes", value)
    return value


def auth_type_or_any(value: str) -> str | None:
    return None if value.lower() == auth_types.ANY else names.check_name("an authentication type", value)


def parse_lifetime(value: str) -> timedelta:
    lifetime = durations.parse(value)
    if not lifetime:
        raise UsageError("must be greater than 0", "use a duration such as 90d, or omit it")
    return lifetime


def parse_expiry(value: str) -> datetime:
    if re.fullmatch(INSTANT, value) is None:
        raise UsageError(
            f"invalid date '{names.escape_unprintable(value)}'",
            "use a date such as 2027-06-30, or 2027-06-30T12:00:00Z",
        )
    return durations.parse_instant(value)


def client_secret(value: str) -> Secret:
    return apps.check_client_secret(Secret(value))


def api_key(value: str) -> Secret:
    return keys.check_imported(Secret(value))


def one_of(noun: str, values: tuple[str, ...]) -> ReadValue:
    def check(value: str) -> str:
        if value not in values:
            raise UsageError(f"invalid {noun} '{names.escape_unprintable(value)}'", f"use one of: {', '.join(values)}")
        return value

    return check


SEED_CREDENTIAL_LENGTH = 2048
"""The maximum length of client IDs, client secrets and API keys in a seed."""


def seed_client_id(value: str) -> str:
    """Return any text that a request can send."""
    if not 1 <= len(value) <= SEED_CREDENTIAL_LENGTH or not value.isprintable():
        raise UsageError("invalid credential", f"use 1 to {SEED_CREDENTIAL_LENGTH:,} printable characters")
    return value


def seed_secret(value: str) -> Secret:
    return Secret(seed_client_id(value))


def password(value: str) -> Secret:
    return passwords.check_password(Secret(value))


_END = r"$(?!\n)"
"""In Python, `$` also matches before a line break at the end."""

_PRINTABLE = (
    r"[^\u0000-\u001f\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff]*"
)
"""Without control and format characters, spaces other than U+0020, and private ones."""

TEXT = f"^{_PRINTABLE}{_END}"
_NAME_BEGIN = r"^(?=\S)(?=.*\S$)(?![/\\~])(?!(?:.*[/\\])?\.\.?(?:[/\\]|$))"
NAME = f"{_NAME_BEGIN}{_PRINTABLE}{_END}"
"""No space at the beginning or the end, and no path."""

AUTH_TYPE_NAME = rf"^(?![Aa][Nn][Yy]{_END}){NAME.removeprefix('^')}"
ROLE = rf"{_NAME_BEGIN}(?!.*[+,;|]){_PRINTABLE}{_END}"
EMAIL = rf"^(|[^@\s]+@[^@\s]+){_END}"
_DATE = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
BIRTHDAY = rf"^(|{_DATE}){_END}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
INSTANT = rf"^(?!0000){_DATE}(?:[Tt ]{_TIME}:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-]{_TIME})?)?{_END}"
"""A date, or a time in RFC 3339; without an offset it is in UTC."""

REFERENCE = r"\$"


def any_case(words: Iterable[str]) -> str:
    """Return a pattern for one of the words, in any case."""
    letters = (("".join(f"[{x.upper()}{x.lower()}]" if x.isalpha() else x for x in word)) for word in words)
    return f"(?:{'|'.join(letters)})"


_SCOPE = rf"(?:user_[A-Za-z0-9_.-]{{1,60}}|{any_case([*scopes.TABLE, *scopes.ALIASES])})"
SCOPES = rf"^(?:[+\s]*{_SCOPE})?(?:[+\s]+{_SCOPE})*[+\s]*$"
"""One or more scopes, joined by `+` or spaces."""

_FIELDS = any_case(name.removeprefix("user_") for name in (*scopes.TABLE, *scopes.ALIASES) if name.startswith("user_"))
ATTRIBUTE_ID = rf"^(?!{_FIELDS}$)[A-Za-z0-9_.-]{{1,60}}{_END}"
