"""Parsing of token requests from forms and queries."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.model.tokens import InitialProperty
from gamcli.rules import grants
from gamcli.server.endpoints import forms
from gamcli.server.transport.messages import Request
from tests.cases import for_each

FIELDS = {"content-type": "application/x-www-form-urlencoded", "content-length": "1"}
LOGIN = {"grant_type": "password", "client_id": "c", "client_secret": "s", "username": "ana", "password": "p"}


def posted(form: dict[str, str], **fields: str) -> Request:
    return Request("POST", "/", fields={**FIELDS, **fields}, body=urlencode(form).encode())


def got(query: dict[str, str] | str, **fields: str) -> Request:
    return Request("GET", "/", query=query if isinstance(query, str) else urlencode(query), fields=fields)


def refused(form: dict[str, str], **fields: str) -> str:
    with pytest.raises(RefusedError) as caught:
        forms.parse_token_request(posted(form, **fields))
    return caught.value.rule


@for_each(
    ("form", "grant"),
    [
        ({"grant_type": "password", "api_key": "k"}, grants.API_KEY),
        ({"grant_type": "PassWord", "api_key": "k", "password": "p"}, grants.API_KEY),
        ({"grant_type": "password"}, grants.PASSWORD),
        ({"grant_type": "refresh_token"}, grants.REFRESH),
        ({"grant_type": "Refresh_Token", "api_key": "k"}, grants.REFRESH),
    ],
)
def test_a_grant_is_known_by_its_type_and_its_key(form: dict[str, str], grant: str) -> None:
    assert forms.parse_token_request(posted(form)).grant == grant


def test_an_empty_api_key_is_not_a_login() -> None:
    assert refused({**LOGIN, "api_key": ""}) == "api_key_empty"


def test_everything_that_is_sent_is_read() -> None:
    along = {"authentication_type_name": "local", "scope": "a", "repository": "r"}
    properties = '[{"Id":"Branch","Value":"7"}]'
    asked = forms.parse_token_request(posted({**LOGIN, **along, "initial_properties": properties}))
    assert (asked.client_id, asked.username, asked.scope, asked.repository) == ("c", "ana", "a", "r")
    assert (asked.authentication_type_name, asked.initial_properties) == ("local", (InitialProperty("Branch", "7"),))
    assert [asked.client_secret.reveal(), asked.password.reveal()] == ["s", "p"]


@pytest.mark.parametrize("own", [grants.API_KEY, grants.PASSWORD, grants.REFRESH])
def test_a_grant_has_no_secret_of_another(own: str) -> None:
    secrets = dict.fromkeys([grants.PASSWORD, grants.REFRESH], "x") | ({own: "x"} if own == grants.API_KEY else {})
    grant_type = "refresh_token" if own == grants.REFRESH else "password"
    asked = forms.parse_token_request(posted({"grant_type": grant_type, "client_id": "c", **secrets}))
    held = {name: getattr(asked, name).reveal() for name in (grants.API_KEY, grants.PASSWORD, grants.REFRESH)}
    assert held == {**dict.fromkeys(held, ""), own: "x"}


@pytest.mark.parametrize("form", [{}, {"grant_type": ""}, {"client_id": "c"}])
def test_a_grant_type_has_to_be_named(form: dict[str, str]) -> None:
    assert refused(form) == "grant_type_missing"


@for_each("grant_type", ["client_credentials", "authorization_code", "passwords", "device"])
def test_another_grant_is_unknown(grant_type: str) -> None:
    assert refused({"grant_type": grant_type}) == "grant_type_unknown"
    assert refused({"grant_type": grant_type}, authorization="Basic !") == "grant_type_unknown"
    assert refused({"grant_type": "refresh_token"}, authorization="Basic !") == "client_basic_malformed"


@for_each("kind", ["OAuth", "oauth", "Web", "WEB", ""])
def test_both_types_of_token_are_alike(kind: str) -> None:
    assert forms.parse_token_request(posted({**LOGIN, "request_token_type": kind})).grant == grants.PASSWORD


def test_another_type_of_token_is_refused_to_passwords_alone() -> None:
    assert refused({**LOGIN, "request_token_type": "Device"}) == "request_token_type_unknown"
    for other in ({"grant_type": "password", "api_key": "k"}, {"grant_type": "refresh_token"}):
        assert forms.parse_token_request(posted({**other, "request_token_type": "Device"}))


MALFORMED = {
    "no JSON": "x",
    "cut short": '[{"Id":"a","Value":"b"}',
    "no list": '{"Id":"a","Value":"b"}',
    "null": "null",
    "a text": '["a"]',
    "no id": '[{"Value":"b"}]',
    "an empty id": '[{"Id":"","Value":"b"}]',
    "no value": '[{"Id":"a"}]',
    "a number": '[{"Id":"a","Value":1}]',
    "a number for an id": '[{"Id":1,"Value":"b"}]',
    "other names": '[{"id":"a","value":"b"}]',
    "half a character": '[{"Id":"a","Value":"\\ud800"}]',
    "the last half of a character": '[{"Id":"a","Value":"\\udfff"}]',
    "half a character in an id": '[{"Id":"\\udc00","Value":""}]',
    "a name twice": '[{"Id":"a","Value":"b","Id":"c"}]',
    "too deep": "[" * 10_000,
    "too many digits": "1" * 10_000,
}


def test_too_many_properties_are_refused_as_such() -> None:
    text = json.dumps([{"Id": "a", "Value": "b"}] * (forms.MAX_PROPERTIES + 1))
    assert refused({**LOGIN, "initial_properties": text}) == "initial_properties_too_many"


@for_each("text", MALFORMED.values())
def test_properties_of_another_form_are_refused_to_passwords_alone(text: str) -> None:
    assert refused({**LOGIN, "initial_properties": text, "request_token_type": "x"}) == "initial_properties_malformed"
    keyed = forms.parse_token_request(posted({**LOGIN, "api_key": "k", "initial_properties": text}))
    assert keyed.initial_properties == ()


@for_each(
    ("text", "expected"),
    [
        ("", ()),
        ("[]", ()),
        ('[{"Id":"a","Value":""},{"Id":"a","Value":"é"}]', (InitialProperty("a", ""), InitialProperty("a", "é"))),
        (' [ {"Value":"b","Id":"a","More":[1]} ] ', (InitialProperty("a", "b"),)),
        (json.dumps([{"Id": "a", "Value": "\U0001f600"}]), (InitialProperty("a", "\U0001f600"),)),
    ],
)
def test_properties_are_read_as_they_are(text: str, expected: tuple[InitialProperty, ...]) -> None:
    asked = forms.parse_token_request(posted({**LOGIN, "initial_properties": text}))
    assert asked.initial_properties == expected


NAMES = st.sampled_from(["Id", "Value", "x"])
SIMPLE = st.none() | st.booleans() | st.floats() | st.text()
JSON = st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner))


@given(JSON | st.lists(st.dictionaries(NAMES, st.text(), min_size=2)))
def test_any_json_may_be_taken_for_properties(value: object) -> None:
    request = posted({**LOGIN, "initial_properties": json.dumps(value)})
    good = isinstance(value, list) and len(value) <= 100 and all(map(is_property, value))
    if good:
        assert [(each.id, each.value) for each in forms.parse_token_request(request).initial_properties] == [
            (each["Id"], each["Value"])
            for each in value  # type: ignore[attr-defined]
        ]
    else:
        with pytest.raises(RefusedError, match="malformed initial_properties"):
            forms.parse_token_request(request)


def is_property(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return bool(value.get("Id")) and all(isinstance(value.get(name), str) for name in ("Id", "Value"))


def test_a_query_may_ask_to_renew() -> None:
    asked = forms.parse_renewal_query(got({"grant_type": "Refresh_Token", "refresh_token": "t", "client_id": "c"}))
    assert (asked.grant, asked.refresh_token.reveal(), asked.client_id) == (grants.REFRESH, "t", "c")
    by_basic = forms.parse_renewal_query(got({"grant_type": "refresh_token"}, authorization="Basic YTpi"))
    assert (by_basic.client_id, by_basic.client_secret.reveal()) == ("a", "b")


@for_each(
    ("query", "rule"),
    [
        ("", "method_only_renews"),
        ("grant_type=password&password=p", "method_only_renews"),
        ("grant_type=password&api_key=k", "method_only_renews"),
        ("grant_type=client_credentials", "method_only_renews"),
        ("refresh_token=t", "method_only_renews"),
        ("grant_type=refresh_token&x=\xff", "form_not_utf8"),
        ("grant_type=refresh_token&grant_type=refresh_token", "parameter_repeated"),
        ("grant_type=refresh_token&x=%zz", "form_unreadable"),
        ("grant_type=refresh_token&x=%ff", "form_not_utf8"),
    ],
)
def test_a_query_may_ask_for_nothing_else(query: str, rule: str) -> None:
    with pytest.raises(RefusedError) as caught:
        forms.parse_renewal_query(got(query))
    assert caught.value.rule == rule
