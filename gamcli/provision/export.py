"""
Exports the store as a manifest: in a stable order, without secrets.

A field is written if it does not have its default value. Fields that decide what is allowed are always written, so that
a later change shows up in a diff of the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from gamcli import store
from gamcli.actions import Gam, audit_history
from gamcli.model import Key, format_rfc3339, normalize_name
from gamcli.provision import files, toml_format, variables
from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.value_types import Field
from gamcli.rules import auth_types, durations
from gamcli.store import Transaction
from gamcli.store.apps import AppFilter
from gamcli.store.keys import KeyFilter
from gamcli.store.users import UserFilter

SECTION_OF: dict[type, Section] = {section.record: section for section in SECTIONS.values()}


class Selection(NamedTuple):
    """The objects to export, everything if none is named; `keys` includes their active keys."""

    apps: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    auth_types: tuple[str, ...] = ()
    keys: bool = True

    @property
    def is_all(self) -> bool:
        return not (self.apps or self.users or self.auth_types)


class Table(NamedTuple):
    """
    One table of a manifest; the names of nested fields have a dot.

    `fields` are written, `values` are all values of the record; None is a value that a manifest cannot express. `owner`
    manages the record. `comment` says what the table cannot contain.
    """

    section: Section
    name: str
    fields: Mapping[str, object]
    values: Mapping[str, object]
    owner: str | None = None
    key_id: str | None = None
    comment: str = ""


IMPORTED = 'imported; for another store, add: api_key = "${file:PATH}"'


def nest(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return fields with dots in their names as nested tables."""
    result: dict[str, Any] = {}
    for name, value in fields.items():
        group, dot, inner = name.partition(".")
        if dot:
            result.setdefault(group, {})[inner] = value
        else:
            result[name] = value
    return result


def build_table(record: object) -> Table:
    section = SECTION_OF[type(record)]
    fields = [field for field in section.fields if field.is_exported]
    values = {field.name: to_plain(_field_value(record, field)) for field in fields}
    written = {field.name: values[field.name] for field in fields if field.always or differs(section, field, values)}
    if values.get("expires_in") is not None:
        written.pop("expires_at", None)
    key_id = record.id if isinstance(record, Key) else None
    name, owner = str(getattr(record, "name", "")), getattr(record, "managed_by", None)
    return Table(section, name, written, values, owner, key_id)


def differs(section: Section, field: Field, values: Mapping[str, object]) -> bool:
    """Return whether the value of a field is not its default."""
    return values[field.name] not in (to_plain(section.default(field)), "", None)


def _field_value(record: object, field: Field) -> object:
    if isinstance(record, Key) and field.name == "expires_in":
        return None if record.expires_at is None else durations.format_duration(record.expires_at - record.created_at)
    if isinstance(record, Key) and field.name == "expires_at":
        return None if record.expires_at is None else format_rfc3339(record.expires_at)
    value = attrgetter(field.name)(record)
    return auth_types.ANY if value is None else value


def to_plain(value: object) -> object:
    """Return a value of the rules as TOML and JSON have it."""
    return list(value) if isinstance(value, tuple) else value


def collect_tables(gam: Gam, selection: Selection) -> list[Table]:
    """Return the tables of all selected objects; raises NotFoundError."""
    with gam.store.reading() as tx:
        tables = [*map(build_table, _load_records(tx, gam, selection))]
        imported = set(audit_history.find_imported_keys(tx))
        return [each._replace(comment=IMPORTED) if each.key_id in imported else each for each in tables]


def _load_records(tx: Transaction, gam: Gam, selection: Selection) -> Iterator[object]:
    if selection.is_all:
        yield store.repository.get(tx)
        yield from store.auth_types.search(tx)
        yield from store.apps.search(tx, AppFilter())
        yield from store.users.search(tx, UserFilter())
        yield from _active_keys(gam, store.keys.search(tx, KeyFilter(not_ended=True))) if selection.keys else ()
        return
    apps = _sort_unique(store.apps.get(tx, name) for name in selection.apps)
    users = _sort_unique(store.users.get(tx, name) for name in selection.users)
    yield from _sort_unique(store.auth_types.get(tx, name) for name in selection.auth_types)
    yield from apps
    yield from users
    if selection.keys:
        client_ids = [app.client_id for app in apps] or [None] * bool(users)
        guids = [user.guid for user in users] or [None]
        filters = (KeyFilter(guid, client_id, not_ended=True) for client_id in client_ids for guid in guids)
        yield from _active_keys(gam, (key for each in filters for key in store.keys.search(tx, each)))


def _sort_unique(records: Iterable[Any]) -> list[Any]:
    by_name = {normalize_name(record.name): record for record in records}
    return [by_name[name] for name in sorted(by_name)]


def _active_keys(gam: Gam, keys: Iterable[Key]) -> list[Key]:
    now = gam.now()
    return sorted(
        (key for key in keys if key.status(now) == "active"),
        key=lambda key: (normalize_name(key.user), normalize_name(key.app), key.id),
    )


def format_manifest(tables: Iterable[Table]) -> Iterator[str]:
    """
    Yield the lines of a manifest, with a blank line between tables.

    A comment names the owner, so that a plan of the file is empty: at the top, and again where the owner changes.
    """
    tables = [*tables]
    owner = next((table.owner for table in tables if table.owner is not None), None)
    if owner is not None:
        yield files.format_comment(owner)
    for index, table in enumerate(tables):
        if index or owner is not None:
            yield ""
        if table.owner not in (None, owner):
            owner = table.owner
            yield files.format_comment(owner)
        yield from format_table(table)


def format_table(table: Table) -> Iterator[str]:
    yield table.section.header.replace("NAME", toml_format.format_key(variables.escape(table.name)))
    if table.comment:
        yield f"# {table.comment}"
    for name, value in nest(table.fields).items():
        yield f"{toml_format.format_key(name)} = {toml_format.format_value(escape(value))}"


def escape(value: object) -> object:
    """Return a value in which no text is taken for a reference to a variable."""
    if isinstance(value, str):
        return variables.escape(value)
    if isinstance(value, Mapping):
        return {key: escape(each) for key, each in value.items()}
    return [escape(each) for each in value] if isinstance(value, list) else value


def to_document(tables: Iterable[Table]) -> dict[str, Any]:
    """Return the manifest as one JSON document."""
    document: dict[str, Any] = {}
    for table in tables:
        name, fields = table.section.name, nest(table.fields)
        if table.section.is_array:
            document.setdefault(name, []).append(fields)
        elif table.section.check_name:
            document.setdefault(name, {})[table.name] = fields
        else:
            document[name] = fields
    return document
