"""The log: one printable line per request, without secrets."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.server.endpoints.context import Trace, TracedResponse
from gamcli.server.request_log import MAX_TEXT, RequestLog, sanitize
from gamcli.server.transport.messages import Request, Response, partial_request
from tests.cases import for_each

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUEST = Request("POST", "/a", query="api_key=s3", fields={"authorization": "s3"}, body=b"s3", peer="192.0.2.7")
TRACE = Trace("portal", "0123abcd", "key_expired", token_id="00abcdefghij")
ANSWER = TracedResponse(Response(401, (("X", "s3"),), b"s3"), TRACE)


def write_lines(log_format: str, request: Request = REQUEST, answer: TracedResponse = ANSWER) -> list[str]:
    lines = list[str]()
    log = RequestLog(lambda line: lines.append(line) or True, log_format, lambda: AT, "f00d")  # type: ignore[func-returns-value]
    log.write(request, answer, 0.00123)
    log.write(request, answer, 0.0)
    return lines


def test_a_line_for_people_reports_who_what_and_why() -> None:
    assert write_lines("text") == [
        f"2026-03-01T12:00:00Z f00d-{number} POST /a 401 {ms}ms address=192.0.2.7 client_id=portal key=0123abcd"
        " token=00abcdefghij rule=key_expired"
        for number, ms in ((1, 1.2), (2, 0.0))
    ]


def test_a_line_for_programs_has_every_field() -> None:
    assert json.loads(write_lines("json", answer=TracedResponse(ANSWER.response, Trace()))[0]) == {
        "time": "2026-03-01T12:00:00Z", "request": "f00d-1", "method": "POST", "path": "/a", "status": 401, "ms": 1.2,
        "address": "192.0.2.7", "client_id": "", "key": "", "token": "", "rule": "", "detail": "",
    }  # fmt: skip


@for_each(
    ("log_address", "address", "shown"),
    [
        ("full", "192.0.2.7", "192.0.2.7"),
        ("none", "192.0.2.7", ""),
        ("masked", "192.0.2.7", "192.0.2.0"),
        ("masked", "2001:db8:1:2::3", "2001:db8:1::"),
        ("masked", "fe80::1%eth0", "fe80::"),
        ("masked", "::ffff:192.0.2.7", "192.0.2.0"),
        ("masked", "", ""),
    ],
)
def test_the_address_of_the_client_may_be_masked(log_address: str, address: str, shown: str) -> None:
    log = RequestLog(lambda _: True, "text", lambda: AT, "f00d", log_address)
    assert log.write(REQUEST._replace(peer=address), ANSWER, 0).address == shown
    assert log.write(partial_request(address), ANSWER, 0).address == shown


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_holds_no_secret(log_format: str) -> None:
    assert "s3" not in "".join(write_lines(log_format))


@for_each(
    ("sent", "logged"),
    [
        ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"),
        ("Root=1-67891233-abcdef012345", "Root=1-67891233-abcdef012345"),
        ("x" * 128, "x" * 128),
        ("x" * 129, "f00d-1"),
        ("two words", "f00d-1"),
        ("a\x1b[0m", "f00d-1"),
        ("\u00e9", "f00d-1"),
        ("", "f00d-1"),
        ("gamkey_" + "0" * 46, "f00d-1"),
        ("x=gamsec_" + "0" * 46, "f00d-1"),
    ],
)
def test_a_client_may_choose_the_id_of_its_request_unless_it_is_invalid_or_a_credential(sent: str, logged: str) -> None:
    request = REQUEST._replace(fields={"x-request-id": sent})
    assert write_lines("text", request)[0].split()[1] == logged


def test_what_could_not_be_read_is_not_shown() -> None:
    assert write_lines("text", partial_request(""))[0].startswith("2026-03-01T12:00:00Z f00d-1 - - 401")


@for_each("method", ["gamsec_0123", "s3cret&x=", "get", "POSTS"])
def test_a_request_with_an_unknown_method_is_not_shown(method: str) -> None:
    assert write_lines("text", Request(method, "/s3"))[0].startswith("2026-03-01T12:00:00Z f00d-1 - - 401")


@for_each("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_a_known_method_is_shown(method: str) -> None:
    assert f" {method} /a " in write_lines("text", Request(method, "/a"))[0]


@for_each(
    ("path", "word"),
    [
        ("/healthz#s3", "/healthz"),
        ("/myapp/oauth/gam/v2.0/access_token", "/myapp/oauth/gam/v2.0/access_token"),
        ("/x/" + "s" * 20, "/x/..."),
        ("/" + "ab/" * 40, "/" + "ab/" * 21 + "..."),
    ],
)
def test_a_path_that_is_not_served_is_shown_without_what_may_be_a_secret(path: str, word: str) -> None:
    answer = TracedResponse(ANSWER.response, Trace(rule="path_unknown"))
    assert f" POST {word} 401 " in write_lines("text", Request("POST", path), answer)[0]


def test_lines_that_were_lost_are_counted() -> None:
    lines, room = list[str](), list[bool]([False, False, False, True, True, True])

    def sink(line: str) -> bool:
        if has_room := room.pop(0):
            lines.append(line)
        return has_room

    log = RequestLog(sink, "text", lambda: AT, "f00d")
    for _ in range(3):
        log.write(REQUEST, ANSWER, 0)
    log.write_lost_lines()
    assert [line.partition(" 401 ")[0] for line in lines] == [
        "2026-03-01T12:00:00Z - - - 0 0.0ms rule=lines_lost detail=2 lines lost",
        "2026-03-01T12:00:00Z f00d-3 POST /a",
    ]


@for_each(
    ("text", "word"),
    [
        ("/oauth/gam", "/oauth/gam"),
        ("a\r\nb", r"a\u{d}\u{a}b"),
        ("\x1b[31m", r"\u{1b}[31m"),
        ('a "b"\\', r"a\u{20}\u{22}b\u{22}\u{5c}"),
        ("ñ\u202e", r"\u{f1}\u{202e}"),
        ("gamkey_01234567_abc", "gamkey_..."),
        ("x/gamsec_abc", "x/gamsec_..."),
        ("/0f8fad5b-d9cb-469f-a165-70867728950e!00abc", "/0f8fad5b-d9cb-469f-a165-70867728950e!..."),
        ("a" * MAX_TEXT, "a" * MAX_TEXT),
        ("a" * (MAX_TEXT + 1), "a" * MAX_TEXT + "..."),
    ],
)
def test_what_a_client_sent_is_shown_as_one_harmless_word(text: str, word: str) -> None:
    assert sanitize(text) == word


@given(st.text())
def test_whatever_was_sent_is_one_printable_word(text: str) -> None:
    word = sanitize(text)
    assert word.isascii()
    assert all("!" <= letter <= "~" for letter in word)
