"""The JSON Schema of a manifest, made from the table of fields: editors complete and check files by it."""

from typing import Any

from gamcli.provision.fields import SECTIONS, Section
from gamcli.provision.value_types import TEXT, Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"pattern": r"\$", "description": "a reference such as ${NAME} or ${file:PATH}"}


def document() -> dict[str, Any]:
    """Return the schema (JSON Schema draft 2020-12)."""
    return {
        "$schema": DIALECT,
        "title": "gamcli manifest",
        "description": "Authentication types, applications, users and API keys that there should be.",
        "type": "object",
        "properties": {name: _section(section) for name, section in SECTIONS.items()},
        "additionalProperties": False,
        "$defs": {name: _table(section) for name, section in SECTIONS.items()},
    }


def _section(section: Section) -> dict[str, Any]:
    one = {"$ref": f"#/$defs/{section.name}"}
    if section.many:
        return {"type": "array", "description": section.about, "items": one}
    if section.check_name:
        names = {"minLength": 1, "maxLength": section.longest_name}
        return {"type": "object", "description": section.about, "propertyNames": names, "additionalProperties": one}
    return {**one, "description": section.about}


def _table(section: Section) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in section.taken():
        group, dot, inner = field.name.partition(".")
        if dot:
            nested = properties.setdefault(group, {"type": "object", "properties": {}, "additionalProperties": False})
            nested["properties"][inner] = _field(section, field)
        else:
            properties[field.name] = _field(section, field)
    return {
        "type": "object",
        "description": section.about,
        "properties": properties,
        "required": [field.name for field in section.fields if field.required],
        "additionalProperties": False,
    }


def _field(section: Section, field: Field) -> dict[str, Any]:
    found = {**field.kind.schema, "description": field.about}
    default = section.default(field)
    if default not in ("", (), {}):
        found["default"] = list(default) if isinstance(default, tuple) else default
    if field.kind is TEXT and field.schema:
        return {**found, "anyOf": [_plain(field), _REFERENCE]}  # what a reference stands for is not known here
    return {**found, **_plain(field)}


def _plain(field: Field) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in field.schema.items()}
