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
from gamcli.model import format_rfc3339
from gamcli.render.csv_cells import escape_formula
from gamcli.render.text import clean

JsonObject = dict[str, Any]

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

FREE_FORM_FIELDS = ("attributes", "details")
"""Fields that hold a record with names of anybody's choice: no columns."""


class _EscapeTable(dict[int, int | str]):
    """For `str.translate` of JSON: what drives a terminal, turns or hides text becomes an escape sequence."""

    def __missing__(self, code: int) -> int | str:
        letter = chr(code)
        plain = letter.isprintable() or letter == "\n" or category(letter) == "Zs"
        self[code] = code if plain else json.dumps(letter)[1:-1]
        return self[code]


_ESCAPES = _EscapeTable()


def field_names(kind: type) -> tuple[str, ...]:
    """Return the field names of a kind of record, in their order."""
    return FIELDS.get(kind) or tuple(each.name for each in fields(kind))


def to_dict(record: object, now: datetime) -> JsonObject:
    """Return `record` as JSON has it; a status is the one at `now`."""
    return {name: _to_json_value(getattr(record, name), now) for name in field_names(type(record))}


def _to_json_value(value: Any, now: datetime) -> object:  # noqa: ANN401 - any field of a record
    if isinstance(value, datetime):
        return format_rfc3339(value)
    if isinstance(value, model.JsonText):
        return _parse_json(value)
    if isinstance(value, tuple):
        return [to_dict(each, now) if is_dataclass(each) else each for each in value]
    if callable(value):
        return _to_json_value(value(now), now)
    return to_dict(value, now) if is_dataclass(value) else value


def _parse_json(text: str) -> object:
    """Return what a JSON text says, or the text itself when that is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def json_document(value: object) -> str:
    """Return one JSON document for people and programs: indented."""
    return json.dumps(value, ensure_ascii=False, indent=2).translate(_ESCAPES)


def json_line(value: object) -> str:
    """Return one JSON document in one line."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)


def json_array(records: Iterable[JsonObject]) -> Iterator[str]:
    """Yield the lines of one JSON array, a record a line, `[]` when there is none."""
    before = "["
    for record in records:
        yield before if before == "[" else f"{before},"
        before = json_line(record)
    yield "[]" if before == "[" else before
    if before != "[":
        yield "]"


def csv_row(values: Iterable[object]) -> str:
    """Return one line of CSV (RFC 4180) without its end; no text in it begins a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([escape_formula(format_scalar(value)) for value in values])
    return text.getvalue()


def flatten(record: Mapping[str, Any], prefix: str = "") -> JsonObject:
    """Return `record` with nested records spelled out by dotted names, as CSV heads its columns."""
    found: JsonObject = {}
    for name, value in record.items():
        nested = isinstance(value, dict) and name not in FREE_FORM_FIELDS
        found.update(flatten(value, f"{prefix}{name}.") if nested else {prefix + name: value})
    return found


def format_scalar(value: object) -> str:
    """Return one value as raw text: lists joined by `+`, nothing for null, attributes as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json_line(value)
    return clean("+".join(map(str, value)) if isinstance(value, list) else value)


def field_paths(kind: type) -> tuple[str, ...]:
    """Return the field names of a kind of record with nested records spelled out, as `flat` does."""
    nested = {each.name: record for each in fields(kind) for record in _record_types(each.type)}
    return tuple(
        f"{name}.{inner}" if inner else name
        for name in field_names(kind)
        for inner in (field_names(nested[name]) if name in nested else ("",))
    )


def _record_types(annotation: Any) -> list[type]:  # noqa: ANN401 - the type of a field
    return [each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and is_dataclass(each)]


def require_field(kind: type, field: str | None, secret_fields: Sequence[str]) -> None:
    """Raise UsageError unless records of that kind, with the secrets `issued`, have `field`; it may be nested."""
    known = (*field_paths(kind), *secret_fields)
    if field not in {*known, *field_names(kind)}:
        wrong = "-o value needs --field" if field is None else f"no field named '{field}'"
        raise UsageError(wrong, f"--field takes one of: {', '.join(known)}")


def pick_field(record: JsonObject, field: str) -> str:
    """Return the raw value of `field`, dotted for nested ones; a secret that was not issued now is nothing."""
    return format_scalar({**record, **flatten(record)}.get(field))


def format_error(error: GamcliError, now: datetime) -> str:
    """Return an error as one line of JSON; the keys that a change would end come with it."""
    found: JsonObject = {"code": error.code, "message": error.message, "hint": error.hint}
    impacts = getattr(error, "impacts", ())
    if impacts:
        found["keys"] = [{**to_dict(each.key, now), "reason": each.reason} for each in impacts]
    problems = getattr(error, "problems", ())
    if problems:
        found["faults"] = [{"file": each.file, "line": each.line, "message": each.message} for each in problems]
    return json_line({"error": found})
