"""
The OpenAPI 3.1 document of the endpoints, generated from the tables of routes, refusals and scopes.

`gamcli help openapi` prints it. It has the statuses and refusals of both error formats.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gamcli import __version__
from gamcli.rules import scopes
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.form_bodies import MEDIA_TYPE, MULTIPART
from gamcli.server.endpoints.openapi_schemas import TEXT, Document, build_schemas
from gamcli.server.endpoints.outcomes import Endpoint
from gamcli.server.endpoints.refusals import TABLE, UNAUTHORIZED, is_decided
from gamcli.server.transport.messages import REASONS, REQUEST_ID


class Parameter(NamedTuple):
    """A parameter of access_token, and its schema besides the type."""

    description: str
    schema: Document


PARAMETERS: dict[str, Parameter] = {
    "grant_type": Parameter(
        "password, with an API key or a password; refresh_token to renew; in any case †",
        {"examples": ["password", "refresh_token"]},
    ),
    "client_id": Parameter("client ID of the application; may be sent as HTTP Basic", {}),
    "client_secret": Parameter("client secret; may be sent as HTTP Basic instead", {"format": "password"}),
    "api_key": Parameter("the API key to exchange", {"format": "password"}),
    "authentication_type_name": Parameter(
        "authentication type; default: the one of the repository", {"examples": ["apikey", "local"]}
    ),
    "username": Parameter("the user; with an api_key it must be the user of the key", {}),
    "password": Parameter("password of the user", {"format": "password"}),
    "scope": Parameter(
        "scopes joined by + or spaces; with an api_key they narrow the token †",
        {"examples": [scopes.join([*scopes.TABLE][:3])]},
    ),
    "repository": Parameter("the GUID of this repository", {}),
    "refresh_token": Parameter("refresh token that was returned with the access token", {"format": "password"}),
    "initial_properties": Parameter(
        'JSON array of {"Id", "Value"}, stored with the session', {"examples": ['[{"Id":"Company","Value":"ACME"}]']}
    ),
    "request_token_type": Parameter("OAuth or Web; both are treated alike †", {"examples": ["OAuth", "Web"]}),
    "additional_parameters": Parameter("accepted and ignored †", {}),
}

REFRESH_PARAMETERS = ("grant_type", "client_id", "client_secret", "refresh_token")
"""The query parameters of GET."""

HTTP_REFUSALS = frozenset({
    "request_unreadable", "version_unknown", "request_line_too_long", "fields_too_large",
    "fields_too_many", "request_slow",
    "expectation_unknown", "transfer_coding_unknown", "path_unknown", "method_wrong", "body_too_large",
    "length_missing", "store_busy", "store_gone", "store_version", "connections_full", "bug",
})  # fmt: skip
"""The refusals of any request."""

USERINFO_REFUSALS = frozenset(rule for rule in TABLE if rule.startswith("token_") or rule == "authorization_missing")
READYZ_REFUSALS = frozenset({"draining"})
EXTRA_REFUSALS = frozenset({"parameter_token_missing"})
OTHER_REFUSALS = HTTP_REFUSALS | USERINFO_REFUSALS | READYZ_REFUSALS | EXTRA_REFUSALS
ACCESS_TOKEN_REFUSALS = frozenset(TABLE) - OTHER_REFUSALS
FORM_REFUSALS = frozenset({
    "charset_unknown", "charset_not_ascii", "form_unreadable", "control_character", "form_not_utf8",
    "parameters_too_many", "parameter_repeated",
})  # fmt: skip
"""The refusals of a form in a request to userinfo."""

CLIENT_REFUSALS = frozenset({
    "media_type_wrong", "boundary_missing", "multipart_unreadable", "multipart_file", "multipart_nested",
    "multipart_type", "multipart_encoded", "client_twice", "client_ids_differ", "client_basic_malformed",
    "client_id_missing", "client_unknown", "client_secret_missing", "client_secret_wrong", "app_disabled",
    "too_many_failures",
})  # fmt: skip
"""The refusals of a client that authenticates, besides those of the form."""

EXPIRED_STATUS = 403
"""The status for an expired token with `serve --expired-status 403`."""


REQUEST_ID_PATTERN = f"^{REQUEST_ID.pattern}$"

RETRY_STATUSES = (429, 503)
"""The statuses with a Retry-After field."""


class Operation(NamedTuple):
    """The summary, refusals, response schema and request of a route."""

    summary: str
    rules: frozenset[str]
    success_schema: str
    request: Document


def _query() -> Document:
    parameters = ({"name": name, "in": "query", **_parameter(name)} for name in REFRESH_PARAMETERS)
    return {"parameters": [*parameters], "security": [{}, {"client": []}]}


def _parameter(name: str) -> Document:
    description, schema = PARAMETERS[name]
    return {"description": description, "schema": {**TEXT, **schema}}


def _form() -> Document:
    properties = {name: {**TEXT, **schema, "description": text} for name, (text, schema) in PARAMETERS.items()}
    schema: Document = {"type": "object", "properties": properties, "required": ["grant_type"]}
    return {
        "requestBody": {"required": True, "content": {name: {"schema": schema} for name in (MEDIA_TYPE, MULTIPART)}},
        "security": [{}, {"client": []}],
    }


def _token_form() -> Document:
    properties = {
        "token": {**TEXT, "format": "password", "description": "access token or refresh token"},
        "token_type_hint": {**TEXT, "description": "accepted and ignored"},
        **{name: {**TEXT, "description": PARAMETERS[name].description} for name in ("client_id", "client_secret")},
    }
    schema = {"type": "object", "properties": properties, "required": ["token"]}
    return {
        "requestBody": {"required": True, "content": {name: {"schema": schema} for name in (MEDIA_TYPE, MULTIPART)}},
        "security": [{}, {"client": []}],
    }


def _bearer() -> Document:
    return {"security": [{"token": []}, {"oauth2": []}]}


def _bearer_in_form() -> Document:
    """Return the request with the token in the header or in a form (RFC 6750 §2.2)."""
    token = {**TEXT, "format": "password", "description": "access token, instead of the header"}
    schema = {"type": "object", "properties": {"access_token": token}}
    body = {"required": False, "content": {MEDIA_TYPE: {"schema": schema}}}
    return {"requestBody": body, "security": [{}, {"token": []}, {"oauth2": []}]}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("access_token", "POST"): Operation("Issue or renew an access token", ACCESS_TOKEN_REFUSALS, "Token", _form()),
    ("access_token", "GET"): Operation("Renew an access token", ACCESS_TOKEN_REFUSALS, "Token", _query()),
    ("userinfo", "GET"): Operation("Return the claims of an access token", USERINFO_REFUSALS, "Claims", _bearer()),
    ("userinfo", "POST"): Operation(
        "Return the claims of an access token", USERINFO_REFUSALS | FORM_REFUSALS, "Claims", _bearer_in_form()
    ),
    ("healthz", "GET"): Operation("Check that the store can be read †", frozenset(), "Health", {"security": []}),
    ("readyz", "GET"): Operation(
        "Check whether the server should get requests †", READYZ_REFUSALS, "Health", {"security": []}
    ),
    ("introspect", "POST"): Operation(
        "With --extras: return the state of a token (RFC 7662) †",
        EXTRA_REFUSALS | FORM_REFUSALS | CLIENT_REFUSALS,
        "Introspection",
        _token_form(),
    ),
    ("revoke", "POST"): Operation(
        "With --extras: revoke a token with its session (RFC 7009) †",
        EXTRA_REFUSALS | FORM_REFUSALS | CLIENT_REFUSALS,
        "Revocation",
        _token_form(),
    ),
    ("oauth-authorization-server", "GET"): Operation(
        "With --extras: return the metadata of the server (RFC 8414) †", frozenset(), "Metadata", {"security": []}
    ),
}
"""The operations by the last segment of the path, and method."""


def build_document() -> Document:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gamcli serve",
            "version": __version__,
            "summary": "Token endpoint and userinfo of GAM-style applications",
            "description": "† marks decisions of gamcli that no GAM page settles; `gamcli help gam` lists them.",
        },
        "servers": [{"url": "{url}", "variables": {"url": {"default": "http://127.0.0.1:8080"}}}],
        "paths": {path: _path_item(path, methods) for path, methods in (routes.ROUTES | routes.EXTRA_ROUTES).items()},
        "components": {"schemas": build_schemas(), "examples": dict(_examples()), "securitySchemes": _security()},
    }


def _path_item(path: str, methods: Mapping[str, Endpoint]) -> Document:
    name = path.rpartition("/")[2]
    item = {method.lower(): _operation(name, method) for method in methods}
    if "GET" in methods and routes.supports_head(methods["GET"]):
        item["head"] = _without_bodies(item["get"], f"head_{name.replace('-', '_')}")
    return item


def _without_bodies(operation: Document, operation_id: str) -> Document:
    """Return the operation of HEAD, whose responses have no body."""
    responses = {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in operation["responses"].items()
    }
    return {**operation, "operationId": operation_id, "responses": responses}


def _operation(name: str, method: str) -> Document:
    summary, rules, success_schema, request = OPERATIONS[name, method]
    return {
        "operationId": f"{method.lower()}_{name.replace('-', '_')}",
        "summary": summary,
        **request,
        "responses": {"200": _success(success_schema), **dict(_refusal_responses(rules | HTTP_REFUSALS))},
    }


def _success(schema: str) -> Document:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": REASONS[200], "headers": _headers(200), "content": content}


def _refusal_responses(rules: frozenset[str]) -> Iterator[tuple[str, Document]]:
    """Yield the statuses of `rules` in both formats, with examples."""
    by_status: dict[int, Document] = {}
    for rule in filter(rules.__contains__, TABLE):
        for response_format, write_error in refusals.ERROR_WRITERS.items():
            name = f"{rule}.{response_format}"
            for status in (write_error(TABLE[rule])[0], *((EXPIRED_STATUS,) if rule == "token_expired" else ())):
                by_status.setdefault(status, {})[name] = {"$ref": f"#/components/examples/{name}"}
    for status in sorted(by_status):
        schema = {"$ref": "#/components/schemas/Refusal"}
        content = {"application/json": {"schema": schema, "examples": by_status[status]}}
        yield str(status), {"description": REASONS[status], "headers": _headers(status), "content": content}


def _examples() -> Iterator[tuple[str, Document]]:
    """Yield an example of every refusal in each format."""
    for rule, refusal in TABLE.items():
        for response_format, write_error in refusals.ERROR_WRITERS.items():
            yield (
                f"{rule}.{response_format}",
                {
                    "summary": f"{rule} †" if response_format == "gam" and is_decided(rule) else rule,
                    "value": write_error(refusal)[1],
                },
            )


def _headers(status: int) -> Document:
    fields = {
        "Cache-Control": _header({"const": "no-store"}),
        "Pragma": _header({"const": "no-cache"}),
        "X-Request-Id": _header({"pattern": REQUEST_ID_PATTERN}),
    }
    if status == UNAUTHORIZED:
        fields["WWW-Authenticate"] = _header({"pattern": '^(Basic|Bearer|OAuth) realm="[^"]+"'})
    if status in RETRY_STATUSES:
        fields["Retry-After"] = _header({"pattern": "^[1-9][0-9]*$"})
    return fields


def _header(schema: Document) -> Document:
    return {"required": True, "schema": {**TEXT, **schema}}


def _security() -> Document:
    revealed = {scope.name: scope.description for scope in scopes.TABLE.values()}
    flow = {"tokenUrl": "/oauth/gam/v2.0/access_token", "scopes": revealed}
    description = "access token, bare or with the scheme Bearer or OAuth"
    return {
        "client": {"type": "http", "scheme": "basic", "description": "client_id and client_secret (RFC 6749 §2.3.1)"},
        "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": description},
        "oauth2": {"type": "oauth2", "flows": {"password": {**flow, "refreshUrl": flow["tokenUrl"]}}},
    }
