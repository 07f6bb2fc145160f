"""A row as bytes, and what comes back."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from gamcli.conformance import exchange
from gamcli.conformance.table import RequestSpec
from gamcli.conformance.worlds import parse_world
from gamcli.errors import UsageError

WORLD = parse_world({"portal": {"client_id": "a b", "client_secret": "c:é", "api_key": "k+k"}})
HERE = exchange.parse_url("http://127.0.0.1:1/base/")


def sent(question: RequestSpec) -> bytes:
    (packet,) = exchange.encode_request(question, WORLD, "portal", HERE)
    return packet


def test_a_form_is_escaped_and_measured() -> None:
    form = {"a": "{who.api_key}", "é": ["1", "2"]}
    found = sent(RequestSpec("POST", "{server.base}/x", {"A": "b"}, form=form))
    assert found == (
        b"POST /base/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 25\r\nA: b\r\n\r\na=k%2Bk&%C3%A9=1&%C3%A9=2"
    )


def test_a_query_is_escaped_and_there_is_no_body() -> None:
    found = sent(RequestSpec(path="/x", query={"a": "{who.client_id}"}))
    assert found == b"GET /x?a=a+b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_http_basic_is_escaped_before_it_is_encoded() -> None:
    found = sent(RequestSpec(path="/", basic=("{who.client_id}", "{who.client_secret}")))
    assert b"\r\nAuthorization: Basic YStiOmMlM0ElQzMlQTk=\r\n" in found


def test_a_body_stands_as_it_is() -> None:
    assert sent(RequestSpec("POST", "/", body="ÿ\x00{who.api_key}")).endswith(b"\r\n\r\n\xff\x00k+k")


def test_packets_are_the_whole_connection() -> None:
    assert exchange.encode_request(RequestSpec(packets=("GE", "T {server.base}")), WORLD, "portal", HERE) == [
        b"GE",
        b"T /base",
    ]


@contextmanager
def answering(*answers: bytes, stays: bool = False) -> Iterator[exchange.TargetServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for each in answers:
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(each)
                    while stays and client.recv(65536):
                        pass

        thread = Thread(target=answer)
        thread.start()
        yield exchange.parse_url(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(10)


def test_an_answer_is_read_with_its_headers_in_lower_case() -> None:
    with answering(b"HTTP/1.1 401 No\r\nA: b\r\nA: c\r\nContent-Length: 2\r\n\r\nhi") as server:
        found = server.send([b"GET / HTTP/1.1\r\n\r\n"], "GET")
    assert (found.status, found.headers["a"], found.body, found.closed) == (401, "b, c", b"hi", None)


def test_whether_a_connection_closes_is_found_out_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "CLOSE_SECONDS", 0.1)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with answering(answer, answer + b"x") as server:
        assert server.send([b"x"], "GET", wait_for_close=True).closed is True
        assert server.send([b"x"], "GET", wait_for_close=True).closed is True
    with answering(answer, stays=True) as server:
        assert server.send([b"x"], "GET", wait_for_close=True).closed is False


@pytest.mark.parametrize(
    ("answer", "told"), [(b"", "RemoteDisconnected"), (b"hello\r\n", "BadStatusLine"), (b"HTTP/1.1 ", "BadStatusLine")]
)
def test_what_is_no_answer_is_reported(answer: bytes, told: str) -> None:
    with answering(answer) as server:
        found = server.send([b"x"], "GET")
    assert found.status == 0
    assert found.problem.startswith(told)


@pytest.mark.parametrize(
    "url", ["example.com", "ftp://a", "http://", "http://a:x", "http://a/?b", "http://a b", "http://u@a"]
)
def test_an_address_that_is_invalid_is_explained(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a server") as caught:
        exchange.parse_url(url)
    assert "https://" in str(caught.value.hint)
