"""The columns of a CSV file of users: `gamcli user list -o csv` writes them, `gamcli user create --from` reads them."""

import json
from collections.abc import Mapping

from gamcli.errors import UsageError
from gamcli.model import User
from gamcli.render import machine
from gamcli.rules import lists, users

COLUMNS = machine.field_names(User)
REQUIRED_COLUMNS = ("name",)

IGNORED_COLUMNS = (
    "managed_by", "created_at", "updated_at", "password_set_at", "password_must_change", "password_expires_at",
)  # fmt: skip
"""Columns that the store sets itself."""

_BOOL_COLUMNS = ("verified_email", "enabled", "blocked")
_BOOL_VALUES = {"true": True, "false": False, "yes": True, "no": False}


def parse_row(texts: Mapping[str, str]) -> dict[str, object]:
    """Parse the columns of a row into fields of a user; an empty column is left out."""
    return {name: _parse_value(name, text) for name, text in texts.items() if text and name not in IGNORED_COLUMNS}


def _parse_value(name: str, text: str) -> object:
    if name in _BOOL_COLUMNS:
        return _parse_bool(name, text)
    if name == "roles":
        return tuple(dict.fromkeys(lists.split(text)))
    if name == "guid":
        return users.parse_guid(text)
    return _parse_attributes(text) if name == "attributes" else text


def _parse_bool(name: str, text: str) -> bool:
    if text.lower() not in _BOOL_VALUES:
        raise UsageError(f"invalid {name} '{text}': use true or false")
    return _BOOL_VALUES[text.lower()]


def _parse_attributes(text: str) -> object:
    try:
        attributes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("the attributes are not valid JSON") from error
    if not isinstance(attributes, dict) or not all(map(_is_attribute, attributes.values())):
        raise UsageError('invalid attributes: use {"Id": "text", "List": ["one", "two"], "WithIds": {"A": "one"}}')
    return attributes


def _is_attribute(value: object) -> bool:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return all(isinstance(item, str) for item in values)
