"""The types of values in a manifest: in TOML, in JSON Schema and in error messages."""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any, NamedTuple

from gamcli.errors import UsageError

ReadValue = Callable[[Any], object]
"""Returns a value as the rules take it; raises UsageError if it is invalid."""


class ValueType(NamedTuple):
    """A type of values: as tomllib returns it, as messages call it, and as JSON Schema describes it."""

    type: type
    label: str
    schema: Mapping[str, object]


_STRING: Mapping[str, object] = {"type": "string"}

TEXT = ValueType(str, "a string", _STRING)
FLAG = ValueType(bool, "true or false", {"type": "boolean"})
NUMBER = ValueType(int, "an integer", {"type": "integer"})
TEXTS = ValueType(list, "a list of strings", {"type": "array", "items": _STRING})
TABLE = ValueType(dict, "a table of strings, lists and tables", {"type": "object"})

_LABELS = {
    str: "a string", bool: "true or false", int: "an integer", float: "a float", list: "a list",
    dict: "a table",
}  # fmt: skip


class Field(NamedTuple):
    """
    One field of a section; `name` is the name in the record, with a dot if it is nested.

    `check` returns the value as the rules take it, or raises UsageError. `schema` adds to the schema of the type.
    Fields with `always` are exported even with their default value, `secret` ones never. The default of a `derived`
    field depends on other fields. `seed` fields are allowed only in the seed of an ephemeral server, and never
    exported; there `seed_check`, with `seed_schema`, replaces `check`. An `instruction` says how to get to the desired
    state: no record has it, and it is never exported.
    """

    name: str
    type: ValueType
    about: str
    check: ReadValue
    schema: Mapping[str, object] = {}
    required: bool = False
    always: bool = False
    secret: bool = False
    derived: bool = False
    seed: bool = False
    instruction: bool = False
    seed_check: ReadValue | None = None
    seed_schema: Mapping[str, object] = {}

    @property
    def is_exported(self) -> bool:
        return not (self.secret or self.instruction or self.seed)

    def reader(self, *, seed: bool = False) -> ReadValue:
        """Return a function that checks the type of a value and then the value, as in a seed if `seed`."""
        value_type, check = self.type, (self.seed_check if seed else None) or self.check
        expected = value_type.type

        def read(value: object) -> object:
            if type(value) is not expected:
                raise wrong_type(value_type.label, value)
            return check(value)

        return read


def wrong_type(expected: str, value: object) -> UsageError:
    actual = _LABELS.get(type(value), "a date or a time" if isinstance(value, date | time) else "another type")
    needs_quotes = expected == TEXT.label and not isinstance(value, list | dict)
    return UsageError(f"must be {expected}, not {actual}", "put it in quotes" if needs_quotes else None)


def from_reference(value_type: ValueType, text: str) -> object:
    """Return the value of a reference as its field needs it: `90` as a number, `a+b` or `a, b` as a list."""
    if value_type is FLAG:
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    if value_type is NUMBER and _NUMBER.fullmatch(text.strip()):
        return int(text)
    if value_type is TEXTS:
        return [part for part in map(str.strip, _SEPARATOR.split(text)) if part]
    return text


_NUMBER = re.compile(r"-?[0-9]{1,18}")
_SEPARATOR = re.compile(r"[+,;\n]")


def unchanged(value: object) -> object:
    """Return `value`: its type is all that is checked."""
    return value


def list_of_texts(check: Callable[[list[str]], object]) -> ReadValue:
    """Return a function that reads a list of texts and then applies `check`."""

    def read(value: list[Any]) -> object:
        for item in value:
            if type(item) is not str:
                raise wrong_type(TEXT.label, item)
        return check(value)

    return read
