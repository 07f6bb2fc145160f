"""Parsing of forms, client authentication and bearer tokens."""

from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.server.endpoints import form_bodies, forms
from gamcli.server.endpoints.form_bodies import MAX_PARAMETERS, MEDIA_TYPE
from gamcli.server.transport.messages import Request
from tests.cases import for_each


def form_request(body: bytes, media_type: str = MEDIA_TYPE, **fields: str) -> Request:
    return Request(
        "POST", "/", fields={"content-type": media_type, "content-length": str(len(body)), **fields}, body=body
    )


def authorized(value: str) -> Request:
    return Request("GET", "/", fields={"authorization": value})


def basic(text: str | bytes) -> str:
    return "Basic " + b64encode(text.encode() if isinstance(text, str) else text).decode()


@for_each(
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
        (b"a=&b=c", {"a": "", "b": "c"}),
        (b"a=b&a=", {"a": "b"}),
        (b"a", {"a": ""}),
        (b"a&b=c&d", {"a": "", "b": "c", "d": ""}),
        (b"a=&a=b", {"a": "b"}),
        (b"a=%00", {"a": "\0"}),
    ],
)
def test_a_form_is_read(body: bytes, parameters: dict[str, str]) -> None:
    assert form_bodies.parse_body(form_request(body)) == parameters


@pytest.mark.parametrize(
    "media_type",
    [
        "application/X-www-form-urlencoded;charset=UTF-8",
        f'{MEDIA_TYPE}; ; a="b;\\"c"; Charset="utf-8"',
        f"{MEDIA_TYPE} ; a=b;",
    ],
)
def test_a_media_type_may_have_parameters(media_type: str) -> None:
    assert form_bodies.parse_body(form_request(b"a=b", media_type)) == {"a": "b"}


@for_each(
    "media_type",
    ["", "application/json", "multipart/mixed; boundary=a", "text/plain", f"{MEDIA_TYPE}x", "multipart/form-data-x"],
)
def test_another_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(RefusedError) as refused:
        form_bodies.parse_body(form_request(b"a=b", media_type))
    assert refused.value.rule == "media_type_wrong"


@for_each(
    "parameters",
    ["; a", "; charset", "; =utf-8", '; charset="utf-8', '; charset="utf-8"x', "; charset=utf-8 x", "; charset =utf-8",
     "; charset=utf-8, text/plain", "; charset=utf-8; Charset=utf-8", "; a=b; charset=utf-8; a=b"],
)  # fmt: skip
@for_each("media_type", [MEDIA_TYPE, "multipart/form-data; boundary=x"])
def test_malformed_parameters_of_a_media_type_are_refused(media_type: str, parameters: str) -> None:
    assert refused_body(b"a=b", media_type + parameters) == "media_type_malformed"


def test_a_body_with_a_content_encoding_is_refused() -> None:
    assert form_bodies.parse_body(form_request(b"a=b", **{"content-encoding": "Identity"})) == {"a": "b"}
    with pytest.raises(RefusedError) as refused:
        form_bodies.parse_body(form_request(b"a=b", **{"content-encoding": "gzip"}))
    assert refused.value.rule == "content_encoding_unknown"


def test_a_form_without_a_length_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        form_bodies.parse_body(Request("POST", "/", fields={"content-type": MEDIA_TYPE}))
    assert refused.value.rule == "length_missing"


def refused_body(body: bytes, media_type: str = MEDIA_TYPE) -> str:
    with pytest.raises(RefusedError) as refused:
        form_bodies.parse_body(form_request(body, media_type))
    return refused.value.rule


@for_each(
    ("body", "rule"),
    [
        (b"a=\xff", "form_not_utf8"),
        (b"a=%ff", "form_not_utf8"),
        (b"%ff=a", "form_not_utf8"),
        (b"a=\xed\xa0\x80", "form_not_utf8"),
        (b"a=%ed%a0%80", "form_not_utf8"),
        (b"a=%", "form_unreadable"),
        (b"a=%4", "form_unreadable"),
        (b"a=%zz", "form_unreadable"),
        (b"a=\0", "control_character"),
        (b"a=b\r\n", "control_character"),
        (b"&".join(b"a%d=b" % number for number in range(MAX_PARAMETERS + 1)), "parameters_too_many"),
    ],
)
def test_what_is_no_form_is_refused_for_what_it_is(body: bytes, rule: str) -> None:
    assert refused_body(body) == rule


