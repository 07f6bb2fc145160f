"""The JSON Schema of manifests, built from the table of fields, for completion and checks in editors."""

from typing import Any

from gamcli.provision import field_checks as checks
from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.reader import DEFAULTS
from gamcli.provision.value_types import TABLE, TEXT, Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"pattern": checks.REFERENCE, "description": "a reference such as ${NAME} or ${file:PATH}"}


def build_schema(*, seed: bool = False) -> dict[str, Any]:
    """Return the schema in draft 2020-12, of manifests or of the seeds of ephemeral servers."""
    tables = {name: _table_schema(section, seed=seed) for name, section in SECTIONS.items()}
    return {
        "$schema": DIALECT,
        "title": "gamcli seed" if seed else "gamcli manifest",
        "description": "The desired authentication types, applications, users and API keys.",
        "type": "object",
        "properties": {
            **{name: _section_schema(section) for name, section in SECTIONS.items()},
            "defaults": _defaults(tables),
        },
        "additionalProperties": False,
        "$defs": tables,
    }


def _defaults(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of the defaults: the fields of a section, except those that belong to one object."""
    properties = {}
    for name, excluded in DEFAULTS.items():
        table = tables[name]
        fields = {field: schema for field, schema in table["properties"].items() if field not in excluded}
        properties[name] = {**table, "properties": fields, "required": []}
    about = "default values for all objects"
    return {"type": "object", "description": about, "properties": properties, "additionalProperties": False}


def _section_schema(section: Section) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{section.name}"}
    if section.is_array:
        return {"type": "array", "description": section.about, "items": reference}
    if section.check_name:
        names = {"anyOf": [{"pattern": section.name_pattern, "maxLength": section.max_name_length}, _REFERENCE]}
        return {
            "type": "object",
            "description": section.about,
            "propertyNames": names,
            "additionalProperties": reference,
        }
    return {**reference, "description": section.about}


def _table_schema(section: Section, *, seed: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in section.allowed_fields(seed=seed):
        if seed and field.seed_check is not None:
            field = field._replace(schema=field.seed_schema)  # noqa: PLW2901 - as a seed has it
        group, dot, inner = field.name.partition(".")
        if dot:
            nested = properties.setdefault(group, {"type": "object", "properties": {}, "additionalProperties": False})
            nested["properties"][inner] = _field_schema(section, field)
        else:
            properties[field.name] = _field_schema(section, field)
    return {
        "type": "object",
        "description": section.about,
        "properties": properties,
        "required": [field.name for field in section.fields if field.required],
        **({"not": {"required": [*section.exclusive]}} if section.exclusive else {}),
        "additionalProperties": False,
    }


def _field_schema(section: Section, field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {**field.type.schema, "description": field.about}
    default = section.default(field)
    if default not in ("", (), {}):
        schema["default"] = list(default) if isinstance(default, tuple) else default
    if field.type is TEXT and field.schema:
        return {**schema, "anyOf": [_own_schema(field), _REFERENCE]}  # the value of a reference is unknown here
    if field.type in (TEXT, TABLE):
        return {**schema, **_own_schema(field)}
    about: dict[str, Any] = {name: schema.pop(name) for name in ("description", "default") if name in schema}
    return {**about, "anyOf": [{**schema, **_own_schema(field)}, {"type": "string", **_REFERENCE}]}


def _own_schema(field: Field) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in field.schema.items()}
