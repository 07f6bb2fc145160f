"""Requests encoded as bytes, and the responses."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from gamcli.conformance import exchange
from gamcli.conformance.exchange import TargetServer
from gamcli.conformance.table import RequestSpec
from gamcli.conformance.worlds import parse_world
from gamcli.errors import UsageError
from tests.cases import for_each

WORLD = parse_world({"portal": {"client_id": "a b", "client_secret": "c:é", "api_key": "k+k"}})
HERE = TargetServer.from_url("http://127.0.0.1:1/base/")


def encode(request: RequestSpec) -> bytes:
    (packet,) = exchange.encode_request(request, WORLD, "portal", HERE)
    return packet


def test_a_form_is_escaped_and_has_a_content_length() -> None:
    form = {"a": "{profile.api_key}", "é": ["1", "2"]}
    found = encode(RequestSpec("POST", "{server.base}/x", {"A": "b"}, form=form))
    assert found == (
        b"POST /base/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 25\r\nA: b\r\n\r\na=k%2Bk&%C3%A9=1&%C3%A9=2"
    )


def test_a_get_request_has_an_escaped_query_and_no_body() -> None:
    found = encode(RequestSpec(path="/x", query={"a": "{profile.client_id}"}))
    assert found == b"GET /x?a=a+b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_http_basic_is_escaped_before_it_is_encoded() -> None:
    found = encode(RequestSpec(path="/", basic=("{profile.client_id}", "{profile.client_secret}")))
    assert b"\r\nAuthorization: Basic YStiOmMlM0ElQzMlQTk=\r\n" in found


def test_a_body_is_sent_byte_for_byte() -> None:
    assert encode(RequestSpec("POST", "/", body="ÿ\x00{profile.api_key}")).endswith(b"\r\n\r\n\xff\x00k+k")


def test_packets_replace_the_whole_request() -> None:
    assert exchange.encode_request(RequestSpec(packets=("GE", "T {server.base}")), WORLD, "portal", HERE) == [
        b"GE",
        b"T /base",
    ]


@contextmanager
def responding(*responses: bytes, stays: bool = False) -> Iterator[TargetServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def respond() -> None:
            for response in responses:
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(response)
                    while stays and client.recv(65536):
                        pass

        thread = Thread(target=respond)
        thread.start()
        yield TargetServer("http", "127.0.0.1", listener.getsockname()[1], "", close_seconds=0.1)
        thread.join(10)


def test_a_response_has_lowercase_header_names() -> None:
    with responding(b"HTTP/1.1 401 No\r\nA: b\r\nA: c\r\nContent-Length: 2\r\n\r\nhi") as server:
        found = server.send([b"GET / HTTP/1.1\r\n\r\n"], "GET")
    assert (found.status, found.headers["a"], found.body, found.closed) == (401, "b, c", b"hi", None)


def test_a_response_says_whether_the_server_closed_the_connection() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with responding(response, response + b"x") as server:
        assert server.send([b"x"], "GET", wait_for_close=True).closed is True
        assert server.send([b"x"], "GET", wait_for_close=True).closed is True
    with responding(response, stays=True) as server:
        assert server.send([b"x"], "GET", wait_for_close=True).closed is False


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "RemoteDisconnected"), (b"hello\r\n", "BadStatusLine"), (b"HTTP/1.1 ", "BadStatusLine")],
)
def test_an_invalid_response_is_reported(content: bytes, problem: str) -> None:
    with responding(content) as server:
        found = server.send([b"x"], "GET")
    assert found.status == 0
    assert found.problem.startswith(problem)


@for_each("url", ["example.com", "ftp://a", "http://", "http://a:x", "http://a/?b", "http://a b", "http://u@a"])
def test_an_invalid_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="invalid URL") as caught:
        TargetServer.from_url(url)
    assert "https://" in str(caught.value.hint)
