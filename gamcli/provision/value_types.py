"""The kinds of value that a manifest holds: what TOML calls them, what a schema says, and what a fault says."""

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any, NamedTuple

from gamcli.errors import UsageError

Read = Callable[[Any], object]
"""Returns a value as rules take it; raises UsageError when it cannot be."""


class Kind(NamedTuple):
    """A kind of value: the type that tomllib makes of it, what people call it, what JSON Schema calls it."""

    type: type
    says: str
    schema: Mapping[str, object]


_TEXT: Mapping[str, object] = {"type": "string"}
_TEXTS: Mapping[str, object] = {"type": "array", "items": _TEXT}

TEXT = Kind(str, "a text", _TEXT)
FLAG = Kind(bool, "true or false", {"type": "boolean"})
NUMBER = Kind(int, "a whole number", {"type": "integer"})
TEXTS = Kind(list, "a list of texts", _TEXTS)
TABLE = Kind(dict, "a table of texts and lists of texts", {"type": "object"})

_CALLED = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number with a fraction", list: "a list",
    dict: "a table",
}  # fmt: skip


class Field(NamedTuple):
    """
    One field of a section: `name` as in the record, a nested one with a dot.

    `check` returns the value as rules take it, or raises UsageError. `schema` is what JSON Schema says beyond the kind.
    `always` fields are exported even when they have their default, a `secret` never; a `derived` one follows from
    elsewhere when it is left out; `seed` fields are only taken from the seed of an ephemeral server.
    """

    name: str
    kind: Kind
    about: str
    check: Read
    schema: Mapping[str, object] = {}
    required: bool = False
    always: bool = False
    secret: bool = False
    derived: bool = False
    seed: bool = False

    def reader(self) -> Read:
        """Return what reads a value of this field: the type first, then the rest."""
        kind, check, wanted = self.kind, self.check, self.kind.type

        def read(value: object) -> object:
            if type(value) is not wanted:
                raise wrong_type(kind.says, value)
            return check(value)

        return read


def wrong_type(wanted: str, value: object) -> UsageError:
    """Return the fault that `value` is not what was `wanted`."""
    called = _CALLED.get(type(value), "a date or a time" if isinstance(value, date | time) else "something else")
    quotes = wanted == TEXT.says and not isinstance(value, list | dict)
    return UsageError(f"takes {wanted}, not {called}", "write it in quotes" if quotes else None)


def unchanged(value: object) -> object:
    """Return `value`: its type says all."""
    return value


def texts(check: Callable[[list[str]], object]) -> Read:
    """Return what reads a list of texts, and then does `check`."""

    def read(value: list[Any]) -> object:
        for each in value:
            if type(each) is not str:
                raise wrong_type(TEXT.says, each)
        return check(value)

    return read
