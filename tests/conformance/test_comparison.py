"""The comparison of responses with expected ones."""

import json

import pytest

from gamcli.conformance import comparison
from gamcli.conformance.exchange import ReceivedResponse
from gamcli.conformance.table import ExpectedResponse
from tests.cases import for_each

PLAIN = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
CHALLENGES = {"gam": 'OAuth realm="127.0.0.1"', "rfc6749": 'Bearer realm="gam"'}
REFUSED = {**PLAIN, "www-authenticate": 'OAuth realm="127.0.0.1"'}
WRONG_SECRET = ExpectedResponse(gam="116 401", rfc="invalid_client 401")
GAM = {"error": {"code": "116", "message": "The client_secret is missing or wrong."}}
RFC = {"error": "invalid_client", "error_description": "The client_secret is missing or wrong."}


def response_with(document: object, status: int = 200, **changes: str | None) -> ReceivedResponse:
    headers = {**(REFUSED if status == 401 else PLAIN), **{k.replace("_", "-"): v for k, v in changes.items()}}
    kept = {name: value for name, value in headers.items() if value is not None}
    return ReceivedResponse(status, kept, json.dumps(document).encode())


def differing(
    expected: ExpectedResponse, response: ReceivedResponse, response_format: str = "gam"
) -> list[tuple[str, str]]:
    return [(*pair,) for pair in comparison.find_differences(expected, response, response_format, lambda text: text)]


@pytest.mark.parametrize(("document", "response_format"), [(GAM, "gam"), (RFC, "rfc6749")])
def test_the_expected_refusal_does_not_differ(document: object, response_format: str) -> None:
    response = response_with(document, 401, www_authenticate=CHALLENGES[response_format])
    assert differing(WRONG_SECRET, response, response_format) == []


@for_each(
    ("document", "response_format", "difference"),
    [
        ({"error": {"code": "117", "message": "a"}}, "gam", ("code 116", '"117"')),
        ({"error": {"code": 116, "message": "a"}}, "gam", ("code 116", "116")),
        ({"error": {"code": "116", "message": ""}}, "gam", ("a printable message", '""')),
        ({"error": {"code": "116", "message": "a\n"}}, "gam", ("a printable message", '"a\\n"')),
        ({"error": {"message": "a", "code": "116"}}, "gam", None),
        ({"error": {"code": "116", "message": "a"}, "more": 1}, "gam", None),
        ([], "gam", None),
        (None, "rfc6749", None),
        (GAM, "rfc6749", None),
        ({"error_description": "a", "error": "invalid_client"}, "rfc6749", None),
        ({"error": "invalid_grant", "error_description": "a"}, "rfc6749", ("code invalid_client", '"invalid_grant"')),
    ],
)
def test_a_refusal_of_another_shape_differs(
    document: object, response_format: str, difference: tuple[str, str] | None
) -> None:
    response = response_with(document, 401, www_authenticate=CHALLENGES[response_format])
    found = differing(WRONG_SECRET, response, response_format)
    assert len(found) == 1
    assert difference in (None, found[0])


def test_a_message_may_be_expected_by_a_regular_expression() -> None:
    matching, other = ExpectedResponse(gam="116 401", text=".*secret.*"), ExpectedResponse(gam="116 401", text="secret")
    assert differing(matching, response_with(GAM, 401)) == []
    assert [expected for expected, _ in differing(other, response_with(GAM, 401))] == ["a message that matches secret"]


def test_a_refusal_without_a_code_has_only_a_message() -> None:
    expected = ExpectedResponse(gam="0 401", rfc=" 401")
    challenge = CHALLENGES["rfc6749"]
    only_message = response_with({"error_description": "a"}, 401, www_authenticate=challenge)
    assert differing(expected, only_message, "rfc6749") == []
    assert len(differing(expected, response_with(RFC, 401, www_authenticate=challenge), "rfc6749")) == 1


def test_another_status_differs() -> None:
    assert differing(WRONG_SECRET, response_with(GAM, 400)) == [("status 401", "400")]
    assert differing(ExpectedResponse(), response_with({}, 201)) == [("status 200", "201")]


@for_each("name", ["content_type", "cache_control", "pragma", "www_authenticate"])
def test_a_header_that_is_missing_differs(name: str) -> None:
    ((expected, found),) = differing(WRONG_SECRET, response_with(GAM, 401, **{name: None}))
    assert expected.startswith(f"{name.replace('_', '-')}: ")
    assert found == "no such header"


