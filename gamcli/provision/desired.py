"""What manifests ask for, as records: each with the place that asks, so that every fault can name file and line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from gamcli.errors import Fault
from gamcli.rules.credentials import Secret


class Place(NamedTuple):
    """Where a manifest says something: file as given, line from 1, and the key path within the file."""

    file: str
    line: int
    path: str

    def fault(self, what: str, field_name: str = "", line: int | None = None) -> Fault:
        """Return the fault that `what` is here, or at the field of that name."""
        path = f"{self.path}.{field_name}" if field_name else self.path
        return Fault(self.file, line or self.line, f"{path}: {what}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One authentication type, application or user that a manifest asks for.

    `fields` are those that it names, as `rules` take changes (nested ones with a dot, scopes and roles as tuples);
    beside them an authentication type has `type`, an application `client_id` and `client_secret` (a Secret), a user of
    a seed `password` (a Secret). `lines` has the line of each field. `owner` is what `managed_by` keeps.
    """

    name: str
    fields: Mapping[str, object]
    place: Place
    owner: str
    lines: Mapping[str, int] = field(default_factory=dict)

    def fault(self, what: str, field_name: str = "") -> Fault:
        """Return the fault that `what` is, at the line of the field."""
        return self.place.fault(what, field_name, self.lines.get(field_name))


@dataclass(frozen=True, slots=True)
class WantedKey:
    """One live key that a manifest asks for; None is what it leaves open. Only a seed brings an `api_key` along."""

    user: str
    app: str
    place: Place
    owner: str
    scopes: tuple[str, ...] | None = None
    auth_type: str | None = None
    label: str = ""
    expires_in: timedelta | None = None
    api_key: Secret | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def fault(self, what: str, field_name: str = "") -> Fault:
        """Return the fault that `what` is, at the line of the field."""
        return self.place.fault(what, field_name, self.lines.get(field_name))


@dataclass(frozen=True, slots=True)
class Desired:
    """All that a set of manifests asks for, in the order of the files; nothing is named twice."""

    auth_types: tuple[Wanted, ...] = ()
    apps: tuple[Wanted, ...] = ()
    users: tuple[Wanted, ...] = ()
    keys: tuple[WantedKey, ...] = ()
    default_auth_type: str | None = None
    default_place: Place | None = None
    owners: tuple[str, ...] = ()
