"""
The OpenAPI 3.1 document of the endpoints, generated from the tables of routes, refusals and scopes.

`gamcli help openapi` prints it. It has the statuses and refusals of both error formats.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gamcli import __version__
from gamcli.rules import scopes
from gamcli.server.endpoints import refusals, routes
from gamcli.server.endpoints.form_bodies import MEDIA_TYPE, MULTIPART
from gamcli.server.endpoints.openapi_schemas import PARAMETERS, TEXT, Document, build_schemas, mark
from gamcli.server.endpoints.refusals import TABLE, UNAUTHORIZED, ResponseFormat
from gamcli.server.endpoints.userinfo import USERINFO_RULES
from gamcli.server.transport.messages import REASONS, REQUEST_ID

PUBLISHED_SCOPES = frozenset(
    {scope for scope in scopes.TABLE if not scope.startswith("user_")}
    | {"user_guid", "user_username", "user_email", "user_phone", "user_first_name", "user_last_name"}
    | {"user_external_id"}
)
"""The scopes that GAM's pages name (wiki 55603)."""

REFRESH_PARAMETERS = ("grant_type", "client_id", "client_secret", "refresh_token")
"""The query parameters of GET."""

HTTP_REFUSALS = frozenset({
    "request_unreadable", "version_unknown", "request_line_too_long", "fields_too_large",
    "fields_too_many", "request_slow",
    "expectation_unknown", "transfer_coding_unknown", "path_unknown", "method_wrong", "body_too_large",
    "length_missing", "store_busy", "store_gone", "store_version", "connections_full", "bug",
})  # fmt: skip
"""The refusals of any request."""

READYZ_REFUSALS = frozenset({"draining"})
EXTRA_REFUSALS = frozenset({"parameter_token_missing"})
OTHER_REFUSALS = HTTP_REFUSALS | USERINFO_RULES | READYZ_REFUSALS | EXTRA_REFUSALS
ACCESS_TOKEN_REFUSALS = frozenset(TABLE) - OTHER_REFUSALS
FORM_REFUSALS = frozenset({
    "media_type_malformed", "content_encoding_unknown", "charset_unknown", "charset_not_ascii", "form_unreadable",
    "control_character", "form_not_utf8", "parameters_too_many", "parameter_repeated",
})  # fmt: skip
"""The refusals of a form in a request to userinfo."""

CLIENT_REFUSALS = frozenset({
    "media_type_wrong", "boundary_missing", "multipart_unreadable", "multipart_file", "multipart_nested",
    "disposition_malformed", "multipart_type", "multipart_encoded", "client_twice", "client_ids_differ",
    "client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_missing", "client_secret_wrong",
    "app_disabled", "too_many_failures",
})  # fmt: skip
"""The refusals of a client that authenticates, besides those of the form."""

EXPIRED_STATUSES = (401, 403)
"""The values of `serve --expired-status`."""


REQUEST_ID_PATTERN = f"^{REQUEST_ID.pattern}$"

RETRY_STATUSES = (429, 503)
"""The statuses with a Retry-After field."""


class Operation(NamedTuple):
    """The summary, refusals, response schema and request of a route."""

    summary: str
    rules: frozenset[str]
    success_schema: str
    request: Document
    decided: str = ""


_CLIENT: Document = {"security": [{}, {"client": []}]}
_TOKEN: Document = {"security": [{"token": []}, {"oauth2": []}]}
_PUBLIC: Document = {"security": []}


def _query_parameter(name: str) -> Document:
    schema = PARAMETERS[name]
    about: Document = {key: schema[key] for key in ("description", "x-decision") if key in schema}
    return {"name": name, "in": "query", **about, "schema": schema}


def _form(properties: Document, *required: str, media_types: Iterable[str] = (MEDIA_TYPE, MULTIPART)) -> Document:
    schema = {"type": "object", "properties": properties, **({"required": [*required]} if required else {})}
    content = {name: {"schema": schema} for name in media_types}
    return {"requestBody": {"required": bool(required), "content": content}}


_TOKEN_FORM = _CLIENT | _form(
    {
        "token": {**TEXT, "format": "password", "description": "access token or refresh token"},
        "token_type_hint": {**TEXT, "description": "accepted and ignored"},
        **{name: PARAMETERS[name] for name in ("client_id", "client_secret")},
    },
    "token",
)
_BEARER_FORM = mark(
    {**TEXT, "format": "password", "description": "access token, instead of the header"},
    "an access token in the body of a POST to userinfo",
)

