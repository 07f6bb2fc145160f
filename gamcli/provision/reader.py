"""Reads one manifest file into records: the table of fields checks each value, and every problem is collected."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from gamcli.errors import Problem, UsageError
from gamcli.provision.desired import DesiredObject, Location
from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.files import File, Owners
from gamcli.provision.toml_scan import Keys
from gamcli.provision.value_types import ReadValue, ValueType, from_reference, unchanged, wrong_type
from gamcli.provision.variables import Variables, can_contain_reference, is_reference, redact
from gamcli.rules import names
from gamcli.rules.names import closest_match


@dataclass(slots=True)
class Contents:
    """The objects of all files read so far, by section, and the problems of the files."""

    objects: dict[str, list[DesiredObject]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    keys: list["KeyTable"] = field(default_factory=list)
    defaults: dict[str, DesiredObject] = field(default_factory=dict)
    first_files: dict[str, str] = field(default_factory=dict)
    """The owners, with the first file of each."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class KeyTable(NamedTuple):
    """A `[[key]]` of a file, before the defaults of all files are known."""

    location: Location
    owner: str
    fields: Mapping[str, Any]
    references: Mapping[str, str]


DEFAULTS = {"app": {"client_id", "client_secret", "moved_from"}, "key": {"user", "app", "api_key", "status"}}
"""The sections that can have defaults, with the fields that belong to one object."""


@lru_cache
def _types(section: str) -> dict[str, ValueType]:
    return {each.name: each.type for each in SECTIONS[section].fields}


@lru_cache
def _readers(section: str, *, seed: bool) -> dict[str, ReadValue]:
    return {each.name: each.reader(seed=seed) for each in SECTIONS[section].allowed_fields(seed=seed)}


@lru_cache
def _production_readers(section: str) -> dict[str, ReadValue]:
    """Return the readers of the fields for which a seed accepts more."""
    return {each.name: each.reader() for each in SECTIONS[section].fields if each.seed_check is not None}


