"""
The OpenAPI 3.1 document of the endpoints, made from the tables that answer requests: routes, refusals, scopes.

`gamcli help openapi` prints it. Statuses and refusals are those of both formats, whichever a server speaks.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gamcli import __version__
from gamcli.rules import claims, scopes
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.forms import MEDIA_TYPE
from gamcli.server.endpoints.refusals import TABLE, UNAUTHORIZED
from gamcli.server.transport.messages import REASONS

Document = dict[str, Any]

TEXT: Document = {"type": "string"}
_GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Parameter(NamedTuple):
    """A parameter of access_token: what it is for, and more of its schema."""

    description: str
    schema: Document


PARAMETERS: dict[str, Parameter] = {
    "grant_type": Parameter(
        "password, with an api_key or with a password; refresh_token to renew. In any case.",
        {"examples": ["password", "refresh_token"]},
    ),
    "client_id": Parameter("the application; or as HTTP Basic", {}),
    "client_secret": Parameter("its secret; or as HTTP Basic, not both", {"format": "password"}),
    "api_key": Parameter("the key that is traded", {"format": "password"}),
    "authentication_type_name": Parameter("by default that of the repository", {"examples": ["apikey", "local"]}),
    "username": Parameter("who logs in; with an api_key, its owner", {}),
    "password": Parameter("their password", {"format": "password"}),
    "scope": Parameter("joined by + or blanks", {"examples": [scopes.join([*scopes.TABLE][:3])]}),
    "repository": Parameter("the GUID of this repository", {}),
    "refresh_token": Parameter("what came with the token to renew", {"format": "password"}),
    "initial_properties": Parameter(
        'JSON, a list of {"Id", "Value"} that the session keeps', {"examples": ['[{"Id":"Company","Value":"ACME"}]']}
    ),
    "request_token_type": Parameter("OAuth or Web, which are treated alike", {"examples": ["OAuth", "Web"]}),
    "additional_parameters": Parameter("taken and not looked at", {}),
}

REFRESH_PARAMETERS = ("grant_type", "client_id", "client_secret", "refresh_token")
"""The parameters that GET takes, in the query."""

HTTP_REFUSALS = frozenset({
    "request_unreadable", "version_unknown", "request_line_too_long", "fields_too_large", "request_slow",
    "expectation_unknown", "path_unknown", "method_wrong", "body_too_large", "length_missing", "store_busy",
    "store_gone", "connections_full", "bug",
})  # fmt: skip
"""The refusals that any request may come to."""

USERINFO_REFUSALS = frozenset(rule for rule in TABLE if rule.startswith("token_") or rule == "authorization_missing")
ACCESS_TOKEN_REFUSALS = frozenset(TABLE) - HTTP_REFUSALS - USERINFO_REFUSALS

EXPIRED_STATUS = 403
"""What an expired token is answered with where `serve` is told so."""


RETRY_STATUSES = (429, 503)
"""The statuses after which a client is told when to come again."""


class Operation(NamedTuple):
    """What a route answers: its summary, the refusals of its own, the schema of its success, what is sent."""

    summary: str
    rules: frozenset[str]
    success_schema: str
    request: Document


def _query() -> Document:
    named = ({"name": name, "in": "query", **_parameter(name)} for name in REFRESH_PARAMETERS)
    return {"parameters": [*named], "security": [{}, {"client": []}]}


def _parameter(name: str) -> Document:
    about, schema = PARAMETERS[name]
    return {"description": about, "schema": {**TEXT, **schema}}


def _form() -> Document:
    properties = {name: {**TEXT, **schema, "description": about} for name, (about, schema) in PARAMETERS.items()}
    schema: Document = {"type": "object", "properties": properties, "required": ["grant_type"]}
    return {
        "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": schema}}},
        "security": [{}, {"client": []}],
    }


def _bearer() -> Document:
    return {"security": [{"token": []}, {"oauth2": []}]}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("access_token", "POST"): Operation("Issue or renew an access token", ACCESS_TOKEN_REFUSALS, "Token", _form()),
    ("access_token", "GET"): Operation("Renew an access token", ACCESS_TOKEN_REFUSALS, "Token", _query()),
    ("userinfo", "GET"): Operation("Tell the claims that a token reveals", USERINFO_REFUSALS, "Claims", _bearer()),
    ("userinfo", "POST"): Operation("Tell the claims that a token reveals", USERINFO_REFUSALS, "Claims", _bearer()),
    ("healthz", "GET"): Operation("Whether the store answers", frozenset(), "Health", {"security": []}),
}
"""What is told of each route, by the last word of its path and its method."""


def build_document() -> Document:
    """Return the document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gamcli serve",
            "version": __version__,
            "summary": "The token endpoint of GAM style applications, and the claims of their users",
        },
        "servers": [{"url": "{url}", "variables": {"url": {"default": "http://127.0.0.1:8080"}}}],
        "paths": {path: _path_item(path, methods) for path, methods in routes.ROUTES.items()},
        "components": {"schemas": _schemas(), "examples": dict(_examples()), "securitySchemes": _security()},
    }