_ADDED = "/healthz, /readyz, X-Request-Id"
_EXTRAS = "introspection, revocation and metadata"

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("access_token", "POST"): Operation(
        "Issue or renew an access token", ACCESS_TOKEN_REFUSALS, "Token", _CLIENT | _form(PARAMETERS, "grant_type")
    ),
    ("access_token", "GET"): Operation(
        "Renew an access token",
        ACCESS_TOKEN_REFUSALS,
        "Token",
        _CLIENT | {"parameters": [*map(_query_parameter, REFRESH_PARAMETERS)]},
    ),
    ("userinfo", "GET"): Operation("Return the claims of an access token", USERINFO_RULES, "Claims", _TOKEN),
    ("userinfo", "POST"): Operation(
        "Return the claims of an access token",
        USERINFO_RULES | FORM_REFUSALS,
        "Claims",
        {"security": [{}, *_TOKEN["security"]]} | _form({"access_token": _BEARER_FORM}, media_types=[MEDIA_TYPE]),
    ),
    ("healthz", "GET"): Operation("Check that the store can be read", frozenset(), "Health", _PUBLIC, _ADDED),
    ("readyz", "GET"): Operation(
        "Check whether the server should receive requests", READYZ_REFUSALS, "Health", _PUBLIC, _ADDED
    ),
    ("introspect", "POST"): Operation(
        "With --extras: return the state of a token (RFC 7662)",
        EXTRA_REFUSALS | FORM_REFUSALS | CLIENT_REFUSALS,
        "Introspection",
        _TOKEN_FORM,
        _EXTRAS,
    ),
    ("revoke", "POST"): Operation(
        "With --extras: revoke a token with its session (RFC 7009)",
        EXTRA_REFUSALS | FORM_REFUSALS | CLIENT_REFUSALS,
        "Revocation",
        _TOKEN_FORM,
        _EXTRAS,
    ),
    ("oauth-authorization-server", "GET"): Operation(
        "With --extras: return the metadata of the server (RFC 8414)",
        frozenset(),
        "Metadata",
        _PUBLIC,
        _EXTRAS,
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
            "description": "† marks decisions of gamcli that no GAM page settles; `x-decision` is the question as "
            "`gamcli help gam` lists it.",
        },
        "servers": [{"url": "{url}", "variables": {"url": {"default": "http://127.0.0.1:8080"}}}],
        "paths": {path: _path_item(path, methods) for path, methods in (routes.ROUTES | routes.EXTRA_ROUTES).items()},
        "components": {"schemas": build_schemas(), "examples": dict(_examples()), "securitySchemes": _security()},
    }


def _path_item(path: str, methods: Mapping[str, routes.Endpoint]) -> Document:
    name = path.rpartition("/")[2]
    item = {method.lower(): _operation(name, method) for method in methods}
    if "GET" in methods and routes.supports_head(methods["GET"]):
        item["head"] = _head_operation(item["get"], f"head_{name.replace('-', '_')}")
    return item


def _head_operation(operation: Document, operation_id: str) -> Document:
    """Return the operation of HEAD, whose responses have no body."""
    responses = {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in operation["responses"].items()
    }
    summary = operation["summary"].removesuffix(" †")
    head = {**operation, "operationId": operation_id, "summary": summary, "responses": responses}
    return mark(head, "methods", "summary")


def _operation(name: str, method: str) -> Document:
    summary, rules, success_schema, request, decided = OPERATIONS[name, method]
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{success_schema}"}}}
    success = {"description": REASONS[200], "headers": _headers(200), "content": content}
    operation = {
        "operationId": f"{method.lower()}_{name.replace('-', '_')}",
        "summary": summary,
        **request,
        "responses": {"200": success, **dict(_refusal_responses(rules | HTTP_REFUSALS))},
    }
    return mark(operation, decided, "summary")


def _refusal_responses(rules: frozenset[str]) -> Iterator[tuple[str, Document]]:
    """Yield the statuses of `rules` in both formats, with examples."""
    by_status: dict[int, Document] = {}
    for rule in filter(rules.__contains__, TABLE):
        for response_format in refusals.FORMATS:
            name = f"{rule}.{response_format}"
            for status in {ResponseFormat(response_format, each).status_and_body(rule)[0] for each in EXPIRED_STATUSES}:
                by_status.setdefault(status, {})[name] = {"$ref": f"#/components/examples/{name}"}
    for status in sorted(by_status):
        schema = {"$ref": "#/components/schemas/Refusal"}
        content = {"application/json": {"schema": schema, "examples": by_status[status]}}
        yield str(status), {"description": REASONS[status], "headers": _headers(status), "content": content}


def _examples() -> Iterator[tuple[str, Document]]:
    """Yield an example of every refusal in each format."""
    for rule, refusal in TABLE.items():
        for name in refusals.FORMATS:
            example = {"summary": rule, "value": ResponseFormat(name).status_and_body(rule)[1]}
            yield f"{rule}.{name}", mark(example, refusal.decided if name == "gam" else "", "summary")


def _headers(status: int) -> Document:
    fields = {
        "Cache-Control": _header({"const": "no-store"}),
        "Pragma": _header({"const": "no-cache"}),
        "X-Request-Id": mark(
            {**_header({"pattern": REQUEST_ID_PATTERN}), "description": "ID of the request in the log"}, _ADDED
        ),
    }
    if status == UNAUTHORIZED:
        fields["WWW-Authenticate"] = _header({"pattern": '^(Basic|Bearer|OAuth) realm="[^"]+"'})
    if status in RETRY_STATUSES:
        fields["Retry-After"] = _header({"pattern": "^[1-9][0-9]*$"})
    return fields


def _header(schema: Document) -> Document:
    return {"required": True, "schema": {**TEXT, **schema}}


def _security() -> Document:
    revealed = {
        scope.name: scope.description + ("" if scope.name in PUBLISHED_SCOPES else " †")
        for scope in scopes.TABLE.values()
    }
    flow = {"tokenUrl": "/oauth/gam/v2.0/access_token", "scopes": revealed}
    token = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "access token, bare or with the scheme Bearer or OAuth, and any number of spaces",
    }
    oauth2 = {"type": "oauth2", "flows": {"password": {**flow, "refreshUrl": flow["tokenUrl"]}}}
    return {
        "client": {"type": "http", "scheme": "basic", "description": "client_id and client_secret (RFC 6749 §2.3.1)"},
        "token": mark(token, "form of the Authorization header"),
        "oauth2": {**oauth2, "x-decision": "scopes of other fields, such as user_city"},
    }
