"""What manifests ask for, as records: each with the place that asks, so that every fault can name file and line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import NamedTuple

from gamcli.errors import Problem
from gamcli.provision import toml_format
from gamcli.provision.toml_scan import Keys, Lines
from gamcli.rules.credentials import Secret


class SourceFile:
    """A file as it was given, and its text; which line says what is found out when somebody asks."""

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self._text = text

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self._text)

    def line(self, keys: Keys) -> int:
        """Return the line, from 1, of what `keys` lead to, or of the nearest thing around it."""
        return self._lines.of(keys)


class Location(NamedTuple):
    """Where a manifest says something: the file, and the keys that lead there (places in arrays from 0)."""

    source: SourceFile
    keys: Keys

    @property
    def file(self) -> str:
        """The file, as it was given."""
        return self.source.file

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.source.line(self.keys)

    @property
    def path(self) -> str:
        """The key path, written as in TOML; which element of a list it is, the line tells."""
        return toml_format.path(self.keys)

    def within(self, *keys: str | int) -> "Location":
        """Return the place that `keys` lead to from here."""
        return Location(self.source, (*self.keys, *keys))

    def problem(self, what: str, field_name: str = "") -> Problem:
        """Return the fault that `what` is here, or at the field of that (dotted) name."""
        if field_name:
            return self.within(*field_name.split(".")).problem(what)
        return Problem(self.file, self.line, f"{self.path}: {what}" if self.keys else what)


@dataclass(frozen=True, slots=True)
class DesiredObject:
    """
    One authentication type, application or user that a manifest asks for.

    `fields` are those that it names, as `rules` take changes (nested ones with a dot, scopes and roles as tuples);
    beside them an authentication type has `type`, an application `client_id` and `client_secret` (a Secret), a user of
    a seed `password` (a Secret). `owner` is what `managed_by` keeps.
    """

    name: str
    fields: Mapping[str, object]
    place: Location
    owner: str

    def problem(self, what: str, field_name: str = "") -> Problem:
        """Return the fault that `what` is, at the line of the field."""
        return self.place.problem(what, field_name)


@dataclass(frozen=True, slots=True)
class DesiredKey:
    """One live key that a manifest asks for; None is what it leaves open. Only a seed brings an `api_key` along."""

    user: str
    app: str
    place: Location
    owner: str
    scopes: tuple[str, ...] | None = None
    auth_type: str | None = None
    label: str = ""
    expires_in: timedelta | None = None
    api_key: Secret | None = None

    def problem(self, what: str, field_name: str = "") -> Problem:
        """Return the fault that `what` is, at the line of the field."""
        return self.place.problem(what, field_name)


@dataclass(frozen=True, slots=True)
class Desired:
    """All that a set of manifests asks for, in the order of the files; nothing is named twice."""

    auth_types: tuple[DesiredObject, ...] = ()
    apps: tuple[DesiredObject, ...] = ()
    users: tuple[DesiredObject, ...] = ()
    keys: tuple[DesiredKey, ...] = ()
    default_auth_type: str | None = None
    default_location: Location | None = None
    owners: tuple[str, ...] = ()
