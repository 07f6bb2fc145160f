"""One manifest file becomes records: each value is judged by the table of fields, and every fault is kept."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gamcli.errors import Problem, UsageError
from gamcli.provision.desired import DesiredKey, DesiredObject, Location
from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.files import File
from gamcli.provision.toml_scan import Keys
from gamcli.provision.value_types import Read, wrong_type
from gamcli.provision.variables import Variables, is_reference, may_be_in
from gamcli.rules.names import closest_match, escape_unprintable

_SEED_ONLY = "only the seed of an ephemeral server may hold it"


@dataclass(slots=True)
class Found:
    """What the files ask for so far, and what is wrong with them."""

    wanted: dict[str, list[DesiredObject]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    keys: list[DesiredKey] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)


@lru_cache
def _readers(section: str, *, seed: bool) -> dict[str, Read]:
    return {each.name: each.reader() for each in SECTIONS[section].taken(seed=seed)}


class Reader:
    """Reads one file into `found`; `owner` is what the objects in it are managed by."""

    def __init__(self, file: File, found: Found, environment: Mapping[str, str], owner: str, *, seed: bool) -> None:
        self._file, self._found, self._owner, self._seed = file, found, owner, seed
        self._variables = Variables(environment, file.path.parent)
        self._missing = set[Keys]()

    def read(self) -> None:
        """Take all that the file asks for."""
        self._found.owners.append(self._owner)
        tree = self._file.tree
        if may_be_in(self._file.text):
            missing = [*self._variables.replace(tree)]
            self._missing = {keys for keys, _ in missing}
            self._found.faults.extend(
                Location(self._file.source, keys).problem(format_error(error)) for keys, error in missing
            )
        for name, value in tree.items():
            self._section(Location(self._file.source, (name,)), SECTIONS.get(name), value)

    def _section(self, place: Location, section: Section | None, value: object) -> None:
        if section is None:
            self._fault(place, f"there is no section of that name; {_meant(str(place.keys[0]), SECTIONS)}")
        elif section.many and isinstance(value, list):
            self._keys(section, value)
        elif section.check_name and isinstance(value, dict):
            self._named(section, section.check_name, value)
        elif section.many or section.check_name:
            self._fault(place, format_error(wrong_type(f"tables {section.header}", value)))
        else:
            self._table(section, place, "", value)

    def _named(self, section: Section, check_name: Read, tables: dict[str, Any]) -> None:
        source = self._file.source
        for name, table in tables.items():
            place = Location(source, (section.name, name))
            try:
                check_name(name)
            except UsageError as error:
                self._fault(place, format_error(error))
            self._table(section, place, name, table)

    def _table(self, section: Section, place: Location, name: str, table: object) -> None:
        fields = self._fields(section, place, table)
        self._found.wanted[section.name].append(DesiredObject(name, fields, place, self._owner))

    def _keys(self, section: Section, tables: list[Any]) -> None:
        source, owner, found = self._file.source, self._owner, self._found.keys
        for at, table in enumerate(tables):
            place = Location(source, ("key", at))
            fields = self._fields(section, place, table)
            if "user" in fields and "app" in fields:
                found.append(DesiredKey(place=place, owner=owner, **fields))
            elif isinstance(table, dict):
                for name in ("user", "app"):
                    if name not in table:
                        self._fault(place, f"names no {name}; every key has a user and an app")

    def _fields(self, section: Section, place: Location, table: object) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if not isinstance(table, dict):
            self._fault(place, format_error(wrong_type(f"a table {section.header}", table)))
            return found
        self._take(section, place, table, found)
        if not self._seed:
            self._require_hidden(section, place, table)
        return found

    def _take(
        self, section: Section, place: Location, table: dict[str, Any], found: dict[str, Any], group: str = ""
    ) -> None:
        """Read the fields of a table into `found`; the name of a nested one begins with its `group`."""
        readers = _readers(section.name, seed=self._seed)
        for key, value in table.items():
            name = group + key
            read = readers.get(name)
            if read is None:
                self._no_field(section, place.within(key), name, value, found)
                continue
            try:
                found[name] = read(value)
            except UsageError as error:
                self._refuse(place.within(key), read, value, error)

    def _no_field(self, section: Section, place: Location, name: str, value: object, found: dict[str, Any]) -> None:
        """Take a nested table, or say why there is no such field."""
        readers = _readers(section.name, seed=self._seed)
        if any(each.startswith(f"{name}.") for each in readers):
            if isinstance(value, dict):
                self._take(section, place, value, found, f"{name}.")
            else:
                self._fault(place, format_error(wrong_type("a table", value)))
        elif name in section.kept_by_gamcli():
            self._fault(place, f"gamcli keeps that itself; {_INSTEAD.get(name, 'leave it out')}")
        elif name in _readers(section.name, seed=True):
            self._fault(place, _SEED_ONLY)
        else:
            group, _, last = name.rpartition(".")
            inner = [each.removeprefix(f"{group}.") for each in readers if each.startswith(group)]
            self._fault(
                place, f"there is no field of that name; {_meant(last, (each.split('.')[0] for each in inner))}"
            )

    def _require_hidden(self, section: Section, place: Location, table: dict[str, Any]) -> None:
        """Say that a secret stands in the file, where everybody who reads the file reads it."""
        for name in _SECRETS.get(section.name, ()):
            if name in table and not is_reference(self._variables.written.get((*place.keys, name), "")):
                self._fault(place.within(name), "a secret does not belong into the file; write '${file:PATH}'")

    def _refuse(self, place: Location, read: Read, value: object, error: UsageError) -> None:
        """Say what is wrong with a value; of a list or a table, with each part of it."""
        for within, each in [*_wrong_parts(read, value)] or [((), error)]:
            at = place.within(*within)
            hidden = [text for keys, text in self._variables.written.items() if keys[: len(at.keys)] == at.keys]
            self._fault(at, format_error(_without(value, each, hidden[0]) if hidden else each))

    def _fault(self, place: Location, what: str) -> None:
        if place.keys not in self._missing:  # what should stand there is not known: one fault says so
            self._found.faults.append(place.problem(what))


_INSTEAD = {
    "managed_by": "--owner names who manages what the file asks for",
    "name": "the name stands in the header",
    "default": "[repository] default_auth_type names the default",
    "guid": "a user has the name that stands in the header",
    "expires_at": "expires_in says how long a key lives",
}
_SECRETS = {
    section.name: tuple(each.name for each in section.fields if each.secret and not each.seed)
    for section in SECTIONS.values()
}


def format_error(error: UsageError) -> str:
    """Return an error as a fault tells it: what is wrong, then what to write instead; flags are fields here."""
    hint = error.hint
    if hint and hint.startswith("--"):
        hint = f"use {hint[2:].replace('-', '_')}"
    return f"{error.message}; {hint}" if hint else error.message


def _without(value: object, error: UsageError, reference: str) -> UsageError:
    """Return an error that tells the rule, and nothing of the `value` that a reference stands for: it may be secret."""
    said = (error.hint or "").lower()
    tells = any(word in said for word in re.findall(r"\w+", escape_unprintable(str(value)).lower()))
    return UsageError(f"what {reference} stands for cannot be here", None if tells else error.hint)


def _meant(name: str, known: Iterable[str]) -> str:
    names = list(dict.fromkeys(known))
    near = closest_match(name, names)
    return f"did you mean {near}?" if near else f"one of: {', '.join(names)}"


def _wrong_parts(read: Read, value: object) -> Iterator[tuple[Keys, UsageError]]:
    parts: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        parts = ((key, {key: each}) for key, each in value.items())
    elif isinstance(value, list):
        parts = ((at, [each]) for at, each in enumerate(value))
    for key, part in parts:
        try:
            read(part)
        except UsageError as error:
            yield (key,), error
