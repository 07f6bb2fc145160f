"""Reads one manifest file into records: the table of fields checks each value, and every problem is collected."""

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
from gamcli.provision.value_types import ReadValue, wrong_type
from gamcli.provision.variables import Variables, can_contain_reference, is_reference
from gamcli.rules.names import closest_match, escape_unprintable


@dataclass(slots=True)
class Contents:
    """The objects of all files read so far, by section, and the problems of the files."""

    objects: dict[str, list[DesiredObject]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    keys: list[DesiredKey] = field(default_factory=list)
    first_files: dict[str, str] = field(default_factory=dict)
    """The owners, with the first file of each."""
    problems: list[Problem] = field(default_factory=list)


@lru_cache
def _readers(section: str, *, seed: bool) -> dict[str, ReadValue]:
    return {each.name: each.reader() for each in SECTIONS[section].allowed_fields(seed=seed)}


class Reader:
    """Reads one file into `contents`; `owner` manages its objects."""

    def __init__(
        self, file: File, contents: Contents, environment: Mapping[str, str], owner: str, *, seed: bool
    ) -> None:
        self._file, self._contents, self._owner, self._seed = file, contents, owner, seed
        self._variables = Variables(environment, file.path.parent)
        self._unresolved = set[Keys]()

    def read(self) -> None:
        self._contents.first_files.setdefault(self._owner, self._file.source.file)
        tree, source = self._file.tree, self._file.source
        if can_contain_reference(self._file.text):
            errors = [*self._variables.replace(tree)]
            self._unresolved = {keys for keys, _ in errors}
            self._contents.problems.extend(
                Location(source, keys).problem(format_error(error)) for keys, error in errors
            )
        for name, value in tree.items():
            self._read_section(Location(source, (name,)), SECTIONS.get(name), value)

    def _read_section(self, location: Location, section: Section | None, value: object) -> None:
        if section is None:
            self._report(location, f"unknown section; {_suggest(str(location.keys[0]), SECTIONS)}")
        elif section.is_array and isinstance(value, list):
            self._read_keys(section, value)
        elif section.check_name and isinstance(value, dict):
            for name, table in value.items():
                inner = location.within(name)
                try:
                    section.check_name(name)
                except UsageError as error:
                    self._report(inner, format_error(error))
                self._read_object(section, inner, name, table)
        elif section.is_array or section.check_name:
            self._report(location, format_error(wrong_type(f"tables {section.header}", value)))
        else:
            self._read_object(section, location, "", value)

    def _read_object(self, section: Section, location: Location, name: str, table: object) -> None:
        fields = self._read_table(section, location, table)
        self._contents.objects[section.name].append(DesiredObject(name, fields, location, self._owner))

    def _read_keys(self, section: Section, tables: list[Any]) -> None:
        for index, table in enumerate(tables):
            location = Location(self._file.source, ("key", index))
            fields = self._read_table(section, location, table)
            if "user" in fields and "app" in fields:
                self._contents.keys.append(DesiredKey(location=location, owner=self._owner, **fields))
            elif isinstance(table, dict):
                for name in ("user", "app"):
                    if name not in table:
                        self._report(location, f"{name} is required: every key has a user and an app")

    def _read_table(self, section: Section, location: Location, table: object) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not isinstance(table, dict):
            self._report(location, format_error(wrong_type(f"a table {section.header}", table)))
            return values
        self._read_fields(section, location, table, values)
        if not self._seed:
            self._reject_plain_secrets(section, location, table)
        return values

    def _read_fields(
        self, section: Section, location: Location, table: dict[str, Any], values: dict[str, Any], prefix: str = ""
    ) -> None:
        """Read the fields of a table into `values`; `prefix` is the path of a nested table."""
        readers = _readers(section.name, seed=self._seed)
        for key, value in table.items():
            name = prefix + key
            read = readers.get(name)
            if read is None:
                self._read_nested(section, location.within(key), name, value, values)
                continue
            try:
                values[name] = read(value)
            except UsageError as error:
                self._report_value(location.within(key), read, value, error)

    def _read_nested(
        self, section: Section, location: Location, name: str, value: object, values: dict[str, Any]
    ) -> None:
        """Read a nested table, or report an unknown field."""
        readers = _readers(section.name, seed=self._seed)
        if any(each.startswith(f"{name}.") for each in readers):
            if isinstance(value, dict):
                self._read_fields(section, location, value, values, f"{name}.")
            else:
                self._report(location, format_error(wrong_type("a table", value)))
        elif name in section.internal_fields():
            self._report(location, f"gamcli sets this field; {_ALTERNATIVES.get(name, 'leave it out')}")
        elif name in _readers(section.name, seed=True):
            self._report(location, "allowed only in the seed of an ephemeral server")
        else:
            group, _, last = name.rpartition(".")
            siblings = [each.removeprefix(f"{group}.") for each in readers if each.startswith(group)]
            self._report(location, f"unknown field; {_suggest(last, (each.split('.')[0] for each in siblings))}")

    def _reject_plain_secrets(self, section: Section, location: Location, table: dict[str, Any]) -> None:
        for name in _SECRETS.get(section.name, ()):
            if name in table and not is_reference(self._variables.originals.get((*location.keys, name), "")):
                self._report(location.within(name), "secrets are not allowed in the file; use '${file:PATH}'")

    def _report_value(self, location: Location, read: ReadValue, value: object, error: UsageError) -> None:
        """Report what is wrong with a value, or with each invalid part of a list or table."""
        for within, part_error in [*_invalid_parts(read, value)] or [((), error)]:
            at = location.within(*within)
            references = [text for keys, text in self._variables.originals.items() if keys[: len(at.keys)] == at.keys]
            self._report(at, format_error(_redact(value, part_error, references[0]) if references else part_error))

    def _report(self, location: Location, message: str) -> None:
        if location.keys not in self._unresolved:  # the value is unknown, and its problem is reported already
            self._contents.problems.append(location.problem(message))


_ALTERNATIVES = {
    "managed_by": "--owner sets the owner of all objects",
    "name": "the name is in the header",
    "default": "[repository] default_auth_type sets the default",
    "guid": "a user is identified by the name in the header",
    "expires_at": "expires_in sets how long a key is valid",
}
_SECRETS = {
    section.name: tuple(each.name for each in section.fields if each.secret and not each.seed)
    for section in SECTIONS.values()
}


def format_error(error: UsageError) -> str:
    """Return message and hint in one line, with the names of fields instead of options."""
    hint = error.hint
    if hint and hint.startswith("--"):
        hint = f"use {hint[2:].replace('-', '_')}"
    return f"{error.message}; {hint}" if hint else error.message


def _redact(value: object, error: UsageError, reference: str) -> UsageError:
    """Return an error without the value of a reference, which can be a secret: neither message nor hint quote it."""
    hint = (error.hint or "").lower()
    quotes_value = any(word in hint for word in re.findall(r"\w+", escape_unprintable(str(value)).lower()))
    return UsageError(f"the value of {reference} is invalid", None if quotes_value else error.hint)


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(dict.fromkeys(known))
    near = closest_match(name, names)
    return f"did you mean {near}?" if near else f"use one of: {', '.join(names)}"


def _invalid_parts(read: ReadValue, value: object) -> Iterator[tuple[Keys, UsageError]]:
    parts: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        parts = ((key, {key: each}) for key, each in value.items())
    elif isinstance(value, list):
        parts = ((index, [each]) for index, each in enumerate(value))
    for key, part in parts:
        try:
            read(part)
        except UsageError as error:
            yield (key,), error
