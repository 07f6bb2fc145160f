"""
Records as programs read them: JSON, JSON lines, CSV, or one raw value.

The field names are promises to scripts: they only grow. Functions return text; `output` prints it.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, get_args
from unicodedata import category

from gamcli import model
from gamcli.errors import GamcliError, UsageError
from gamcli.model import rfc3339
from gamcli.render.csv_cells import guarded
from gamcli.render.text import clean

Plain = dict[str, Any]

FIELDS: dict[type, tuple[str, ...]] = {
    model.Repository: ("guid", "default_auth_type", "created_at"),
    model.AuthType: ("name", "type", "description", "enabled", "default", "created_at", "updated_at", "managed_by"),
    model.App: (
        "name", "client_id", "description", "enabled", "scopes", "grants", "last_used_at", "remote_rest", "api_keys",
        "token", "require_scope", "share_user_ids", "one_token_per_user", "managed_by", "created_at", "updated_at",
        "secret_retires_at",
    ),
    model.User: (
        "guid", "name", "email", "verified_email", "first_name", "last_name", "external_id", "birthday", "gender",
        "url_image", "url_profile", "phone", "address", "city", "state", "post_code", "language", "timezone", "roles",
        "attributes", "enabled", "blocked", "managed_by", "created_at", "updated_at", "password_set_at",
        "password_must_change", "password_expires_at",
    ),
    model.Key: (
        "id", "user", "app", "client_id", "auth_type", "scopes", "status", "label", "created_at", "expires_at",
        "last_used_at", "retires_at", "ended_at", "reason", "managed_by",
    ),
    model.Token: ("id", "user", "app", "key", "scopes", "status", "issued_at", "expires_at", "session"),
}  # fmt: skip
"""The fields of each record, in their order; a record that is not named here shows all that it has."""

FREE = ("attributes", "details")
"""Fields that hold a record with names of anybody's choice: no columns."""


class _Safe(dict[int, int | str]):
    """For `str.translate` of JSON: what drives a terminal, turns or hides text becomes an escape sequence."""

    def __missing__(self, code: int) -> int | str:
        letter = chr(code)
        plain = letter.isprintable() or letter == "\n" or category(letter) == "Zs"
        self[code] = code if plain else json.dumps(letter)[1:-1]
        return self[code]


_SAFE = _Safe()


def names_of(kind: type) -> tuple[str, ...]:
    """Return the field names of a kind of record, in their order."""
    return FIELDS.get(kind) or tuple(each.name for each in fields(kind))


def plain(record: object, now: datetime) -> Plain:
    """Return `record` as JSON has it; a status is the one at `now`."""
    return {name: _plain_value(getattr(record, name), now) for name in names_of(type(record))}


def _plain_value(value: Any, now: datetime) -> object:  # noqa: ANN401 - any field of a record
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, model.JsonText):
        return _said(value)
    if isinstance(value, tuple):
        return [plain(each, now) if is_dataclass(each) else each for each in value]
    if callable(value):
        return _plain_value(value(now), now)
    return plain(value, now) if is_dataclass(value) else value


def _said(text: str) -> object:
    """Return what a JSON text says, or the text itself when that is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def document(value: object) -> str:
    """Return one JSON document for people and programs: indented."""
    return json.dumps(value, ensure_ascii=False, indent=2).translate(_SAFE)


def line(value: object) -> str:
    """Return one JSON document in one line."""
    return json.dumps(value, ensure_ascii=False).translate(_SAFE)


def array(records: Iterable[Plain]) -> Iterator[str]:
    """Yield the lines of one JSON array, a record a line, `[]` when there is none."""
    before = "["
    for record in records:
        yield before if before == "[" else f"{before},"
        before = line(record)
    yield "[]" if before == "[" else before
    if before != "[":
        yield "]"


def csv_row(values: Iterable[object]) -> str:
    """Return one line of CSV (RFC 4180) without its end; no text in it begins a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([guarded(scalar(value)) for value in values])
    return text.getvalue()


def flat(record: Mapping[str, Any], prefix: str = "") -> Plain:
    """Return `record` with nested records spelled out by dotted names, as CSV heads its columns."""
    found: Plain = {}
    for name, value in record.items():
        nested = isinstance(value, dict) and name not in FREE
        found.update(flat(value, f"{prefix}{name}.") if nested else {prefix + name: value})
    return found


def scalar(value: object) -> str:
    """Return one value as raw text: lists joined by `+`, nothing for null, attributes as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return line(value)
    return clean("+".join(map(str, value)) if isinstance(value, list) else value)


def paths_of(kind: type) -> tuple[str, ...]:
    """Return the field names of a kind of record with nested records spelled out, as `flat` does."""
    nested = {each.name: record for each in fields(kind) for record in _records(each.type)}
    return tuple(
        f"{name}.{inner}" if inner else name
        for name in names_of(kind)
        for inner in (names_of(nested[name]) if name in nested else ("",))
    )


def _records(annotation: Any) -> list[type]:  # noqa: ANN401 - the type of a field
    return [each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and is_dataclass(each)]


def require_field(kind: type, field: str | None, issued: Sequence[str]) -> None:
    """Raise UsageError unless records of that kind, with the secrets `issued`, have `field`; it may be nested."""
    known = (*paths_of(kind), *issued)
    if field not in {*known, *names_of(kind)}:
        wrong = "-o value needs --field" if field is None else f"no field named '{field}'"
        raise UsageError(wrong, f"--field takes one of: {', '.join(known)}")


def picked(record: Plain, field: str) -> str:
    """Return the raw value of `field`, dotted for nested ones; a secret that was not issued now is nothing."""
    return scalar({**record, **flat(record)}.get(field))


def error(problem: GamcliError, now: datetime) -> str:
    """Return an error as one line of JSON; the keys that a change would end come with it."""
    found: Plain = {"code": problem.code, "message": problem.message, "hint": problem.hint}
    impacts = getattr(problem, "impacts", ())
    if impacts:
        found["keys"] = [{**plain(each.key, now), "reason": each.reason} for each in impacts]
    faults = getattr(problem, "faults", ())
    if faults:
        found["faults"] = [{"file": each.file, "line": each.line, "message": each.what} for each in faults]
    return line({"error": found})
