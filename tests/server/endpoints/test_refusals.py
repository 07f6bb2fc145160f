"""The table of refusals covers every refusal and agrees with the contract."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import gamcli.server
from gamcli import errors
from gamcli.model import TOKEN_STATUSES
from gamcli.rules import claims
from gamcli.rules.api_key_grant import API_KEY_GRANT
from gamcli.rules.password_grant import PASSWORD_GRANT
from gamcli.rules.refresh_grant import KEY_SESSION_RULES, PASSWORD_SESSION_RULES
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.context import RequestContext, rule_for_error
from gamcli.server.transport.messages import REASONS, Request, unreadable_request
from tests.cases import for_each


def leaves(kind: type[errors.GamcliError]) -> Iterator[type[errors.GamcliError]]:
    below = kind.__subclasses__()
    for each in below:
        yield from leaves(each)
    if not below:
        yield kind


def raised_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RefusedError":
            rule = node.args[0]
            if isinstance(rule, ast.Constant):
                yield str(rule.value)


def test_every_rule_of_the_grants_is_in_the_table() -> None:
    rules = (*API_KEY_GRANT, *PASSWORD_GRANT, *KEY_SESSION_RULES, *PASSWORD_SESSION_RULES)
    assert {rule.name for rule in rules} <= set(refusals.TABLE)


def test_every_rule_of_the_claims_is_in_the_table() -> None:
    named = {*raised_in(Path(str(claims.__file__))), *(f"token_{each}" for each in TOKEN_STATUSES if each != "active")}
    assert "token_unknown" in named
    assert named <= set(refusals.TABLE)


def test_every_rule_that_the_server_itself_judges_is_in_the_table() -> None:
    files = Path(str(gamcli.server.__file__)).parent.rglob("*.py")
    named = {rule for file in files for rule in raised_in(file)}
    assert {"request_unreadable", "grant_type_missing", "path_unknown"} <= named <= set(refusals.TABLE)


@for_each("kind", dict.fromkeys(leaves(errors.GamcliError)))
def test_every_leaf_of_the_error_family_has_an_answer(kind: type[errors.GamcliError]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error)
    error.__dict__.update(rule="key_expired")
    response = refusals.refusal_response(rule_for_error(error))
    expected = 503 if issubclass(kind, errors.StoreError) else 401 if kind is errors.RefusedError else 500
    assert response.status == expected
    assert ("Retry-After" in dict(response.fields)) is (expected == 503)


@pytest.mark.parametrize("error", [ValueError("s3"), errors.RefusedError("scope_choice_off", "s3")])
def test_what_nobody_foresaw_is_a_bug(error: Exception) -> None:
    assert rule_for_error(error) == "bug"
    assert b"s3" not in refusals.refusal_response("bug").body


def test_a_busy_store_is_distinguished_from_one_that_is_gone() -> None:
    assert rule_for_error(errors.StoreBusyError("")) == "store_busy"
    assert rule_for_error(errors.StoreUnusableError("")) == "store_gone"


@for_each("rule", refusals.TABLE)
def test_a_row_has_what_both_shapes_need(rule: str) -> None:
    row = refusals.TABLE[rule]
    assert row.status in REASONS
    assert row.rfc_status in REASONS
    assert row.code.isdigit()
    assert row.message
    assert bool(row.error) is (rule != "authorization_missing")


def test_a_refusal_has_the_shape_of_gam() -> None:
    response = refusals.refusal_response("client_secret_wrong")
    assert json.loads(response.body) == {
        "error": {"code": "116", "message": refusals.TABLE["client_secret_wrong"].message}
    }


def test_a_refusal_has_the_shape_of_rfc_6749_when_that_is_requested() -> None:
    response = refusals.refusal_response("remote_rest_off", response_format=refusals.ResponseFormat("rfc6749"))
    assert (response.status, json.loads(response.body)) == (
        400,
        {"error": "unauthorized_client", "error_description": refusals.TABLE["remote_rest_off"].message},
    )


@for_each("response_format", refusals.FORMATS)
@for_each("rule", refusals.TABLE)
def test_the_status_of_an_expired_token_is_that_of_no_other_refusal(rule: str, response_format: str) -> None:
    (usual, body), (status, same_body) = (
        refusals.ResponseFormat(response_format, each).status_and_body(rule) for each in (401, 403)
    )
    assert status == (403 if rule == "token_expired" else usual)
    assert body == same_body


@for_each(
    ("response_format", "rule", "challenge"),
    [
        ("gam", "token_expired", 'OAuth realm="gam"'),
        ("rfc6749", "token_expired", 'Bearer realm="gam", error="invalid_token"'),
        ("rfc6749", "token_revoked", 'Bearer realm="gam", error="invalid_token"'),
        ("rfc6749", "authorization_missing", 'Bearer realm="gam"'),
        ("rfc6749", "client_unknown", 'Bearer realm="gam"'),
    ],
)
def test_a_challenge_names_what_is_wrong_with_the_token(response_format: str, rule: str, challenge: str) -> None:
    assert refusals.ResponseFormat(response_format).challenge(rule) == challenge


def test_every_cause_has_its_own_message() -> None:
    texts = [
        text for rule, causes in refusals.CAUSES.items() for text in (refusals.TABLE[rule].message, *causes.values())
    ]
    assert len({*texts}) == len(texts)
    for rule, causes in refusals.CAUSES.items():
        assert {refusals.find_refusal(rule, cause)._replace(message="") for cause in causes} == {
            refusals.TABLE[rule]._replace(message="")
        }
    assert refusals.find_refusal("auth_type_wrong", "nowhere") == refusals.TABLE["auth_type_wrong"]


def test_an_unreadable_request_is_reported_with_its_reason() -> None:
    error = unreadable_request("malformed header field")
    response = RequestContext(Request("-", "-")).fail(error).response
    message = "The request is not valid HTTP/1.1 (RFC 9112): malformed header field."
    assert json.loads(response.body) == {"error": {"code": "400", "message": message}}
