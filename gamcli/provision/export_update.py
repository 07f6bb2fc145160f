"""
Updates a manifest file to what is in the store and keeps its comments, order and references.

A field is changed if its value differs, and added if the file leaves it out and it does not have its default value.
Missing objects are added at the end; objects that the store no longer has are removed.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import FailedError, Problem, ProblemsError, UsageError
from gamcli.model import format_rfc3339, normalize_name
from gamcli.provision import export, manifest, toml_edit
from gamcli.provision.desired import Desired, DesiredKey, Location
from gamcli.provision.export import Selection, Table
from gamcli.rules import auth_types, durations
from gamcli.store import Transaction

ObjectId = tuple[str, ...]
"""A section, and the name of the object, or the names of user and application of a key."""


class UpdateCounts(NamedTuple):
    """How many objects of the file were changed, added and removed."""

    changed: int
    added: int
    removed: int


class _Listed(NamedTuple):
    """An object of the file; values as TOML and JSON have them."""

    location: Location
    fields: Mapping[str, object]


class _Difference(NamedTuple):
    """An object that differs: `listed` is None if the file lacks it, `table` if the store does."""

    object_id: ObjectId
    listed: _Listed | None
    table: Table | None


def update(
    gam: Gam, paths: Sequence[Path], environment: Mapping[str, str], selection: Selection
) -> dict[Path, UpdateCounts]:
    """
    Update each file with the selected objects that it lists, atomically; the last file gets those that no file lists.

    Raises ProblemsError if a file has problems already, or an object has a form that cannot be edited.
    """
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder, not a manifest", "use --update once for each file")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file", "use --update with a manifest")
    tables = export.collect_tables(gam, selection)
    by_file: dict[Path, list[_Difference]] = {path: [] for path in paths}
    for each in _compare(gam, manifest.read(paths, environment), tables, selection):
        by_file[paths[-1] if each.listed is None else Path(each.listed.location.file)].append(each)
    with ExitStack() as stack:
        copies = {
            path: stack.enter_context(_replace_file(path, _edit_file(path, some)))
            for path, some in by_file.items()
            if some
        }
        remaining = _compare_copy(gam, [copies.get(path, path) for path in paths], environment, tables, selection)
        if remaining is None or remaining:
            problems = [each for path in copies for each in _edit_problems(path, by_file[path], remaining)]
            raise ProblemsError(problems, "write the tables with headers, such as [app.NAME]")
    return {path: _count(some) for path, some in by_file.items()}


def _edit_file(path: Path, differences: Sequence[_Difference]) -> str:
    text = path.read_bytes().decode("utf-8")
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    is_crlf = 0 < text.count("\n") == text.count("\r\n")
    text = toml_edit.edit(
        text.removeprefix(mark).replace("\r\n", "\n") if is_crlf else text.removeprefix(mark),
        {
            listed.location.keys: None if table is None else _differing_fields(listed, table)
            for _, listed, table in differences
            if listed is not None
        },
    )
    added = ["\n".join(export.format_table(table)) for _, listed, table in differences if listed is None and table]
    if added:
        text = "\n\n".join((*filter(None, [text.rstrip()]), *added)) + "\n"
    return mark + (text.replace("\n", "\r\n") if is_crlf else text)


def _count(differences: Sequence[_Difference]) -> UpdateCounts:
    return UpdateCounts(
        changed=sum(each.listed is not None and each.table is not None for each in differences),
        added=sum(each.listed is None for each in differences),
        removed=sum(each.table is None for each in differences),
    )


def _compare(gam: Gam, desired: Desired, tables: Iterable[Table], selection: Selection) -> list[_Difference]:
    """
    Return the differences between files and tables.

    Objects that only the files have count in a full export, and keys that only the files have in one of their user or
    application.
    """
    with gam.store.reading() as tx:
        all_listed = dict(_listed_objects(tx, desired))
        users = {normalize_name(store.users.get(tx, name).name) for name in selection.users}
        apps = {normalize_name(store.apps.get(tx, name).name) for name in selection.apps}
    differences, seen = [], set[ObjectId]()
    for table in tables:
        object_id = _identify(table)
        seen.add(object_id)
        listed = all_listed.get(object_id)
        if listed is None or _differing_fields(listed, table):
            differences.append(_Difference(object_id, listed, table))

    def is_selected(object_id: ObjectId) -> bool:
        if object_id[0] != "key":
            return selection.is_all
        is_named = selection.is_all or bool(users or apps)
        _, user, app = object_id
        return selection.keys and is_named and user in (users or {user}) and app in (apps or {app})

    gone = (each for each in all_listed if each not in seen and is_selected(each))
    return differences + [_Difference(object_id, all_listed[object_id], None) for object_id in gone]


def _identify(table: Table) -> ObjectId:
    section = table.section
    if section.is_array:
        return section.name, normalize_name(str(table.values["user"])), normalize_name(str(table.values["app"]))
    return section.name, normalize_name(table.name)


def _listed_objects(tx: Transaction, desired: Desired) -> Iterator[tuple[ObjectId, _Listed]]:
    if desired.default_location is not None:
        location = Location(desired.default_location.source, ("repository",))
        yield ("repository", ""), _Listed(location, {"default_auth_type": desired.default_auth_type})
    for section, objects in (("auth_type", desired.auth_types), ("app", desired.apps), ("user", desired.users)):
        for item in objects:
            fields = {name: _to_plain(value) for name, value in item.fields.items()}
            yield (section, normalize_name(item.name)), _Listed(item.location, fields)
    for key in desired.keys:
        user, app = store.users.find(tx, key.user), store.apps.find(tx, key.app)
        pair = normalize_name(user.name if user else key.user), normalize_name(app.name if app else key.app)
        yield ("key", *pair), _Listed(key.location, _key_fields(key))


def _key_fields(key: DesiredKey) -> dict[str, object]:
    fields = {name: _to_plain(getattr(key, name)) for name in ("scopes", "label", "expires_in", "expires_at")}
    return {name: value for name, value in fields.items() if value not in (auth_types.ANY, "")}


def _to_plain(value: object) -> object:
    if isinstance(value, timedelta):
        return durations.format_duration(value)
    if isinstance(value, datetime):
        return format_rfc3339(value)
    return auth_types.ANY if value is None else export.to_plain(value)


def _differing_fields(listed: _Listed, table: Table) -> dict[str, object]:
    """Return the fields that the file has to change, with None for fields to remove."""
    differing: dict[str, object] = {}
    for field in table.section.fields:
        if not field.is_exported:
            continue
        value = table.values[field.name]
        if field.name in listed.fields:
            is_different = listed.fields[field.name] != value
        else:
            is_different = not field.derived and export.differs(table.section, field, table.values)
        if is_different:
            differing[field.name] = export.escape(value)
    return differing


def _compare_copy(
    gam: Gam, copies: Sequence[Path], environment: Mapping[str, str], tables: Iterable[Table], selection: Selection
) -> list[_Difference] | None:
    """Return the differences that the edited files still have; None if one cannot be read."""
    try:
        return _compare(gam, manifest.read(copies, environment), tables, selection)
    except ProblemsError:
        return None


def _edit_problems(
    path: Path, differences: Iterable[_Difference], remaining: Iterable[_Difference] | None
) -> Iterator[Problem]:
    """Yield a problem for each object of the file that could not be edited."""
    message = "cannot be edited automatically"
    failed = None if remaining is None else {each.object_id for each in remaining}
    listed = [each.listed for each in differences if each.listed and (failed is None or each.object_id in failed)]
    yield from (each.location.problem(message) for each in listed)
    if not listed:
        yield Problem(str(path), 1, message)


@contextmanager
def _replace_file(path: Path, text: str) -> Iterator[Path]:
    """Write `text` to a new file in the same folder and yield its path; then rename it to `path`, or delete it."""
    target = Path(os.path.realpath(path))
    copy = target.parent / f".{target.name}.{os.getpid()}.toml"
    try:
        with os.fdopen(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        copy.chmod(stat.S_IMODE(target.stat().st_mode))
        yield copy
        copy.replace(target)
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}", "nothing was changed") from error
    finally:
        copy.unlink(missing_ok=True)
