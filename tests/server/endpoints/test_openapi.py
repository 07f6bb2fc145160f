"""The OpenAPI document is valid and agrees with the tables of routes and refusals."""

from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from gamcli.rules import claims, scopes
from gamcli.rules.grants import TokenRequest
from gamcli.server.endpoints import openapi, refusals, routes, userinfo
from gamcli.server.endpoints.openapi_schemas import PARAMETERS
from gamcli.server.endpoints.refusals import TABLE
from tests.cases import for_each

DOCUMENT = openapi.build_document()
OPERATIONS = [
    (path, method, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
]


def valid(schema: str, document: object) -> bool:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return bool(Draft202012Validator(whole).is_valid(document))


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_field_of_a_response_is_required() -> None:
    headers = DOCUMENT["components"].get("headers", {}) | {
        name: field
        for *_, operation in OPERATIONS
        for response in operation["responses"].values()
        for name, field in response.get("headers", {}).items()
    }
    assert {"Retry-After", "WWW-Authenticate", "Cache-Control"} <= headers.keys()
    assert [name for name, field in headers.items() if field.get("required") is not True] == []


def test_every_route_is_described_and_no_other() -> None:
    assert {(path, method.upper()) for path, method, _ in OPERATIONS} == {
        (path, method) for path, methods in (routes.ROUTES | routes.EXTRA_ROUTES).items() for method in methods
    } | {
        (path, "HEAD")
        for path in ("/oauth/gam/v2.0/userinfo", "/healthz", "/readyz", "/.well-known/oauth-authorization-server")
    }


def test_responses_to_head_have_no_body() -> None:
    described = [operation["responses"] for _, method, operation in OPERATIONS if method == "head"]
    assert described
    assert not [status for responses in described for status, each in responses.items() if "content" in each]


def test_every_parameter_is_described() -> None:
    names = {*TokenRequest._fields} - {"grant"}
    looked_at = {name for name in names if not name.startswith("unencoded_")}
    assert {*PARAMETERS} == looked_at | {"grant_type", "request_token_type", "additional_parameters"}


def test_every_refusal_is_documented_where_it_may_come() -> None:
    told = {
        (name.partition(".")[0], int(status))
        for _, method, operation in OPERATIONS
        for status, response in operation["responses"].items()
        if status != "200" and method != "head"
        for name in response["content"]["application/json"]["examples"]
    }
    wanted = {(rule, status) for rule, each in TABLE.items() for status in (each.status, each.rfc_status)}
    assert told == wanted | {("token_expired", 403)}
    assert [*DOCUMENT["components"]["examples"]] == [f"{rule}.{name}" for rule in TABLE for name in refusals.FORMATS]
    assert all(valid("Refusal", each["value"]) for each in DOCUMENT["components"]["examples"].values())


def test_the_refusals_of_one_endpoint_are_not_those_of_another() -> None:
    assert frozenset() == openapi.ACCESS_TOKEN_REFUSALS & userinfo.USERINFO_RULES
    assert {"key_unproven", "grant_type_missing"} <= openapi.ACCESS_TOKEN_REFUSALS
    assert {"token_unknown", "authorization_missing"} <= userinfo.USERINFO_RULES
    assert {*TABLE} >= openapi.HTTP_REFUSALS


def test_decisions_of_gamcli_are_marked() -> None:
    examples = DOCUMENT["components"]["examples"]
    marked = {name for name, each in examples.items() if each["summary"].endswith(" †")}
    assert {"grant_type_missing.gam", "key_expired.gam", "path_unknown.gam", "api_keys_off.gam"} <= marked
    assert not {"client_secret_wrong.gam", "key_unproven.gam", "grant_type_missing.rfc6749"} & marked
    summaries = {path: operation["summary"] for path, method, operation in OPERATIONS if method != "head"}
    assert {path for path, summary in summaries.items() if "†" in summary} == {
        "/healthz",
        "/readyz",
        *routes.EXTRA_ROUTES,
    }


def test_every_scope_and_claim_is_described() -> None:
    flow = DOCUMENT["components"]["securitySchemes"]["oauth2"]["flows"]["password"]
    assert [*flow["scopes"]] == [*scopes.TABLE]
    assert [*DOCUMENT["components"]["schemas"]["Claims"]["properties"]] == ["sub", *claims.CLAIM_ORDER]


TOKEN = {
    "access_token": f"{'0' * 8}-0000-4000-8000-{'0' * 12}!{'a' * 78}",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "",
    "scope": "gam_user_data+user_team",
    "user_guid": "",
}


@for_each(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"refresh_token": f"001{'a' * 36}"}, True),
        ({"access_token": "a!b"}, False),
        ({"token_type": "bearer"}, False),
        ({"expires_in": "3600"}, False),
        ({"scope": "a++b"}, False),
        ({"user_guid": "a"}, False),
        ({"id_token": ""}, False),
    ],
)
def test_the_schema_of_a_token_is_strict(change: dict[str, Any], is_valid: bool) -> None:  # noqa: FBT001 - a case
    assert valid("GamToken", {**TOKEN, **change}) is is_valid
    assert valid("Token", {**TOKEN, **change}) is is_valid


RFC_TOKEN = {**TOKEN, "scope": "gam_user_data user_team", "refresh_token": f"001{'a' * 36}"}


@for_each(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"refresh_token": None, "expires_in": None}, True),
        ({"refresh_token": ""}, False),
        ({"expires_in": 0}, False),
        ({"scope": "a+b"}, False),
    ],
)
def test_the_schema_of_a_token_leaves_out_what_rfc_6749_does(change: dict[str, Any], is_valid: bool) -> None:  # noqa: FBT001 - a case
    token = {name: value for name, value in {**RFC_TOKEN, **change}.items() if value is not None}
    assert valid("RfcToken", token) is is_valid


@for_each(
    ("claims_", "is_valid"),
    [
        ({}, True),
        ({"email": "", "verified_email": False, "attributes": []}, True),
        ({"attributes": [{"Id": "a", "IsMultiValue": False, "Value": "b"}]}, True),
        ({"attributes": [{"Id": "a", "IsMultiValue": True, "MultiValues": [{"Id": "1", "Value": "b"}]}]}, True),
        ({"attributes": [{"Id": "a", "IsMultiValue": True, "Value": "b"}]}, False),
        ({"email": None}, False),
        ({"sub": "a"}, False),
    ],
)
def test_the_schema_of_claims_is_strict(claims_: dict[str, Any], is_valid: bool) -> None:  # noqa: FBT001 - a case
    assert valid("Claims", claims_) is is_valid


def test_only_responses_of_status_401_name_an_authentication_scheme() -> None:
    found = {
        status
        for _, _, operation in OPERATIONS
        for status, response in operation["responses"].items()
        if "WWW-Authenticate" in response.get("headers", {})
    }
    assert found == {"401"}