class Reader:
    """Reads one file into `contents`; `owner` manages its objects, by default the owner that its comments name."""

    def __init__(
        self, file: File, contents: Contents, environment: Mapping[str, str], owner: str | None, *, seed: bool
    ) -> None:
        self._file, self._contents, self._seed = file, contents, seed
        self._owners = Owners(file.text if owner is None else "", owner or file.source.file)
        self._variables = Variables(environment, file.path.parent)
        self._unresolved = set[Keys]()

    def read(self) -> None:
        self._read_owners()
        tree, source = self._file.tree, self._file.source
        if can_contain_reference(self._file.text):
            errors = [*self._variables.replace(tree)]
            self._unresolved = {keys for keys, _ in errors}
            self._contents.problems.extend(
                Location(source, keys).problem(format_error(error)) for keys, error in errors
            )
        for name, value in tree.items():
            location = Location(source, (name,))
            if name == "defaults":
                self._read_defaults(location, value)
            else:
                self._read_section(location, SECTIONS.get(name), value)

    def _read_owners(self) -> None:
        file = self._file.source.file
        for line, name in self._owners.comments:
            try:
                names.check_name("an owner", name, names.APP_NAME_LENGTH)
            except UsageError as error:
                self._contents.problems.append(Problem(file, line, format_error(error)))
        for name in dict.fromkeys(each for _, each in self._owners.comments) or [self._owners.default]:
            self._contents.first_files.setdefault(name, file)

    def _read_defaults(self, location: Location, tables: object) -> None:
        """Read the values that all objects of a section have unless they list their own."""
        if not isinstance(tables, dict):
            self._report(location, format_error(wrong_type("tables such as [defaults.app]", tables)))
            return
        for name, table in tables.items():
            at = location.within(name)
            if name not in DEFAULTS:
                self._report(at, f"no defaults for this section; {_suggest(name, DEFAULTS)}")
                continue
            fields = self._read_table(SECTIONS[name], at, table)
            for each in fields.keys() & DEFAULTS[name]:
                self._report(at.within(each), "cannot have a default: list it in each object")
            item = DesiredObject(name, fields, at, self._owners.find(at))
            earlier = self._contents.defaults.setdefault(name, item)
            if earlier is not item:
                self._report(at, f"already defined in {earlier.location.file}:{earlier.location.line}")

    def _read_section(self, location: Location, section: Section | None, value: object) -> None:
        if section is None:
            self._report(location, f"unknown section; {_suggest(str(location.keys[0]), SECTIONS)}")
        elif section.is_array and isinstance(value, list):
            self._read_keys(section, value)
        elif section.check_name and isinstance(value, dict):
            for name, table in value.items():
                inner = location.within(name)
                self._read_object(section, inner, self._read_name(section.check_name, inner, name), table)
        elif section.is_array or section.check_name:
            self._report(location, format_error(wrong_type(f"tables {section.header}", value)))
        else:
            self._read_object(section, location, "", value)

    def _read_name(self, check: Callable[[str], object], location: Location, name: str) -> str:
        """Return the name of an object with its references replaced."""
        try:
            expanded = self._variables.expand(name)
            try:
                check(expanded)
            except UsageError as error:
                raise redact(expanded, error, name) if expanded != name else error from error
        except UsageError as error:
            self._report(location, format_error(error))
            return name
        return expanded

    def _read_object(self, section: Section, location: Location, name: str, table: object) -> None:
        fields = self._read_table(section, location, table)
        references = self._find_references(section, location)
        item = DesiredObject(name, fields, location, self._owners.find(location), references)
        self._contents.objects[section.name].append(item)

    def _find_references(self, section: Section, location: Location) -> dict[str, str]:
        """Return the secrets of a table as the file refers to them."""
        originals, keys = self._variables.originals, location.keys
        return {name: originals[*keys, name] for name in _SECRETS[section.name] if (*keys, name) in originals}

    def _read_keys(self, section: Section, tables: list[Any]) -> None:
        for index, table in enumerate(tables):
            location = Location(self._file.source, ("key", index))
            fields = self._read_table(section, location, self._drop_auth_type(location, table))
            if "user" in fields and "app" in fields:
                references = self._find_references(section, location)
                self._contents.keys.append(KeyTable(location, self._owners.find(location), fields, references))
            elif isinstance(table, dict):
                for name in ("user", "app"):
                    if name not in table:
                        self._report(location, f"{name} is required: every key has a user and an app")

    def _drop_auth_type(self, location: Location, table: object) -> object:
        """Accept, with a warning, the authentication type of keys, which earlier manifests may have."""
        if not isinstance(table, dict) or "auth_type" not in table:
            return table
        at = location.within("auth_type")
        self._contents.warnings.append(
            f"{at.file}:{at.line}: auth_type is ignored: a key is not bound to an authentication type;"
            " to allow one type only, set api_keys.auth_type of the application"
        )
        return {name: value for name, value in table.items() if name != "auth_type"}

    def _read_table(self, section: Section, location: Location, table: object) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not isinstance(table, dict):
            self._report(location, format_error(wrong_type(f"a table {section.header}", table)))
            return values
        self._read_fields(section, location, table, values)
        first, *others = [name for name in section.exclusive if name in table] or [""]
        for name in others:
            self._report(location.within(name), f"cannot be combined with {first}")
        for name in () if self._seed else _SECRETS[section.name]:
            if name in table and not is_reference(self._variables.originals.get((*location.keys, name), "")):
                self._report(location.within(name), "secrets are not allowed in the file; use '${file:PATH}'")
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
            at = location.within(key)
            if isinstance(value, str) and at.keys in self._variables.originals:
                value = from_reference(_types(section.name)[name], value)  # noqa: PLW2901 - as its field needs it
            try:
                values[name] = read(value)
                if self._seed:
                    self._warn_if_weak(section, at, name, value)
            except UsageError as error:
                self._report_value(at, read, value, error)

    def _warn_if_weak(self, section: Section, location: Location, name: str, value: object) -> None:
        """Warn of a credential that only a seed can contain."""
        try:
            _production_readers(section.name).get(name, unchanged)(value)
        except UsageError as error:
            problem = location.problem(f"accepted only for tests: {format_error(error)}")
            self._contents.warnings.append(f"{problem.file}:{problem.line}: {problem.message}")

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

    def _report_value(self, location: Location, read: ReadValue, value: object, error: UsageError) -> None:
        """Report what is wrong with a value, or with each invalid part of a list or table."""
        is_reference = location.keys in self._variables.originals
        for within, part_error in ([] if is_reference else [*_invalid_parts(read, value)]) or [((), error)]:
            at = location.within(*within)
            references = [text for keys, text in self._variables.originals.items() if keys[: len(at.keys)] == at.keys]
            self._report(at, format_error(redact(value, part_error, references[0]) if references else part_error))

    def _report(self, location: Location, message: str) -> None:
        if location.keys not in self._unresolved:  # the value is unknown, and its problem is reported already
            self._contents.problems.append(location.problem(message))


_ALTERNATIVES = {
    "managed_by": "--owner sets the owner of all objects",
    "name": "the name is in the header",
    "default": "[repository] default_auth_type sets the default",
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


def _suggest(name: str, known: Iterable[str]) -> str:
    listed = list(dict.fromkeys(known))
    near = closest_match(name, listed)
    return f"did you mean {near}?" if near else f"use one of: {', '.join(listed)}"


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