def test_a_form_may_have_as_many_parameters_as_allowed() -> None:
    most = b"&".join(b"a%d=b" % number for number in range(MAX_PARAMETERS))
    assert len(form_bodies.parse_body(form_request(b"&&" + most + b"&" * 9000))) == MAX_PARAMETERS


LATIN = f"{MEDIA_TYPE}; charset=ISO-8859-1"


@for_each(
    ("body", "media_type", "rule"),
    [
        (b"a=b", f"{MEDIA_TYPE}; charset=latin1", "charset_unknown"),
        (b"a=b", f"{MEDIA_TYPE}; charset=utf-16", "charset_unknown"),
        (b"a=b", f"{MEDIA_TYPE}; charset=", "charset_unknown"),
        (b"a=\xe9", LATIN, "charset_not_ascii"),
        (b"a=\xc3\xa9", LATIN, "charset_not_ascii"),
        (b"a=%E9", LATIN, "charset_not_ascii"),
    ],
)
def test_a_charset_is_refused_by_rules_of_its_own(body: bytes, media_type: str, rule: str) -> None:
    assert refused_body(body, media_type) == rule


def test_iso_8859_1_is_read_while_it_is_ascii_or_escaped_utf_8() -> None:
    assert form_bodies.parse_body(form_request(b"a=b+c&d=%C3%A9", LATIN)) == {"a": "b c", "d": "é"}


def part(head: str, value: str | bytes = "b") -> bytes:
    return b"--x y\r\n" + head.encode() + b"\r\n\r\n" + (value.encode() if isinstance(value, str) else value) + b"\r\n"


NAMED = 'Content-Disposition: form-data; name="a"'
MULTIPART = 'multipart/form-data; boundary="x y"'
END = b"--x y--\r\n"


@for_each(
    ("body", "parameters"),
    [
        (END, {}),
        (b"\r\n" + END[:-2], {}),
        (part(NAMED) + END, {"a": "b"}),
        (part(NAMED, "") + END, {"a": ""}),
        (part(NAMED, "\r\nb\r\n--x\r\n") + END, {"a": "\r\nb\r\n--x\r\n"}),
        (part(NAMED, "ñ%41+&=") + END, {"a": "ñ%41+&="}),
        (part("content-disposition:form-data;name=a\r\nContent-Length: 1") + END, {"a": "b"}),
        (
            part(f"{NAMED}\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit") + END,
            {"a": "b"},
        ),
        (part('Content-Disposition: form-data; name="a \\"\\\\;="') + END, {'a "\\;=': "b"}),
        (part(NAMED, "") + part(NAMED) + part('Content-Disposition: form-data; name="ñ"') + END, {"a": "b", "ñ": "b"}),
    ],
)
def test_multipart_is_read(body: bytes, parameters: dict[str, str]) -> None:
    assert form_bodies.parse_body(form_request(body, MULTIPART)) == parameters


