"""The parameters of the OpenAPI document, and the JSON Schemas of tokens, claims and the other responses."""

from typing import Any, NamedTuple

from gamcli.rules import claims, scopes
from gamcli.rules.users import LENGTHS
from gamcli.server.endpoints import extras
from gamcli.server.endpoints.refusals import TABLE

Document = dict[str, Any]

TEXT: Document = {"type": "string"}
_GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Parameter(NamedTuple):
    """A parameter of access_token, its schema besides the type, and the decision of gamcli that it depends on."""

    description: str
    schema: Document
    decided: str = ""


PARAMETERS: dict[str, Parameter] = {
    "grant_type": Parameter(
        "password, with an API key or a password; refresh_token to renew; in any case",
        {"examples": ["password", "refresh_token"]},
        "names in another case, username by email",
    ),
    "client_id": Parameter("client ID of the application; may be sent as HTTP Basic", {}, "credentials in HTTP Basic"),
    "client_secret": Parameter(
        "client secret; may be sent as HTTP Basic instead", {"format": "password"}, "credentials in HTTP Basic"
    ),
    "api_key": Parameter(
        "the API key to exchange; not empty", {"format": "password"}, "an empty parameter, or one without ="
    ),
    "authentication_type_name": Parameter(
        "authentication type; default: the one of the repository", {"examples": ["apikey", "local"]}
    ),
    "username": Parameter(
        "the user, by name or email; with an api_key it must be the user of the key",
        {},
        "names in another case, username by email",
    ),
    "password": Parameter("password of the user", {"format": "password"}),
    "scope": Parameter(
        "scopes joined by + or spaces; with an api_key they narrow the token",
        {"examples": [scopes.join([*scopes.TABLE][:3])]},
        "scope in an API key request",
    ),
    "repository": Parameter("the GUID of this repository", {}),
    "refresh_token": Parameter("refresh token that was returned with the access token", {"format": "password"}),
    "initial_properties": Parameter(
        'JSON array of {"Id", "Value"}, at most 100, stored with the session',
        {"examples": ['[{"Id":"Company","Value":"ACME"}]']},
        "limits",
    ),
    "request_token_type": Parameter(
        "OAuth or Web; both are treated alike", {"examples": ["OAuth", "Web"]}, "request_token_type"
    ),
    "additional_parameters": Parameter("accepted and ignored", {}, "additional_parameters"),
}


def mark(value: Document, decided: str, text: str = "description") -> Document:
    """
    Return `value` with the mark of a decision of gamcli; unchanged if there is none.

    `decided` is its question on the manual page `gam`; the mark follows the field `text`.
    """
    return {**value, text: f"{value.get(text, '')} †".lstrip(), "x-decision": decided} if decided else value


def build_schemas() -> Document:
    claims_of_token = _object({claim: _CLAIMS.get(claim, TEXT) for claim in ("sub", *claims.CLAIM_ORDER)}, [])
    about = "the claims of the token's scopes, except scopes that the application has withdrawn since"
    return {
        "Token": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("GamToken", "RfcToken")]},
        "GamToken": _object(_TOKEN, list(_TOKEN)),
        "RfcToken": _object(_RFC_TOKEN, [name for name in _TOKEN if name not in ("expires_in", "refresh_token")]),
        "Claims": mark({**claims_of_token, "description": about}, "claims of a scope withdrawn since"),
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
    "access_token": mark(
        {
            **TEXT,
            "pattern": f"^{_GUID}![A-Za-z0-9]{{78}}$",
            "description": "the GUID of the repository and 78 characters, the first 12 of which are its ID",
        },
        "format of a token",
    ),
    "token_type": {"const": "Bearer"},
    "expires_in": mark(
        {"type": "integer", "minimum": 0, "description": "seconds; 0 for no expiry"}, "unit of expires_in"
    ),
    "refresh_token": {**TEXT, "pattern": "^([0-9]{3}[A-Za-z0-9]{36})?$"},
    "scope": mark(
        {
            **TEXT,
            "pattern": r"^[^\s+]+(\+[^\s+]+)*$|^$",
            "description": "scopes joined by +, in the order of the table",
        },
        "order of the scopes",
    ),
    "user_guid": mark(
        {
            **TEXT,
            "pattern": f"^({_GUID})?$",
            "description": "GUID of the user; the pairwise ID if IDs are not shared",
        },
        "user_guid when user IDs are not shared",
    ),
}

_RFC = "form of responses for OAuth libraries"

_RFC_TOKEN: Document = {
    **_TOKEN,
    "expires_in": mark({"type": "integer", "minimum": 1, "description": "seconds; absent = never"}, _RFC),
    "refresh_token": mark(
        {**TEXT, "pattern": "^[0-9]{3}[A-Za-z0-9]{36}$", "description": "absent if there is none"}, _RFC
    ),
    "scope": mark({**TEXT, "description": "scopes joined by spaces", "pattern": r"^[^\s+]+( [^\s+]+)*$|^$"}, _RFC),
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
_VALUE_ID = mark({**TEXT, "description": "numbers from 1 for values without IDs"}, "values of an attribute without IDs")
_MULTI_VALUES = {"type": "array", "items": _object({"Id": _VALUE_ID, "Value": TEXT}, ["Id", "Value"])}

_CLAIMS: Document = {
    "sub": mark(
        {**TEXT, "pattern": f"^{_GUID}$", "description": "with --format rfc6749: GUID of the user, or pairwise ID"},
        _RFC,
    ),
    "CustomInfo": mark(
        {**TEXT, "maxLength": LENGTHS["custom_info"], "description": "custom text of the user"}, "length of CustomInfo"
    ),
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
                    {"Id": TEXT, "IsMultiValue": {"const": True}, "MultiValues": _MULTI_VALUES},
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
