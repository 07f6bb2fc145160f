"""
What the store holds, written as a manifest: always in the same order, and without secrets.

Of a record those fields are written that do not have their default, and those that decide what may be done even when
they do, so that whoever keeps the file sees when one of them changes.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.model import Key, normalize_name
from gamcli.provision import toml_format, variables
from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.value_types import Field
from gamcli.rules import auth_types, durations
from gamcli.store import Transaction
from gamcli.store.apps import AppFilter
from gamcli.store.keys import KeyFilter
from gamcli.store.users import UserFilter

SECTION_OF = {section.record: section for section in SECTIONS.values()}


class Selection(NamedTuple):
    """What is exported: objects by name, or everything when none is named; the active keys of these, or no keys."""

    apps: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    auth_types: tuple[str, ...] = ()
    keys: bool = True

    @property
    def is_all(self) -> bool:
        """Say whether nothing was named."""
        return not (self.apps or self.users or self.auth_types)


class Table(NamedTuple):
    """
    One table of a manifest: its section, its name within it, and its fields, nested ones with a dot.

    `values` are all that the record has, those that are not told too; None is what cannot be told.
    """

    section: Section
    name: str
    fields: Mapping[str, object]
    values: Mapping[str, object]


def nested(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return fields as TOML and JSON nest them."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        group, dot, inner = name.partition(".")
        if dot:
            found.setdefault(group, {})[inner] = value
        else:
            found[name] = value
    return found


def table(record: object) -> Table:
    """Return the table that asks for `record`."""
    section = SECTION_OF[type(record)]
    fields = [each for each in section.fields if not each.secret]
    values = {each.name: plain(_value_of(record, each)) for each in fields}
    told = {each.name: values[each.name] for each in fields if each.always or differs(section, each, values)}
    return Table(section, str(getattr(record, "name", "")), told, values)


def differs(section: Section, field: Field, values: Mapping[str, object]) -> bool:
    """Say whether a record has another value than it would have without the field."""
    return values[field.name] not in (plain(section.default(field)), "", None)


def _value_of(record: object, field: Field) -> object:
    """Return the value of a field as a manifest has it; None for a key that never expires."""
    if isinstance(record, Key) and field.name == "expires_in":
        return None if record.expires_at is None else durations.format_duration(record.expires_at - record.created_at)
    value = attrgetter(field.name)(record)
    return auth_types.ANY if value is None else value


def plain(value: object) -> object:
    """Return a value that rules take as TOML and JSON have it."""
    return list(value) if isinstance(value, tuple) else value


def collected(gam: Gam, wanted: Selection) -> list[Table]:
    """Return the tables of what is `wanted`; raises NotFoundError for a name that nothing has."""
    with gam.store.reading() as tx:
        return [*map(table, _records(tx, gam, wanted))]


def _records(tx: Transaction, gam: Gam, wanted: Selection) -> Iterator[object]:
    if wanted.is_all:
        yield store.repository.get(tx)
        yield from store.auth_types.search(tx)
        yield from store.apps.search(tx, AppFilter())
        yield from store.users.search(tx, UserFilter())
        yield from _active(gam, store.keys.search(tx, KeyFilter(not_ended=True))) if wanted.keys else ()
        return
    apps, users = (
        _once(map(named, [tx] * len(texts), texts))
        for named, texts in ((store.apps.get, wanted.apps), (store.users.get, wanted.users))
    )
    yield from _once(store.auth_types.get(tx, each) for each in wanted.auth_types)
    yield from apps
    yield from users
    if wanted.keys:
        clients = [app.client_id for app in apps] or [None] * bool(users)
        guids = [user.guid for user in users] or [None]
        filters = (KeyFilter(guid, client, not_ended=True) for client in clients for guid in guids)
        yield from _active(gam, (key for each in filters for key in store.keys.search(tx, each)))


def _once(records: Iterable[Any]) -> list[Any]:
    return sorted(
        {normalize_name(each.name): each for each in records}.values(), key=lambda each: normalize_name(each.name)
    )


def _active(gam: Gam, keys: Iterable[Key]) -> list[Key]:
    now = gam.now()
    return sorted(
        (key for key in keys if key.status(now) == "active"),
        key=lambda key: (normalize_name(key.user), normalize_name(key.app), key.id),
    )


def text(tables: Iterable[Table]) -> Iterator[str]:
    """Yield the lines of a manifest."""
    between = False
    for each in tables:
        if between:
            yield ""
        between = True
        yield from lines(each)


def lines(of: Table) -> Iterator[str]:
    """Yield the lines of one table."""
    yield header(of)
    for name, value in nested(of.fields).items():
        yield f"{toml_format.word(name)} = {toml_format.value(escaped(value))}"


def header(of: Table) -> str:
    """Return the line that begins a table."""
    return of.section.header.replace("NAME", toml_format.word(of.name))


def escaped(value: object) -> object:
    """Return a value whose texts stand for themselves, whatever variables there are."""
    if isinstance(value, str):
        return variables.escaped(value)
    if isinstance(value, Mapping):
        return {key: escaped(each) for key, each in value.items()}
    return [escaped(each) for each in value] if isinstance(value, list) else value


def document(tables: Iterable[Table]) -> dict[str, Any]:
    """Return the manifest as one JSON document."""
    found: dict[str, Any] = {}
    for each in tables:
        name, fields = each.section.name, nested(each.fields)
        if each.section.many:
            found.setdefault(name, []).append(fields)
        elif each.section.check_name:
            found.setdefault(name, {})[each.name] = fields
        else:
            found[name] = fields
    return found
