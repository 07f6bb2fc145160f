"""
An existing manifest file, brought up to what the store holds: comments, order and references stay.

A field is changed where its value differs, and added where the file leaves it out and it does not have its default;
objects that are missing go to the end, those that the store no longer has are taken away.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import FailedError, Problem, ProblemsError
from gamcli.model import normalize_name
from gamcli.provision import export, manifest
from gamcli.provision.desired import Desired, DesiredKey, Location
from gamcli.provision.export import Selection, Table
from gamcli.provision.fields import SECTIONS
from gamcli.provision.toml_edit import Editor
from gamcli.provision.toml_scan import Keys
from gamcli.rules import auth_types, durations
from gamcli.store import Transaction

Identity = tuple[str, ...]
"""What makes two tables mean the same object: its section, and its name or those of the pair."""


class Update(NamedTuple):
    """What an update came to: how many objects of the file were changed, added and taken away."""

    changed: int
    added: int
    removed: int


class _Stated(NamedTuple):
    """One object as the file has it; values as TOML and JSON have them."""

    place: Location
    fields: Mapping[str, object]


class _Step(NamedTuple):
    """One object that differs: `stated` is None when the file lacks it, `table` when the store does."""

    identity: Identity
    stated: _Stated | None
    table: Table | None


def update(gam: Gam, path: Path, environment: Mapping[str, str], wanted: Selection) -> Update:
    """
    Bring the file up to what the store holds of what is `wanted`, in one go.

    Raises FaultsError when the file has faults already, or has an object in a form that cannot be edited.
    """
    tables = export.collected(gam, wanted)
    steps = _steps(gam, manifest.read([path], environment), tables, wanted)
    if steps:
        text = path.read_bytes().decode("utf-8")
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        with _replacing(path, mark + _edited(text.removeprefix(mark), steps)) as copy:
            left = _left(gam, copy, environment, tables, wanted)
            if left is None or left:
                raise ProblemsError([*_faults(path, steps, left)], "write the tables with headers, such as [app.NAME]")
    return Update(
        changed=sum(step.stated is not None and step.table is not None for step in steps),
        added=sum(step.stated is None for step in steps),
        removed=sum(step.table is None for step in steps),
    )


def _steps(gam: Gam, desired: Desired, tables: Iterable[Table], wanted: Selection) -> list[_Step]:
    """Return what differs between the file and the tables; with everything wanted, what only the file has too."""
    with gam.store.reading() as tx:
        stated = dict(_stated(tx, desired))
    steps, seen = [], set[Identity]()
    for table in tables:
        identity = _identity(table)
        seen.add(identity)
        mine = stated.get(identity)
        if mine is None or _differing(mine, table):
            steps.append(_Step(identity, mine, table))
    gone = (identity for identity in stated if identity not in seen and _may_go(identity, wanted))
    return [*steps, *(_Step(identity, stated[identity], None) for identity in gone)]


def _may_go(identity: Identity, wanted: Selection) -> bool:
    return wanted.is_all and (wanted.keys or identity[0] != "key")


def _identity(table: Table) -> Identity:
    section = table.section
    if section.many:
        return section.name, normalize_name(str(table.values["user"])), normalize_name(str(table.values["app"]))
    return section.name, normalize_name(table.name)


def _stated(tx: Transaction, desired: Desired) -> Iterator[tuple[Identity, _Stated]]:
    if desired.default_location is not None:
        place = Location(desired.default_location.source, ("repository",))
        yield ("repository", ""), _Stated(place, {"default_auth_type": desired.default_auth_type})
    for name, wanted in (("auth_type", desired.auth_types), ("app", desired.apps), ("user", desired.users)):
        for each in wanted:
            yield (
                (name, normalize_name(each.name)),
                _Stated(each.place, {key: _plain(it) for key, it in each.fields.items()}),
            )
    for key in desired.keys:
        user, app = store.users.find(tx, key.user), store.apps.find(tx, key.app)
        pair = normalize_name(user.name if user else key.user), normalize_name(app.name if app else key.app)
        yield ("key", *pair), _Stated(key.place, _terms(key))


def _terms(key: DesiredKey) -> dict[str, object]:
    found = {name: _plain(getattr(key, name)) for name in ("scopes", "auth_type", "label", "expires_in")}
    return {name: value for name, value in found.items() if value not in (auth_types.ANY, "")}


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return durations.format_duration(value)
    return auth_types.ANY if value is None else export.plain(value)


def _differing(stated: _Stated, table: Table) -> dict[str, object]:
    """Return the fields that the file has to say otherwise; None for one that it has to leave out."""
    found: dict[str, object] = {}
    for field in table.section.fields:
        if field.secret:
            continue
        value = table.values[field.name]
        if field.name in stated.fields:
            if stated.fields[field.name] != value:
                found[field.name] = value
        elif not field.derived and export.differs(table.section, field, table.values):
            found[field.name] = value
    return found


def _edited(text: str, steps: Iterable[_Step]) -> str:
    editor = Editor(text)
    for _, stated, table in steps:
        if table is None:
            assert stated is not None
            editor.remove(stated.place.keys)
        elif stated is None:
            editor.append([*export.lines(table)])
        else:
            _merge(editor, stated.place.keys, _changes(editor, stated, table))
    return editor.text()


def _changes(editor: Editor, stated: _Stated, table: Table) -> dict[str, Any]:
    """Return the fields to lay over those of the file; of a table with a header, None for what it has to lose."""
    found = export.nested(_differing(stated, table))
    for name, value in found.items():
        earlier = stated.fields.get(name)
        if isinstance(value, dict) and isinstance(earlier, dict) and editor.has_table((*stated.place.keys, name)):
            found[name] = {**dict.fromkeys(earlier), **value}
    return found


def _merge(editor: Editor, keys: Keys, fields: Mapping[str, Any]) -> None:
    """Lay `fields` over the table that `keys` lead to."""
    missing: dict[str, object] = {}
    for name, value in fields.items():
        at = (*keys, name)
        if isinstance(value, dict) and (editor.has_table(at) or (name in _GROUPS and editor.has(at))):
            _merge(editor, at, value)
        elif value is None:
            editor.remove(at)
        elif editor.has(at):
            editor.replace(at, export.escaped(value))
        else:
            missing[name] = export.escaped(value)
    if missing:
        editor.add(keys, missing)


_GROUPS = {each.name.split(".")[0] for section in SECTIONS.values() for each in section.fields if "." in each.name}


def _left(
    gam: Gam, copy: Path, environment: Mapping[str, str], tables: Iterable[Table], wanted: Selection
) -> list[_Step] | None:
    """Return what the edited file still does not say; None when it cannot be read."""
    try:
        return _steps(gam, manifest.read([copy], environment), tables, wanted)
    except ProblemsError:
        return None


def _faults(path: Path, steps: Iterable[_Step], left: Iterable[_Step] | None) -> Iterator[Problem]:
    """Yield a fault for each object of the file that could not be edited."""
    what = "is written in a way that cannot be edited"
    still = None if left is None else {each.identity for each in left}
    found = [each.stated for each in steps if each.stated and (still is None or each.identity in still)]
    yield from (each.place.problem(what) for each in found)
    if not found:
        yield Problem(str(path), 1, what)


@contextmanager
def _replacing(path: Path, text: str) -> Iterator[Path]:
    """Write `text` beside the file and yield where; then put it in the place of the file, or take it away again."""
    target = path.resolve()
    copy = target.with_name(f".{target.name}.{os.getpid()}.toml")
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
