"""Parsing of forms, client authentication and bearer tokens."""

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.server.endpoints import forms
from gamcli.server.transport.messages import Request


def form_request(body: bytes, media_type: str = forms.MEDIA_TYPE, **fields: str) -> Request:
    return Request(
        "POST", "/", fields={"content-type": media_type, "content-length": str(len(body)), **fields}, body=body
    )


def authorized(value: str) -> Request:
    return Request("GET", "/", fields={"authorization": value})


def basic(text: str | bytes) -> str:
    return "Basic " + b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b"", {}),
        (b"a=b", {"a": "b"}),
        (b"a=b&c=d", {"a": "b", "c": "d"}),
        (b"a=b&&c=d&", {"a": "b", "c": "d"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=b+c%2Bd", {"a": "b c+d"}),
        (b"a=%C3%B1&b=\xc3\xb1", {"a": "ñ", "b": "ñ"}),
        (b"%61=b", {"a": "b"}),
        (b"a=&b=c", {"b": "c"}),
        (b"a=&a=b", {"a": "b"}),
        (b"a=%00", {"a": "\0"}),
    ],
)
def test_a_form_is_read(body: bytes, parameters: dict[str, str]) -> None:
    assert forms.parse_body(form_request(body)) == parameters


@pytest.mark.parametrize(
    "media_type",
    [
        "application/X-www-form-urlencoded;charset=UTF-8",
        f'{forms.MEDIA_TYPE}; a; Charset="utf-8"',
        f"{forms.MEDIA_TYPE} ; a=b",
    ],
)
def test_a_media_type_may_have_parameters(media_type: str) -> None:
    assert forms.parse_body(form_request(b"a=b", media_type)) == {"a": "b"}


@pytest.mark.parametrize(
    "media_type",
    ["", "application/json", "multipart/form-data; boundary=a", "text/plain", f"{forms.MEDIA_TYPE};charset=latin1"],
)
def test_another_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.parse_body(form_request(b"a=b", media_type))
    assert refused.value.rule == "media_type_wrong"


def test_a_form_without_a_length_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        forms.parse_body(Request("POST", "/", fields={"content-type": forms.MEDIA_TYPE}))
    assert refused.value.rule == "length_missing"


@pytest.mark.parametrize(
    "body",
    [
        b"a", b'{"a": "b"}', b"a=b&c", b"a=\xff", b"a=%ff", b"%ff=a", b"a=%", b"a=%4", b"a=%zz", b"a=\0", b"a=b\r\n",
        b"a=\xed\xa0\x80",
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.parse_body(form_request(body))
    assert refused.value.rule == "form_unreadable"


def test_a_form_has_a_bounded_number_of_parameters() -> None:
    most = b"&".join(b"a%d=b" % number for number in range(forms.MAX_PARAMETERS))
    assert len(forms.parse_body(form_request(b"&&" + most + b"&" * 9000))) == forms.MAX_PARAMETERS
    with pytest.raises(RefusedError) as refused:
        forms.parse_body(form_request(most + b"&z=b"))
    assert refused.value.rule == "form_unreadable"


@pytest.mark.parametrize("body", [b"a=b&a=c", b"a=b&a=b", b"a=b&%61=b"])
def test_a_parameter_that_comes_twice_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.parse_body(form_request(body))
    assert refused.value.rule == "parameter_repeated"


@given(st.binary(max_size=60))
def test_reading_raises_refusals_alone(body: bytes) -> None:
    with suppress(RefusedError):
        forms.parse_body(form_request(body))
    forms.client_credentials(authorized("Basic " + body.decode("latin-1")), {})
    forms.bearer_token(authorized("x" + body.decode("latin-1")))


@pytest.mark.parametrize(
    ("authorization", "client_id", "secret"),
    [
        (basic("portal:s3"), "portal", "s3"),
        (basic("portal:s3:4"), "portal", "s3:4"),
        (basic("por%3Atal:s+3%2B"), "por:tal", "s 3+"),
        (basic("portal:").replace("Basic", "bAsIc"), "portal", ""),
        (basic(":"), "", ""),
        (basic("ñ:%C3%B1").replace("Basic ", "Basic   "), "ñ", "ñ"),
    ],
)
def test_http_basic_names_a_client(authorization: str, client_id: str, secret: str) -> None:
    found = forms.client_credentials(authorized(authorization), {})
    assert found is not None
    assert (found[0], found[1].reveal()) == (client_id, secret)


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic a",
        "Basic !!!!",
        basic("portal"),
        basic(b"\xff:a"),
        basic("a:%ff"),
        basic("%ff:a"),
        basic("a:%zz"),
        basic("a%4:b"),
        basic("a:b\0"),
        "Basic YTpi!",
        "Basic Y Tpi",
    ],
)
def test_malformed_http_basic_names_no_client(authorization: str) -> None:
    assert forms.client_credentials(authorized(authorization), {}) is None


def test_a_client_may_be_named_in_the_form() -> None:
    found = forms.client_credentials(authorized("Bearer x"), {"client_id": "portal", "client_secret": "s3"})
    assert found is not None
    assert (found[0], found[1].reveal()) == ("portal", "s3")


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        (basic("portal:s3"), {"client_id": "other"}),
        (basic("portal:s3"), {"client_id": "portal", "client_secret": "s3"}),
        (basic("portal:s3"), {"client_secret": "s3"}),
        ("Basic malformed", {"client_secret": "s3"}),
    ],
)
def test_two_ways_of_client_authentication_are_refused(authorization: str, form: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.client_credentials(authorized(authorization), form)
    assert refused.value.rule == "client_twice"


def test_the_same_client_id_in_both_places_is_one_client() -> None:
    assert forms.client_credentials(authorized(basic("portal:s3")), {"client_id": "portal"}) is not None


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("t", "t"), ("OAuth t", "t"), ("oauth  t", "t"), ("BEARER\tt", "t"), ("Basic t", ""), ("Bearer t u", ""),
        ("Bearer", "Bearer"),
    ],
)  # fmt: skip
def test_a_token_comes_bare_or_after_its_scheme(authorization: str, token: str) -> None:
    assert forms.bearer_token(authorized(authorization)).reveal() == token


@pytest.mark.parametrize("request_", [authorized(""), Request("GET", "/")])
def test_no_token_at_all_is_refused(request_: Request) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.bearer_token(request_)
    assert refused.value.rule == "authorization_missing"
