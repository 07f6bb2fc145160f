"""Where an answer differs from what was promised."""

import json

import pytest

from gamcli.conformance import comparison
from gamcli.conformance.exchange import ReceivedResponse
from gamcli.conformance.table import ExpectedResponse

PLAIN = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
REFUSED = {**PLAIN, "www-authenticate": 'Bearer realm="gam"'}
WRONG_SECRET = ExpectedResponse(gam="116 401", rfc="invalid_client 401")
GAM = {"error": {"code": "116", "message": "The client_secret is missing or wrong."}}
RFC = {"error": "invalid_client", "error_description": "The client_secret is missing or wrong."}


def answered(document: object, status: int = 200, **changes: str | None) -> ReceivedResponse:
    headers = {**(REFUSED if status == 401 else PLAIN), **{k.replace("_", "-"): v for k, v in changes.items()}}
    kept = {name: value for name, value in headers.items() if value is not None}
    return ReceivedResponse(status, kept, json.dumps(document).encode())


def differing(promise: ExpectedResponse, answer: ReceivedResponse, error_format: str = "gam") -> list[tuple[str, str]]:
    return [(*each,) for each in comparison.find_differences(promise, answer, error_format, lambda text: text)]


@pytest.mark.parametrize(("document", "error_format"), [(GAM, "gam"), (RFC, "rfc6749")])
def test_a_refusal_as_promised_does_not_differ(document: object, error_format: str) -> None:
    assert differing(WRONG_SECRET, answered(document, 401), error_format) == []


@pytest.mark.parametrize(
    ("document", "error_format", "difference"),
    [
        ({"error": {"code": "117", "message": "a"}}, "gam", ("code 116", '"117"')),
        ({"error": {"code": 116, "message": "a"}}, "gam", ("code 116", "116")),
        ({"error": {"code": "116", "message": ""}}, "gam", ("a text for people", '""')),
        ({"error": {"code": "116", "message": "a\n"}}, "gam", ("a text for people", '"a\\n"')),
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
    document: object, error_format: str, difference: tuple[str, str] | None
) -> None:
    found = differing(WRONG_SECRET, answered(document, 401), error_format)
    assert len(found) == 1
    assert difference in (None, found[0])


def test_a_text_may_be_promised_by_a_pattern() -> None:
    fitting, other = ExpectedResponse(gam="116 401", text=".*secret.*"), ExpectedResponse(gam="116 401", text="secret")
    assert differing(fitting, answered(GAM, 401)) == []
    assert [promised for promised, _ in differing(other, answered(GAM, 401))] == ["a text like secret"]


def test_a_refusal_without_a_name_has_only_a_text() -> None:
    promise = ExpectedResponse(gam="0 401", rfc=" 401")
    assert differing(promise, answered({"error_description": "a"}, 401), "rfc6749") == []
    assert len(differing(promise, answered(RFC, 401), "rfc6749")) == 1


def test_another_status_differs() -> None:
    assert differing(WRONG_SECRET, answered(GAM, 400)) == [("status 401", "400")]
    assert differing(ExpectedResponse(), answered({}, 201)) == [("status 200", "201")]


@pytest.mark.parametrize("name", ["content_type", "cache_control", "pragma", "www_authenticate"])
def test_a_header_that_is_missing_differs(name: str) -> None:
    ((promised, found),) = differing(WRONG_SECRET, answered(GAM, 401, **{name: None}))
    assert promised.startswith(f"{name.replace('_', '-')}: ")
    assert found == "no such header"


def test_a_challenge_names_the_scheme_and_the_error_of_a_token() -> None:
    basic = ExpectedResponse(gam="116 401", rfc="invalid_client 401", challenge="Basic")
    assert differing(basic, answered(GAM, 401)) == [
        ('www-authenticate: Basic realm="gam"', 'Bearer realm="gam"'),
    ]
    revoked = ExpectedResponse(gam="102 401", rfc="invalid_token 401")
    named = {"error": "invalid_token", "error_description": "a"}
    challenge = 'Bearer realm="gam", error="invalid_token"'
    assert differing(revoked, answered(named, 401, www_authenticate=challenge), "rfc6749") == []
    assert len(differing(revoked, answered(named, 401), "rfc6749")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_who_is_to_come_again_is_reported_when(status: int) -> None:
    promise = ExpectedResponse(gam=f"{status} {status}", rfc=f"invalid_request {status}")
    document = {"error": {"code": str(status), "message": "a"}}
    assert differing(promise, answered(document, status, retry_after="7")) == []
    assert differing(promise, answered(document, status, retry_after="0")) == [("retry-after: ~[1-9][0-9]*", "0")]
    assert len(differing(promise, answered(document, status))) == 1


def test_a_header_may_be_promised_to_be_absent() -> None:
    promise = ExpectedResponse(headers={"Vary": False, "Allow": "POST"})
    assert differing(promise, answered({}, allow="POST")) == []
    assert differing(promise, answered({}, vary="a")) == [
        ("no header vary", "a"),
        ("Allow: POST".lower().replace("post", "POST"), "no such header"),
    ]


def test_fields_differ_by_their_order_too() -> None:
    promise = ExpectedResponse(fields=("a", "b"))
    assert differing(promise, answered({"a": 1, "b": 2})) == []
    assert differing(promise, answered({"b": 2, "a": 1})) == [("the fields a b", "b a")]
    assert differing(promise, answered([])) == [("the fields a b", "no JSON object")]


@pytest.mark.parametrize(
    ("wanted", "there", "same"),
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
def test_a_value_is_as_promised_or_fits_the_pattern(wanted: object, there: object, same: bool) -> None:  # noqa: FBT001 - a case
    assert (differing(ExpectedResponse(json={"x": wanted}), answered({"x": there})) == []) is same


def test_a_connection_that_stays_open_differs_where_it_is_to_close() -> None:
    assert differing(ExpectedResponse(status=204, closes=True), ReceivedResponse(204, closed=False)) == [
        ("the connection closes", "it stays open")
    ]
    assert differing(ExpectedResponse(status=204, closes=True), ReceivedResponse(204, closed=True)) == []


def test_no_answer_differs() -> None:
    assert differing(ExpectedResponse(), ReceivedResponse(problem="TimeoutError")) == [("an answer", "TimeoutError")]


def test_secrets_of_an_answer_are_not_shown() -> None:
    secret = "gamkey_00000000_00000000000000000000000000000000000000"
    ((_, told),) = differing(ExpectedResponse(json={"x": "y"}), answered({"x": secret}))
    assert secret not in told
    assert told == '"gamkey_..."'
    ((_, told),) = differing(ExpectedResponse(json={"x": "y"}), answered({"x": "z" * 500}))
    assert len(told) == 120


@pytest.mark.parametrize(
    ("promise", "error_format", "words"),
    [
        (ExpectedResponse(), "gam", "200"),
        (ExpectedResponse(gam="116 401", rfc="invalid_client 401"), "gam", "401 116"),
        (ExpectedResponse(gam="116 401", rfc="invalid_client 401"), "rfc6749", "401 invalid_client"),
        (ExpectedResponse(gam="404 404", rfc="invalid_request 404", closes=True), "gam", "404 closes"),
        (ExpectedResponse(gam="0 401", rfc=" 401"), "rfc6749", "401 without a name"),
        (ExpectedResponse(headers={"Allow": "POST", "Vary": False}), "gam", "200 Allow: POST"),
    ],
)
def test_a_promise_is_reported_in_few_words(promise: ExpectedResponse, error_format: str, words: str) -> None:
    assert comparison.describe_expected(promise, error_format) == words
