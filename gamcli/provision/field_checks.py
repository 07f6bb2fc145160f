"""The checks of the fields of a manifest: each returns the value as the rules take it, or raises UsageError."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from gamcli.errors import UsageError
from gamcli.provision import schema_patterns as patterns
from gamcli.provision.value_types import ReadValue, wrong_type
from gamcli.rules import apps, auth_types, durations, keys, names, passwords, scopes, users
from gamcli.rules.credentials import Secret


def text_of(noun: str, max_length: int = names.TEXT_LENGTH) -> ReadValue:
    return lambda value: names.check_text(noun, value, max_length)


def name_of(noun: str, max_length: int = names.NAME_LENGTH) -> ReadValue:
    return lambda value: names.check_name(noun, value, max_length)


def app_number(name: str) -> ReadValue:
    def check(value: int) -> int:
        apps.check_changes({name: value})
        return value

    return check


def bounds(name: str) -> dict[str, object]:
    minimum, maximum, _ = apps.BOUNDS[name]
    return {"minimum": minimum, "maximum": maximum}


def user_field(name: str) -> Callable[[Any], Any]:
    def check(value: object) -> object:
        users.check_field(name, value)
        return value

    return check


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
    if re.fullmatch(patterns.INSTANT, value) is None:
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