def _path_item(path: str, methods: Mapping[str, object]) -> Document:
    name = path.rpartition("/")[2]
    return {method.lower(): _operation(name, method) for method in methods}


def _operation(name: str, method: str) -> Document:
    summary, rules, answers, sent = OPERATIONS[name, method]
    return {
        "operationId": f"{method.lower()}_{name}",
        "summary": summary,
        **sent,
        "responses": {"200": _success(answers), **dict(_refused(rules | HTTP_REFUSALS))},
    }


def _success(schema: str) -> Document:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": REASONS[200], "headers": _headers(200), "content": content}


def _refused(rules: frozenset[str]) -> Iterator[tuple[str, Document]]:
    """Yield each status that `rules` come to, in either format, with an example of each."""
    by_status: dict[int, Document] = {}
    for rule in filter(rules.__contains__, TABLE):
        for error_format, shape in refusals.ERROR_WRITERS.items():
            name = f"{rule}.{error_format}"
            for status in (shape(TABLE[rule])[0], *((EXPIRED_STATUS,) if rule == "token_expired" else ())):
                by_status.setdefault(status, {})[name] = {"$ref": f"#/components/examples/{name}"}
    for status in sorted(by_status):
        schema = {"$ref": "#/components/schemas/Refusal"}
        content = {"application/json": {"schema": schema, "examples": by_status[status]}}
        yield str(status), {"description": REASONS[status], "headers": _headers(status), "content": content}


def _examples() -> Iterator[tuple[str, Document]]:
    """Yield every refusal in each format by its name, as its status and body are."""
    for rule, refusal in TABLE.items():
        for error_format, shape in refusals.ERROR_WRITERS.items():
            yield f"{rule}.{error_format}", {"value": shape(refusal)[1]}


def _headers(status: int) -> Document:
    found = {"Cache-Control": _header({"const": "no-store"}), "Pragma": _header({"const": "no-cache"})}
    if status == UNAUTHORIZED:
        found["WWW-Authenticate"] = _header({"pattern": '^(Basic|Bearer) realm="gam"'})
    if status in RETRY_STATUSES:
        found["Retry-After"] = _header({"pattern": "^[1-9][0-9]*$"})
    return found


def _header(schema: Document) -> Document:
    return {"required": True, "schema": {**TEXT, **schema}}


def _schemas() -> Document:
    return {
        "Token": _object(_TOKEN, list(_TOKEN)),
        "Claims": _object({claim: _CLAIMS.get(claim, TEXT) for claim in claims.CLAIM_ORDER}, []),
        "Health": _object({"status": {"const": "ok"}}, ["status"]),
        "Refusal": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in _REFUSALS]},
        **_REFUSALS,
    }


def _object(properties: Document, required: list[str]) -> Document:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_TOKEN: Document = {
    "access_token": {**TEXT, "pattern": f"^{_GUID}![A-Za-z0-9]{{78}}$"},
    "token_type": {"const": "Bearer"},
    "expires_in": {"type": "integer", "minimum": 0, "description": "seconds; 0 is never"},
    "refresh_token": {**TEXT, "pattern": "^([0-9]{3}[A-Za-z0-9]{36})?$"},
    "scope": {**TEXT, "description": "joined by +", "pattern": r"^[^\s+]+(\+[^\s+]+)*$|^$"},
    "user_guid": {**TEXT, "pattern": f"^({_GUID})?$"},
}

_VALUES = {"type": "array", "items": _object({"Id": TEXT, "Value": TEXT}, ["Id", "Value"])}

_CLAIMS: Document = {
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
"""The claims that are more than any text."""

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


def _security() -> Document:
    revealed = {scope.name: scope.description for scope in scopes.TABLE.values()}
    flow = {"tokenUrl": "/oauth/gam/v2.0/access_token", "scopes": revealed}
    about = "the access token: bare, or behind Bearer or OAuth"
    return {
        "client": {"type": "http", "scheme": "basic", "description": "client_id and client_secret (RFC 6749 §2.3.1)"},
        "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": about},
        "oauth2": {"type": "oauth2", "flows": {"password": {**flow, "refreshUrl": flow["tokenUrl"]}}},
    }
