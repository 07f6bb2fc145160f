"""The parameters of the OpenAPI document, and the JSON Schemas of tokens, claims and the other responses."""

from typing import Any

from gamcli.rules import claims, scopes
from gamcli.rules.users import LENGTHS
from gamcli.server.endpoints import extras
from gamcli.server.endpoints.refusals import TABLE

Document = dict[str, Any]

TEXT: Document = {"type": "string"}
_GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def mark(value: Document, decided: str, text: str = "description") -> Document:
    """
    Return `value` with the mark of a decision of gamcli; unchanged if there is none.

    `decided` is its question on the manual page `gam`; the mark follows the field `text`.
    """
    return {**value, text: f"{value.get(text, '')} †".lstrip(), "x-decision": decided} if decided else value


def _text(description: str, decided: str = "", **schema: object) -> Document:
    return mark({**TEXT, **schema, "description": description}, decided)


_CASE, _BASIC = "names in another case, username by email", "credentials in HTTP Basic"

PARAMETERS: dict[str, Document] = {
    "grant_type": _text(
        "password, with an API key or a password; refresh_token to renew; in any case",
        _CASE,
        examples=["password", "refresh_token"],
    ),
    "client_id": _text("client ID of the application; may be sent as HTTP Basic", _BASIC),
    "client_secret": _text("client secret; may be sent as HTTP Basic instead", _BASIC, format="password"),
    "api_key": _text("the API key to exchange; not empty", "an empty parameter, or one without =", format="password"),
    "authentication_type_name": _text(
        "authentication type; default: the one of the repository", examples=["apikey", "local"]
    ),
    "username": _text("the user, by name or email; with an api_key it must be the user of the key", _CASE),
    "password": _text("password of the user", format="password"),
    "scope": _text(
        "scopes joined by + or spaces; with an api_key they narrow the token",
        "scope in an API key request",
        examples=[scopes.join([*scopes.TABLE][:3])],
    ),
    "repository": _text("the GUID of this repository"),
    "refresh_token": _text("refresh token that was returned with the access token", format="password"),
    "initial_properties": _text(
        'JSON array of {"Id", "Value"}, at most 100, stored with the session',
        "limits",
        examples=['[{"Id":"Company","Value":"ACME"}]'],
    ),
    "request_token_type": _text(
        "OAuth or Web; both are treated alike", "request_token_type", examples=["OAuth", "Web"]
    ),
    "additional_parameters": _text("accepted and ignored", "additional_parameters"),
}
"""The parameters of access_token."""


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
    "access_token": _text(
        "the GUID of the repository and 78 characters, the first 12 of which are its ID",
        "format of a token",
        pattern=f"^{_GUID}![A-Za-z0-9]{{78}}$",
    ),
    "token_type": {"const": "Bearer"},
    "expires_in": mark(
        {"type": "integer", "minimum": 0, "description": "seconds; 0 for no expiry"}, "unit of expires_in"
    ),
    "refresh_token": {**TEXT, "pattern": "^([0-9]{3}[A-Za-z0-9]{36})?$"},
    "scope": _text(
        "scopes joined by +, in the order of the table", "order of the scopes", pattern=r"^[^\s+]+(\+[^\s+]+)*$|^$"
    ),
    "user_guid": _text(
        "GUID of the user; the pairwise ID if IDs are not shared",
        "user_guid when user IDs are not shared",
        pattern=f"^({_GUID})?$",
    ),
}

_RFC = "form of responses for OAuth libraries"

_RFC_TOKEN: Document = {
    **_TOKEN,
    "expires_in": mark({"type": "integer", "minimum": 1, "description": "seconds; absent = never"}, _RFC),
    "refresh_token": _text("absent if there is none", _RFC, pattern="^[0-9]{3}[A-Za-z0-9]{36}$"),
    "scope": _text("scopes joined by spaces", _RFC, pattern=r"^[^\s+]+( [^\s+]+)*$|^$"),
}
"""With --format rfc6749."""

_SECONDS = {"type": "integer", "description": "seconds since 1970"}

_INTROSPECTION: Document = {
    "active": {"type": "boolean"},
    "scope": {**TEXT, "description": "scopes joined by spaces"},
    "client_id": TEXT,
    "username": {**TEXT, "description": "if a scope includes it"},
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
    "CustomInfo": _text("custom text of the user", "length of CustomInfo", maxLength=LENGTHS["custom_info"]),
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
