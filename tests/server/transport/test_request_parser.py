"""The strict HTTP parser."""

from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.server.endpoints import failure_limit, form_bodies
from gamcli.server.transport import heads
from gamcli.server.transport.chunked import MAX_EXTENSION_BYTES
from gamcli.server.transport.heads import MAX_BODY, MAX_FIELDS, MAX_FIELDS_BYTES, MAX_LINE, parse_head
from gamcli.server.transport.messages import Request
from gamcli.server.transport.request_parser import RequestParser
from tests.cases import for_each

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"

CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def taken(*packets: bytes) -> list[Request | str]:
    inbox, found = RequestParser("peer"), list[Request | str]()
    try:
        for packet in packets:
            inbox.feed(packet)
            while (request := inbox.next_request()) is not None:
                found.append(request)
    except RefusedError as refused:
        found.append(refused.rule)
    return found


def one_by_one(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def single_request(results: list[Request | str]) -> Request:
    (request,) = results
    assert isinstance(request, Request)
    return request


def test_a_request_is_read_with_its_fields_in_lower_case() -> None:
    request = single_request(taken(b"POST /A?b=c HTTP/1.1\r\nHOST:a\r\nX-Y: \t z \r\nContent-Length: 3\r\n\r\nabc"))
    assert (request.method, request.path, request.query, request.body) == ("POST", "/A", "b=c", b"abc")
    assert request.fields == {"host": "a", "x-y": "z", "content-length": "3"}
    assert request.keeps_alive


def test_the_repr_of_a_request_shows_nothing_that_may_be_secret() -> None:
    request = single_request(
        taken(b"POST /x?s3 HTTP/1.1\r\nHost: a\r\nAuthorization: s3\r\nContent-Length: 2\r\n\r\ns3")
    )
    assert "s3" not in repr(request)


@for_each(
    ("head", "keeps_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_a_connection_stays_open_with_http_1_1_unless_the_client_closes_it(head: bytes, *, keeps_alive: bool) -> None:
    assert parse_head(head).keeps_alive is keeps_alive


@for_each(
    ("target", "path", "query"),
    [
        (b"/a/b?c?d", "/a/b", "c?d"),
        (b"http://h:1/a?b", "/a", "b"),
        (b"HTTPS://h?b", "/", "b"),
        (b"http://h", "/", ""),
        (b"*", "*", ""),
        (b"//a", "//a", ""),
    ],
)
def test_a_target_is_a_path_or_a_url(target: bytes, path: str, query: str) -> None:
    head = parse_head(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (head.path, head.query) == (path, query)


NOT_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00",
    b"\n",
    b"hello\r\n",
    b"GET /\r\n\r\n",
    b"GET / http/1.1\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\n\r\n",
    b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    GET + b"Host: b\r\n\r\n",
    *(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" for host in (b"a b", b"a,b", b"a/b", b"a?c@d", b"\xff")),
    GET + b"a : b\r\n\r\n",
    GET + b" folded: b\r\n\r\n",
    GET + b"a: b\r\n\tfolded\r\n\r\n",
    GET + b"no colon\r\n\r\n",
    GET + b": no name\r\n\r\n",
    GET + b"a: \x00\r\n\r\n",
    GET + b"a: \x7f\r\n\r\n",
    GET + b"a: b\rc\r\n\r\n",
    GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    GET + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    GET + b"Content-Length: 1, 1\r\n\r\na",
    GET + b"Content-Length: +1\r\n\r\na",
    GET + b"Content-Length: -1\r\n\r\na",
    GET + b"Content-Length: 0x1\r\n\r\na",
    GET + b"Content-Length: \xb2\r\n\r\na",
    GET + b"Content-Length:\r\n\r\n",
    GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n",
    CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n") + b"0\r\n\r\n",
    CHUNKED.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"0\r\n\r\n",
    CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
    *(
        CHUNKED + rest
        for rest in (
            b"\r\n",
            b"\n",
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\na\r\n",
            b"0x1\r\na\r\n",
            b" 1\r\na\r\n",
            b"1 \r\na\r\n",
            b"1\na\r\n",
            b"1_0\r\n",
            b"00000000000000001\r\na\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na\r0\r\n",
            b"1;\r\na\r\n",
            b"1;a=\r\n",
            b"1;a b\r\n",
            b'1;a="b\r\n',
            b'1;a="\x00"\r\n',
            b"1 ;a\r\n",
            b"1;a\x00\r\n",
            b"1;" + b"a" * 5000,
            b"0\r\na\r\n\r\n",
            b"0\r\nContent-Length: 1\r\n\r\n",
            b"0\r\ntransfer-encoding: chunked\r\n\r\n",
            b"0\r\na : b\r\n\r\n",
            b"0\r\n a: b\r\n\r\n",
            b"0\r\na: b\n\r\n",
            b"0\r\na: \x00\r\n\r\n",
        )
    ),
]


@for_each("data", NOT_HTTP)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    assert taken(data) == ["request_unreadable"]


@for_each("data", NOT_HTTP)
def test_what_is_not_http_is_refused_byte_by_byte_too(data: bytes) -> None:
    assert taken(*one_by_one(data)) == ["request_unreadable"]


@for_each(
    ("data", "rule"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", "version_unknown"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version_unknown"),
        (b"GET /" + b"a" * MAX_LINE, "request_line_too_long"),
        (GET + b"a: " + b"b" * MAX_FIELDS_BYTES, "fields_too_large"),
        (GET + b"a: b\r\n" * MAX_FIELDS + b"\r\n", "fields_too_many"),
        *(
            (GET + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n", "transfer_coding_unknown")
            for coding in (
                b"gzip",
                b"gzip, chunked",
                b"chunked, chunked",
                b"chunked;a=b",
                b"identity",
                b"",
                b"xchunked",
            )
        ),
        (CHUNKED + b"4000\r\n" + b"x" * MAX_BODY + b"\r\n1\r\n", "body_too_large"),
        (CHUNKED + b"ffffffffffffffff\r\n", "body_too_large"),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * (MAX_FIELDS + 1), "fields_too_many"),
        (CHUNKED + b"0\r\na: " + b"b" * MAX_FIELDS_BYTES, "fields_too_large"),
        (GET + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), "body_too_large"),
        (GET + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "body_too_large"),
        (GET + b"Expect: miracles\r\n\r\n", "expectation_unknown"),
    ],
)
def test_what_is_http_but_too_much_is_refused_for_what_it_is(data: bytes, rule: str) -> None:
    assert taken(data) == taken(*one_by_one(data)) == [rule]


def test_the_largest_that_is_allowed_is_read() -> None:
    path = b"/" + b"a" * (MAX_LINE - len("GET / HTTP/1.1"))
    line = b"GET " + path + b" HTTP/1.1\r\n"
    fields = b"Host: a\r\nContent-Length: 0016384\r\n" + b"a: b\r\n" * (MAX_FIELDS - 2)
    request = single_request(taken(line + fields + b"\r\n" + b"x" * MAX_BODY))
    assert request.path == path.decode()
    assert len(request.body) == MAX_BODY


@for_each(
    ("body", "expected"),
    [
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"1\r\na\r\n0A\r\nbcdefghijk\r\n0\r\n\r\n", b"abcdefghijk"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b'1;a;b=c;d="e \\" \xff"\r\na\r\n0;last\r\n\r\n', b"a"),
        (b"1\r\na\r\n0\r\nDate: x\r\nX: y\r\n\r\n", b"a"),
        (b"1;" + b"a" * (MAX_EXTENSION_BYTES - 1) + b"\r\na\r\n0\r\n\r\n", b"a"),
        (b"4000\r\n" + b"x" * MAX_BODY + b"\r\n0\r\n\r\n", b"x" * MAX_BODY),
        (b"1\r\nx\r\n" * MAX_BODY + b"0\r\n\r\n", b"x" * MAX_BODY),
    ],
)
def test_a_chunked_body_is_decoded_and_its_trailer_dropped(body: bytes, expected: bytes) -> None:
    packets = [CHUNKED + body + POST] if len(body) > 10_000 else one_by_one(CHUNKED + body + POST)
    first, second = taken(*packets)
    assert isinstance(first, Request)
    assert first.body == expected
    assert "x" not in first.fields
    assert isinstance(second, Request)
    assert second.body == b"abc"


def test_the_coding_is_named_in_any_case() -> None:
    assert single_request(taken(CHUNKED.replace(b"chunked", b"Chunked") + b"0\r\n\r\n")).body == b""


def test_a_client_that_waits_with_chunks_is_asked_to_continue_once() -> None:
    inbox = RequestParser("peer")
    inbox.feed(CHUNKED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert inbox.next_request() is None
    assert [inbox.needs_continue(), inbox.needs_continue()] == [True, False]
    inbox.feed(b"3\r\nabc\r\n")
    assert inbox.next_request() is None
    assert not inbox.needs_continue()
    inbox.feed(b"0\r\n\r\n")
    assert inbox.next_request() is not None


def test_a_client_that_sends_chunks_without_waiting_is_not_asked() -> None:
    inbox = RequestParser("peer")
    inbox.feed(CHUNKED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") + b"3\r\nabc\r\n")
    assert inbox.next_request() is None
    assert not inbox.needs_continue()


def test_requests_that_come_together_are_taken_in_order() -> None:
    found = taken(POST + GET + b"\r\n" + POST[:-1], b"c")
    assert [request.method for request in found if isinstance(request, Request)] == ["POST", "GET", "POST"]


def test_an_empty_line_before_a_request_is_overlooked() -> None:
    assert single_request(taken(b"\r\n\r\n" + POST)).body == b"abc"


def test_fields_of_one_name_are_joined() -> None:
    assert parse_head(GET + b"a: b\r\nA: c\r\n\r\n").fields["a"] == "b, c"


def test_a_client_of_http_1_0_waits_for_nothing() -> None:
    inbox = RequestParser("")
    inbox.feed(b"POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert inbox.next_request() is None
    assert not inbox.needs_continue()


def test_a_long_head_is_read_and_not_remembered() -> None:
    long = GET + b"a: " + b"b" * heads.MAX_CACHED_HEAD + b"\r\n\r\n"
    before = heads._cached_head.cache_info().currsize  # noqa: SLF001 - what is remembered
    assert heads.parse_head(long).fields["a"] == "b" * heads.MAX_CACHED_HEAD
    assert heads._cached_head.cache_info().currsize == before  # noqa: SLF001 - as above


def test_a_client_that_waits_is_asked_to_continue_once() -> None:
    head, body = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"ab"
    inbox = RequestParser("peer")
    for _ in range(2):
        inbox.feed(head)
        assert inbox.next_request() is None
        assert [inbox.needs_continue(), inbox.needs_continue()] == [True, False]
        inbox.feed(body)
        assert inbox.next_request() is not None
    inbox.feed(head + body[:1])
    assert inbox.next_request() is None
    assert not inbox.needs_continue()


@given(st.binary(max_size=300))
@example(GET + b"\r\n")
def test_parsing_raises_refusals_alone(data: bytes) -> None:
    with suppress(RefusedError):
        parse_head(data)


PIECES = st.sampled_from([
    GET, POST, b"\r\n", b"\n", b"\r", b" ", b":", b"a: b\r\n", b"GET / HTTP/1.1\r\n", b"Content-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"2\r\nab\r\n", b"0\r\n\r\n", b";a", b"\x00", b"\xff", b"abc", b"HTTP/2.0", b"Host: a\r\n",
    b"Expect: 100-continue\r\n",
])  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=5), max_size=12).map(b"".join), st.lists(st.integers(1, 40), max_size=30))
@example(b"\r" + GET + b"\r\n", [1])
def test_the_cuts_of_the_network_change_nothing(data: bytes, lengths: list[int]) -> None:
    packets, rest = list[bytes](), data
    for length in lengths:
        packets, rest = [*packets, rest[:length]], rest[length:]
    assert taken(*packets, rest) == taken(data) == taken(*one_by_one(data))


def test_the_limits_are_those_of_the_contract() -> None:
    kib = 1024
    assert [8 * kib, 64, 16 * kib, 16 * kib] == [MAX_LINE, MAX_FIELDS, MAX_FIELDS_BYTES, MAX_BODY]
    assert (form_bodies.MAX_PARAMETERS, failure_limit.DEFAULT_LIMIT) == (64, 10)


@for_each(
    ("options", "keeps_alive"),
    [("close", False), ("Keep-Alive,\tClose", False), ("x-close", True), ("upgrade, closed", True)],
)
def test_only_the_option_close_closes(options: str, keeps_alive: bool) -> None:  # noqa: FBT001 - a case
    parser = RequestParser("client")
    parser.feed(f"GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n".encode())
    request = parser.next_request()
    assert request is not None
    assert request.keeps_alive == keeps_alive
