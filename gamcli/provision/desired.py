"""The desired state as records, each with its location in a manifest, so that every problem has a file and a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from gamcli.errors import Problem
from gamcli.model import normalize_name
from gamcli.provision import toml_format
from gamcli.provision.toml_scan import Keys, Lines
from gamcli.rules.credentials import Secret


class SourceFile:
    """A file and its text. Line numbers are computed on the first request: a valid manifest needs none."""

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self._text = text

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self._text)

    def line(self, keys: Keys) -> int:
        """Return the line of a key path, from 1, or of its nearest parent."""
        return self._lines.find(keys)


class SavedSource(SourceFile):
    """The file of an object in a saved plan, which has only the line of the object."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(file)
        self._line = line

    def line(self, keys: Keys) -> int:  # noqa: ARG002 - one line for all key paths
        return self._line


class Location(NamedTuple):
    """A place in a manifest: the file and a key path, in which array indexes begin at 0."""

    source: SourceFile
    keys: Keys

    @property
    def file(self) -> str:
        return self.source.file

    @property
    def line(self) -> int:
        return self.source.line(self.keys)

    def within(self, *keys: str | int) -> "Location":
        return Location(self.source, (*self.keys, *keys))

    def problem(self, message: str, field_name: str = "") -> Problem:
        """Return a problem at this location, or at the field with that (dotted) name."""
        location = self.within(*field_name.split(".")) if field_name else self
        path = toml_format.format_path(location.keys)
        return Problem(self.file, location.line, f"{path}: {message}" if path else message)


class Located:
    """An object of a manifest that has a location."""

    __slots__ = ()
    location: Location

    def problem(self, message: str, field_name: str = "") -> Problem:
        return self.location.problem(message, field_name)


@dataclass(frozen=True, slots=True)
class DesiredObject(Located):
    """
    An authentication type, an application or a user of a manifest.

    `fields` are the listed fields as the rules take changes: nested names have a dot, scopes and roles are tuples. An
    authentication type also has `type`, an application `client_id` and `client_secret` (a Secret), a user of a seed
    `password` (a Secret). `owner` becomes `managed_by`. `references` has secrets as the file refers to
    them, such as `${file:PATH}`.
    """

    name: str
    fields: Mapping[str, object]
    location: Location
    owner: str
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def moved_from(self) -> str | None:
        """Return the earlier name of the object, if the manifest has one."""
        name = self.fields.get("moved_from")
        return name if isinstance(name, str) else None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the normalized names under which the object may exist: the new one first."""
        return tuple(normalize_name(name) for name in (self.name, self.moved_from) if name is not None)


@dataclass(frozen=True, slots=True)
class DesiredKey(Located):
    """
    An API key of a manifest; None means that any value is accepted.

    `api_key` is a key to import, `references` says how the file refers to it. Only a seed can have a `status` with
    which the key begins.
    """

    user: str
    app: str
    location: Location
    owner: str
    scopes: tuple[str, ...] | None = None
    label: str = ""
    expires_in: timedelta | None = None
    expires_at: datetime | None = None
    renew_within: timedelta | None = None
    overlap: timedelta | None = None
    api_key: Secret | None = None
    status: str = "active"
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_current(self) -> bool:
        """Whether it is the one key of its pair that can be used, if nothing suspends it."""
        return self.status in ("active", "suspended")


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state of a set of manifests, in the order of the files, without duplicates."""

    auth_types: tuple[DesiredObject, ...] = ()
    apps: tuple[DesiredObject, ...] = ()
    users: tuple[DesiredObject, ...] = ()
    keys: tuple[DesiredKey, ...] = ()
    default_auth_type: str | None = None
    default_location: Location | None = None
    owners: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_seed: bool = False
    repository_guid: str | None = None
    empty_files: Mapping[str, str] = field(default_factory=dict)
    """The first file of each owner whose files name nothing that it manages, by owner."""