@for_each(
    ("body", "rule"),
    [
        (b"", "multipart_unreadable"),
        (b"preamble\r\n" + END, "multipart_unreadable"),
        (END + b"epilogue", "multipart_unreadable"),
        (part(NAMED), "multipart_unreadable"),
        (part(NAMED) + b"--x y", "multipart_unreadable"),
        (part(NAMED) + b"--x y \r\n" + part(NAMED)[7:] + END, "multipart_unreadable"),
        (part(NAMED).replace(b"\r\n", b"\n") + END, "multipart_unreadable"),
        (part("Content-Type: text/plain") + END, "disposition_malformed"),
        (part("Content-Disposition: attachment; name=a") + END, "disposition_malformed"),
        (part("Content-Disposition: inline; name=a") + END, "disposition_malformed"),
        (part("Content-Disposition: form-data") + END, "disposition_malformed"),
        (part(f"{NAMED}; name=b") + END, "disposition_malformed"),
        (part(f"{NAMED}; name*=UTF-8''b") + END, "disposition_malformed"),
        (part(f"{NAMED} filename=b") + END, "disposition_malformed"),
        (part(f'{NAMED}; x="filename=b') + END, "disposition_malformed"),
        (part(f"{NAMED}\r\nContent-Type: text/plain; charset=utf-8; charset=utf-7") + END, "media_type_malformed"),
        (part(f"{NAMED}\r\n{NAMED}") + END, "multipart_unreadable"),
        (part(f"{NAMED}\r\n folded: x") + END, "multipart_unreadable"),
        (part(f"{NAMED}\r\nX: \0") + END, "multipart_unreadable"),
        (part(f'{NAMED}; filename="b"') + END, "multipart_file"),
        (part(f"{NAMED}; filename*=UTF-8''b") + END, "multipart_file"),
        (part(f"{NAMED}\r\nContent-Type: multipart/mixed; boundary=y") + END, "multipart_nested"),
        (part(f"{NAMED}\r\nContent-Type: application/json") + END, "multipart_type"),
        (part(f"{NAMED}\r\nContent-Transfer-Encoding: base64") + END, "multipart_encoded"),
        (part(f"{NAMED}\r\nContent-Type: text/plain; charset=utf-7") + END, "charset_unknown"),
        (part(f"{NAMED}\r\nContent-Type: text/plain; charset=ISO-8859-1", b"\xe9") + END, "charset_not_ascii"),
        (part(NAMED, b"\xe9") + END, "form_not_utf8"),
        (part(NAMED) * 2 + END, "parameter_repeated"),
        (part(NAMED) * (MAX_PARAMETERS + 1) + END, "parameters_too_many"),
    ],
)
def test_multipart_is_refused_for_what_it_is(body: bytes, rule: str) -> None:
    assert refused_body(body, MULTIPART) == rule


@for_each("boundary", ["", ";boundary=", ';boundary="a "', ';boundary="a\\"b"', f";boundary={'a' * 71}"])
def test_multipart_needs_a_boundary(boundary: str) -> None:
    assert refused_body(END, f"multipart/form-data{boundary}") == "boundary_missing"


@given(
    st.lists(
        st.sampled_from([b"--x y", b"--", b"\r\n", NAMED.encode(), b"\r\n\r\n", b":", b";", b'"'])
        | st.binary(max_size=9)
    )
)
def test_reading_multipart_raises_refusals_alone(pieces: list[bytes]) -> None:
    with suppress(RefusedError):
        form_bodies.parse_body(form_request(b"".join(pieces), MULTIPART))


@pytest.mark.parametrize("body", [b"a=b&a=c", b"a=b&a=b", b"a=b&%61=b"])
def test_a_parameter_that_comes_twice_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        form_bodies.parse_body(form_request(body))
    assert refused.value.rule == "parameter_repeated"


@given(st.binary(max_size=60))
def test_reading_raises_refusals_alone(body: bytes) -> None:
    with suppress(RefusedError):
        form_bodies.parse_body(form_request(body))
    forms.client_credentials(authorized("Basic " + body.decode("latin-1")), {})
    forms.bearer_token(authorized("x" + body.decode("latin-1")))


@for_each(
    ("authorization", "client_id", "secret"),
    [
        (basic("portal:s3"), "portal", "s3"),
        (basic("portal:s3:4"), "portal", "s3:4"),
        (basic("por%3Atal:s+3%2B"), "por:tal", "s 3+"),
        (basic("portal:").replace("Basic", "bAsIc"), "portal", ""),
        (basic(":"), "", ""),
        (basic("ñ:%C3%B1").replace("Basic ", "Basic   "), "ñ", "ñ"),
        (basic("portal:s3").replace(" ", "\t"), "portal", "s3"),
    ],
)
def test_http_basic_names_a_client(authorization: str, client_id: str, secret: str) -> None:
    found = forms.client_credentials(authorized(authorization), {})
    assert found is not None
    assert (found.client_id, found.client_secret.reveal()) == (client_id, secret)


@for_each(
    "authorization",
    [
        "Basic",
        "Basic a",
        "Basic !!!!",
        basic("portal"),
        basic(b"\xff:a"),
        basic("a:b\0"),
        basic("a\n:b"),
        "Basic YTpi!",
        "Basic Y Tpi",
        "Basic YTpi==",
        "Basic YTp=",
    ],
)
def test_malformed_http_basic_names_no_client(authorization: str) -> None:
    assert forms.client_credentials(authorized(authorization), {}) is None


