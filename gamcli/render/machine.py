"""
Format records for programs: JSON, JSON lines, CSV, or one raw value.

Field names are a contract with scripts: fields are only added.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, get_args, get_type_hints
from unicodedata import category

from gamcli import model
from gamcli.errors import GamcliError, UsageError
from gamcli.model import format_rfc3339, tokens
from gamcli.render.csv_cells import escape_formula, format_row
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
        "password_must_change", "password_expires_at", "custom_info",
    ),
    model.Key: (
        "id", "user", "app", "client_id", "auth_type", "scopes", "status", "label", "created_at", "expires_at",
        "last_used_at", "retires_at", "ended_at", "reason", "managed_by", "enabled", "disabled_at",
        "replaces", "grants", "last_used_from",
    ),
    tokens.Token: (
        "id", "user", "app", "key", "scopes", "status", "issued_at", "expires_at", "session", "ended_at", "reason",
    ),
}  # fmt: skip
"""The fields of each record, in order; records that are not listed have all their fields."""

FREE_FORM_FIELDS = ("attributes", "details")
"""Fields that hold user-defined names, which are not columns."""


class _EscapeTable(dict[int, int | str]):
    """A table for `str.translate` of JSON: escapes characters that control a terminal, or reverse or hide text."""

    def __missing__(self, code: int) -> int | str:
        letter = chr(code)
        is_plain = letter.isprintable() or letter == "\n" or category(letter) == "Zs"
        self[code] = code if is_plain else json.dumps(letter)[1:-1]
        return self[code]


_ESCAPES = _EscapeTable()


def field_names(kind: type) -> tuple[str, ...]:
    """Return the field names of a kind of record, in order."""
    if is_dataclass(kind) and kind not in FIELDS:
        return tuple(definition.name for definition in fields(kind))
    return FIELDS.get(kind) or kind._fields  # type: ignore[attr-defined]


_JSON_TYPES = frozenset((str, int, bool, type(None)))


def to_dict(record: object, now: datetime) -> JsonObject:
    """Return `record` as a JSON object, with the status at `now`."""
    values = ((name, getattr(record, name)) for name in field_names(type(record)))
    fields = {name: value if type(value) in _JSON_TYPES else _to_json_value(value, now) for name, value in values}
    if isinstance(record, tokens.Token) and fields["status"] == "active":  # its key may retire later
        fields.update(ended_at=None, reason=None)
    return fields


def _to_json_value(value: Any, now: datetime) -> object:  # noqa: ANN401 - any field of a record
    if isinstance(value, datetime):
        return format_rfc3339(value)
    if isinstance(value, model.JsonText):
        return _parse_json(value)
    if callable(value):
        return _to_json_value(value(now), now)
    if _is_record_type(type(value)):
        return to_dict(value, now)
    return [_to_json_value(item, now) for item in value] if isinstance(value, tuple) else value


def _parse_json(text: str) -> object:
    """Return the parsed JSON, or the text itself if it is invalid."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def json_document(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2).translate(_ESCAPES)


def json_line(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else text.translate(_ESCAPES)


def json_array(records: Iterable[JsonObject]) -> Iterator[str]:
    """Yield the lines of a JSON array, one record per line, `[]` if there is none."""
    pending = "["
    for record in records:
        yield pending if pending == "[" else f"{pending},"
        pending = json_line(record)
    yield "[]" if pending == "[" else pending
    if pending != "[":
        yield "]"


def csv_row(values: Iterable[object]) -> str:
    """Return a line of CSV (RFC 4180) without its line break; no cell begins a formula."""
    return format_row(["" if value is None else escape_formula(format_scalar(value)) for value in values])


def csv_lines(kind: type, rows: Iterable[JsonObject]) -> Iterator[str]:
    """Yield the lines of a CSV file with its header, also without rows."""
    header: tuple[str, ...] = ()
    for record in rows:
        flat = flatten(record)
        if not header:
            header = tuple(flat)
            yield csv_row(header)
        yield csv_row(flat.values())
    if not header:
        yield csv_row(field_paths(kind))


def flatten(record: Mapping[str, Any], prefix: str = "") -> JsonObject:
    """Return `record` with nested records as dotted names, which are the CSV headers."""
    flat: JsonObject = {}
    for name, value in record.items():
        if isinstance(value, dict) and name not in FREE_FORM_FIELDS:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def format_scalar(value: object) -> str:
    """Return a value as raw text: lists joined by `+`, nothing for null, attributes as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json_line(value)
    return clean("+".join(map(str, value)) if isinstance(value, list) else value)


def field_paths(kind: type) -> tuple[str, ...]:
    """Return the field names of a kind of record, nested ones with a dot, as `flatten` does."""
    nested = {name: record for name, hint in get_type_hints(kind).items() for record in _record_types(hint)}
    return tuple(
        f"{name}.{inner}" if inner else name
        for name in field_names(kind)
        for inner in (field_names(nested[name]) if name in nested else ("",))
    )


def _record_types(annotation: Any) -> list[type]:  # noqa: ANN401 - the type of a field
    return [
        candidate
        for candidate in (annotation, *get_args(annotation))
        if isinstance(candidate, type) and _is_record_type(candidate)
    ]


def _is_record_type(kind: type) -> bool:
    """Return whether values of a type are JSON objects; other named tuples are lists."""
    return kind in FIELDS or is_dataclass(kind)


def require_field(kind: type, field: str | None, secret_fields: Sequence[str]) -> None:
    """Raise UsageError unless `field` is a field of the records, nested or not, or one of `secret_fields`."""
    known = (*field_paths(kind), *secret_fields)
    if field not in {*known, *field_names(kind)}:
        message = "-o value requires --field" if field is None else f"unknown field '{field}'"
        raise UsageError(message, f"use --field with one of: {', '.join(known)}")


def pick_field(record: JsonObject, field: str) -> str:
    """Return the raw value of `field`, dotted if nested; empty for a secret that was not just issued."""
    return format_scalar({**record, **flatten(record)}.get(field))


def format_error(error: GamcliError, now: datetime) -> str:
    """Return an error as one line of JSON, with the keys that the change would invalidate."""
    fields: JsonObject = {"code": error.code, "message": error.message, "hint": error.hint}
    impacts = getattr(error, "impacts", ())
    if impacts:
        fields["keys"] = [{**to_dict(impact.key, now), "reason": impact.reason} for impact in impacts]
    problems = getattr(error, "problems", ())
    if problems:
        fields["faults"] = [
            {"file": problem.file, "line": problem.line, "message": problem.message} for problem in problems
        ]
    return json_line({"error": fields})
