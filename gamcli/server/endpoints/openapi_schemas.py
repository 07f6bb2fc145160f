"""The JSON Schemas of the OpenAPI document: tokens, claims and the other responses."""

from typing import Any

from gamcli.rules import claims
from gamcli.server.endpoints import extras
from gamcli.server.endpoints.refusals import TABLE

Document = dict[str, Any]

TEXT: Document = {"type": "string"}
_GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def build_schemas() -> Document:
    return {
        "Token": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("GamToken", "RfcToken")]},
        "GamToken": _object(_TOKEN, list(_TOKEN)),
        "RfcToken": _object(_RFC_TOKEN, [name for name in _TOKEN if name not in ("expires_in", "refresh_token")]),
        "Claims": _object({claim: _CLAIMS.get(claim, TEXT) for claim in ("sub", *claims.CLAIM_ORDER)}, []),
        "Introspection": _object(_INTROSPECTION, ["active"]),
        "Revocation": _object({}, []),
        "Metadata": _object(_METADATA, [*_METADATA]),
        "Health": _object({"status": {"const": "ok"}}, ["status"]),
        "Refusal": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in _REFUSALS]},
        **_REFUSALS,
    }


def _object(properties: Document, required: list[str]) -> Document:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_TOKEN: Document = {
    "access_token": {**TEXT, "pattern": f"^{_GUID}![A-Za-z0-9]{{78}}$"},
    "token_type": {"const": "Bearer"},
    "expires_in": {"type": "integer", "minimum": 0, "description": "seconds †; 0 for no expiry"},
    "refresh_token": {**TEXT, "pattern": "^([0-9]{3}[A-Za-z0-9]{36})?$"},
    "scope": {**TEXT, "description": "scopes joined by +", "pattern": r"^[^\s+]+(\+[^\s+]+)*$|^$"},
    "user_guid": {
        **TEXT,
        "pattern": f"^({_GUID})?$",
        "description": "GUID of the user; the pairwise ID † if IDs are not shared",
    },
}

_RFC_TOKEN: Document = {
    **_TOKEN,
    "expires_in": {"type": "integer", "minimum": 1, "description": "seconds; absent = never"},
    "refresh_token": {**TEXT, "pattern": "^[0-9]{3}[A-Za-z0-9]{36}$", "description": "absent if there is none"},
    "scope": {**TEXT, "description": "scopes joined by spaces", "pattern": r"^[^\s+]+( [^\s+]+)*$|^$"},
}
"""With --format rfc6749."""

_SECONDS = {"type": "integer", "description": "seconds since 1970"}

_INTROSPECTION: Document = {
    "active": {"type": "boolean"},
    "scope": {**TEXT, "description": "scopes joined by spaces"},
    "client_id": TEXT,
    "username": {**TEXT, "description": "if the scopes reveal it"},
    "token_type": {"const": "Bearer"},
    "exp": _SECONDS,
    "iat": _SECONDS,
    "sub": {**TEXT, "pattern": f"^{_GUID}$"},
}

_METADATA: Document = {
    name: {"type": "array", "items": TEXT} if name.endswith("_supported") else {**TEXT, "format": "uri"}
    for name in extras.build_metadata("")
}

_VALUES = {"type": "array", "items": _object({"Id": TEXT, "Value": TEXT}, ["Id", "Value"])}

_CLAIMS: Document = {
    "sub": {**TEXT, "pattern": f"^{_GUID}$", "description": "with --format rfc6749: GUID of the user, or pairwise ID"},
    "verified_email": {"type": "boolean"},
    "birthday": {**TEXT, "format": "date"},
    "gender": {"enum": ["N", "F", "M"]},
    "roles": {"type": "array", "items": TEXT},
    "initial_properties": _VALUES,
    "attributes": {
        "type": "array",
        "items": {
            "oneOf": [
                _object({"Id": TEXT, "IsMultiValue": {"const": False}, "Value": TEXT}, ["Id", "IsMultiValue", "Value"]),
                _object(
                    {"Id": TEXT, "IsMultiValue": {"const": True}, "MultiValues": _VALUES},
                    ["Id", "IsMultiValue", "MultiValues"],
                ),
            ]
        },
    },
}
"""The schemas of claims that are not plain text."""

_REFUSALS: Document = {
    "GamRefusal": _object(
        {
            "error": _object(
                {"code": {"enum": sorted({each.code for each in TABLE.values()})}, "message": TEXT}, ["code", "message"]
            )
        },
        ["error"],
    ),
    "RfcRefusal": _object(
        {"error": {"enum": sorted({each.error for each in TABLE.values()} - {""})}, "error_description": TEXT},
        ["error_description"],
    ),
}