def test_a_client_may_be_named_in_the_form() -> None:
    found = forms.client_credentials(authorized("Bearer x"), {"client_id": "portal", "client_secret": "s3"})
    assert found is not None
    assert (found.client_id, found.client_secret.reveal()) == ("portal", "s3")
    assert (found.unencoded_client_id, found.unencoded_client_secret.reveal()) == ("", "")


@for_each(
    ("text", "decoded", "unencoded"),
    [
        ("por%74al:s%2B3", ("portal", "s+3"), ("por%74al", "s%2B3")),
        ("a+b:c+d", ("a b", "c d"), ("a+b", "c+d")),
        ("a:100%", ("a", "100%"), ("a", "100%")),
        ("a:%zz+", ("a", "%zz+"), ("a", "%zz+")),
        ("a%4:%ff", ("a%4", "%ff"), ("a%4", "%ff")),
    ],
)
def test_http_basic_is_read_both_ways(text: str, decoded: tuple[str, str], unencoded: tuple[str, str]) -> None:
    found = forms.client_credentials(authorized(basic(text)), {})
    assert found is not None
    assert (found.client_id, found.client_secret.reveal()) == decoded
    assert (found.unencoded_client_id, found.unencoded_client_secret.reveal()) == unencoded


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        (basic("portal:s3"), {"client_id": "portal", "client_secret": "s3"}),
        (basic("portal:s3"), {"client_secret": "s3"}),
        ("Basic malformed", {"client_secret": "s3"}),
    ],
)
def test_two_ways_of_client_authentication_are_refused(authorization: str, form: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.client_credentials(authorized(authorization), form)
    assert refused.value.rule == "client_twice"


def test_another_client_id_in_the_body_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        forms.client_credentials(authorized(basic("portal:s3")), {"client_id": "other"})
    assert refused.value.rule == "client_ids_differ"


@pytest.mark.parametrize("client_id", ["a b", "a+b", ""])
def test_the_same_client_id_in_both_places_is_one_client(client_id: str) -> None:
    assert forms.client_credentials(authorized(basic("a+b:s3")), {"client_id": client_id}) is not None


@for_each(
    ("authorization", "token"),
    [
        ("t", "t"), ("OAuth t", "t"), ("oauth  t", "t"), ("BEARER\tt", "t"), ("Basic t", ""), ("Bearer t u", ""),
        ("Bearer", "Bearer"),
    ],
)  # fmt: skip
def test_a_token_comes_bare_or_after_its_scheme(authorization: str, token: str) -> None:
    assert forms.bearer_token(authorized(authorization)).reveal() == token


def test_a_token_may_come_in_the_form_of_a_post() -> None:
    assert forms.bearer_token(form_request(b"x=y&access_token=a%21b")).reveal() == "a!b"
    assert forms.bearer_token(form_request(b"access_token=&x=y", authorization="Bearer t")).reveal() == "t"
    assert forms.bearer_token(form_request(b"access_token=a", "application/json", authorization="t")).reveal() == "t"


@for_each(
    ("request_", "rule"),
    [
        (form_request(b"access_token=a", authorization="Bearer a"), "token_twice"),
        (form_request(b"access_token=a&access_token=a"), "parameter_repeated"),
        (form_request(b"access_token=%zz"), "form_unreadable"),
        (form_request(b"access_token=a", f"{MEDIA_TYPE}; charset=utf-16"), "charset_unknown"),
        (form_request(b"access_token=a", "text/plain"), "authorization_missing"),
        (form_request(b"access_token=a")._replace(method="GET"), "authorization_missing"),
        (form_request(b"access_token="), "authorization_missing"),
    ],
)
def test_a_token_in_a_form_may_be_refused(request_: Request, rule: str) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.bearer_token(request_)
    assert refused.value.rule == rule


@pytest.mark.parametrize("request_", [authorized(""), Request("GET", "/")])
def test_no_token_at_all_is_refused(request_: Request) -> None:
    with pytest.raises(RefusedError) as refused:
        forms.bearer_token(request_)
    assert refused.value.rule == "authorization_missing"
