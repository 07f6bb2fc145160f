"""The JSON Schema of manifests, built from the table of fields, for completion and checks in editors."""

from typing import Any

from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.value_types import TEXT, Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"pattern": r"\$", "description": "a reference such as ${NAME} or ${file:PATH}"}


def build_schema() -> dict[str, Any]:
    """Return the schema in draft 2020-12."""
    return {
        "$schema": DIALECT,
        "title": "gamcli manifest",
        "description": "The desired authentication types, applications, users and API keys.",
        "type": "object",
        "properties": {name: _section_schema(section) for name, section in SECTIONS.items()},
        "additionalProperties": False,
        "$defs": {name: _table_schema(section) for name, section in SECTIONS.items()},
    }


def _section_schema(section: Section) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{section.name}"}
    if section.is_array:
        return {"type": "array", "description": section.about, "items": reference}
    if section.check_name:
        names = {"minLength": 1, "maxLength": section.max_name_length}
        return {
            "type": "object",
            "description": section.about,
            "propertyNames": names,
            "additionalProperties": reference,
        }
    return {**reference, "description": section.about}


def _table_schema(section: Section) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in section.allowed_fields():
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
        "additionalProperties": False,
    }


def _field_schema(section: Section, field: Field) -> dict[str, Any]:
    schema = {**field.type.schema, "description": field.about}
    default = section.default(field)
    if default not in ("", (), {}):
        schema["default"] = list(default) if isinstance(default, tuple) else default
    if field.type is TEXT and field.schema:
        return {**schema, "anyOf": [_own_schema(field), _REFERENCE]}  # the value of a reference is unknown here
    return {**schema, **_own_schema(field)}


def _own_schema(field: Field) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in field.schema.items()}