def test_a_challenge_has_the_scheme_and_the_token_error() -> None:
    basic = ExpectedResponse(gam="116 401", rfc="invalid_client 401", challenge="Basic")
    assert differing(basic, response_with(GAM, 401)) == [
        ('www-authenticate: Basic realm="gam"', 'OAuth realm="127.0.0.1"')
    ]
    revoked = ExpectedResponse(gam="102 401", rfc="invalid_token 401")
    named = {"error": "invalid_token", "error_description": "a"}
    challenge = 'Bearer realm="gam", error="invalid_token"'
    assert differing(revoked, response_with(named, 401, www_authenticate=challenge), "rfc6749") == []
    assert len(differing(revoked, response_with(named, 401), "rfc6749")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_to_retry_later_has_retry_after(status: int) -> None:
    expected = ExpectedResponse(gam=f"{status} {status}", rfc=f"invalid_request {status}")
    document = {"error": {"code": str(status), "message": "a"}}
    assert differing(expected, response_with(document, status, retry_after="7")) == []
    assert differing(expected, response_with(document, status, retry_after="0")) == [("retry-after: ~[1-9][0-9]*", "0")]
    assert len(differing(expected, response_with(document, status))) == 1


def test_a_header_may_be_required_to_be_absent() -> None:
    expected = ExpectedResponse(headers={"Vary": False, "Allow": "POST"})
    assert differing(expected, response_with({}, allow="POST")) == []
    assert differing(expected, response_with({}, vary="a")) == [
        ("no header vary", "a"),
        ("allow: POST", "no such header"),
    ]


def test_fields_differ_by_their_order_too() -> None:
    expected = ExpectedResponse(fields=("a", "b"))
    assert differing(expected, response_with({"a": 1, "b": 2})) == []
    assert differing(expected, response_with({"b": 2, "a": 1})) == [("the fields a b", "b a")]
    assert differing(expected, response_with([])) == [("the fields a b", "no JSON object")]


@for_each(
    ("expected", "actual", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        (1, 1, True),
        (1, True, False),
        (True, True, True),
        (False, 0, False),
        ("~[0-9]+", 12, True),
        ("~[0-9]+", "12a", False),
        ("~True", True, False),
        ("~None", None, False),
        (["a", "~b+"], ["a", "bb"], True),
        (["a"], ["a", "b"], False),
        ({"a": "~b+", "c": 1}, {"a": "bb", "c": 1}, True),
        ({"a": 1, "c": 1}, {"c": 1, "a": 1}, False),
        ({"a": 1}, {"a": 1, "b": 1}, False),
    ],
)
def test_a_value_is_equal_or_matches_the_pattern(expected: object, actual: object, same: bool) -> None:  # noqa: FBT001 - a case
    assert (differing(ExpectedResponse(json={"x": expected}), response_with({"x": actual})) == []) is same


def test_a_connection_that_stays_open_differs_where_it_is_to_close() -> None:
    assert differing(ExpectedResponse(status=204, closes=True), ReceivedResponse(204, closed=False)) == [
        ("the connection closes", "it stays open")
    ]
    assert differing(ExpectedResponse(status=204, closes=True), ReceivedResponse(204, closed=True)) == []


def test_a_missing_response_differs() -> None:
    assert differing(ExpectedResponse(), ReceivedResponse(problem="TimeoutError")) == [("a response", "TimeoutError")]


def test_secrets_in_a_response_are_not_shown() -> None:
    secret = "gamkey_00000000_00000000000000000000000000000000000000"
    ((_, shown),) = differing(ExpectedResponse(json={"x": "y"}), response_with({"x": secret}))
    assert secret not in shown
    assert shown == '"gamkey_..."'
    ((_, shown),) = differing(ExpectedResponse(json={"x": "y"}), response_with({"x": "z" * 500}))
    assert len(shown) == 120


@for_each(
    ("expected", "response_format", "words"),
    [
        (ExpectedResponse(), "gam", "200"),
        (ExpectedResponse(gam="116 401", rfc="invalid_client 401"), "gam", "401 116"),
        (ExpectedResponse(gam="116 401", rfc="invalid_client 401"), "rfc6749", "401 invalid_client"),
        (ExpectedResponse(gam="404 404", rfc="invalid_request 404", closes=True), "gam", "404 closes"),
        (ExpectedResponse(gam="0 401", rfc=" 401"), "rfc6749", "401 without a name"),
        (ExpectedResponse(headers={"Allow": "POST", "Vary": False}), "gam", "200 Allow: POST"),
    ],
)
def test_an_expected_response_is_described_in_few_words(
    expected: ExpectedResponse, response_format: str, words: str
) -> None:
    assert comparison.describe_expected(expected, response_format) == words
