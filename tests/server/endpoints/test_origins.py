"""CORS: only pages of the allowed origins may call the endpoints from a browser."""

import json
from collections.abc import Callable

import pytest

from gamcli.errors import UsageError
from gamcli.server.endpoints import origins
from gamcli.server.server import Server
from gamcli.server.transport.messages import Response
from tests.cases import for_each

Ask = Callable[..., Response]
TOKEN_PATH = "/oauth/gam/v2.0/access_token"
USERINFO_PATH = "/oauth/gam/v2.0/userinfo"
PAGE = "https://app.example.org"
HERE = {"Origin": PAGE}
READABLE = {
    "Allow-Origin": PAGE, "Allow-Credentials": "true",
    "Expose-Headers": "Retry-After, WWW-Authenticate, X-Request-Id", "Vary": "Origin",
}  # fmt: skip


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve(origins=frozenset({PAGE}))


def cors(response: Response) -> dict[str, str]:
    return {
        name.removeprefix("Access-Control-"): value
        for name, value in response.fields
        if name.startswith("Access-Control-") or name == "Vary"
    }


@pytest.mark.parametrize(("path", "methods"), [(TOKEN_PATH, "POST"), (USERINFO_PATH, "GET, POST"), ("/healthz", "GET")])
def test_a_preflight_is_reported_what_may_be_sent(ask: Ask, path: str, methods: str) -> None:
    for _ in range(2):
        response = ask("OPTIONS", path, None, {**HERE, "Access-Control-Request-Method": "POST"})
        assert (response.status, response.body) == (204, b"")
        assert "Content-Length" not in dict(response.fields)
        assert cors(response) == {
            **READABLE,
            "Allow-Methods": methods,
            "Allow-Headers": "Authorization, Content-Type",
            "Max-Age": "600",
        }


@pytest.mark.parametrize(
    ("requested", "allowed"),
    [
        ("x-trace, Content-Type,,X-Y", "Authorization, Content-Type, x-trace, X-Y"),
        ("authorization", "Authorization, Content-Type"),
        ("x y", "Authorization, Content-Type"),
        (", ".join(f"x-{number}" for number in range(33)), "Authorization, Content-Type"),
        ("x" * 1025, "Authorization, Content-Type"),
        ("*", "Authorization, Content-Type, *"),
    ],
)
def test_requested_fields_are_allowed_as_long_as_they_are_few_and_valid(ask: Ask, requested: str, allowed: str) -> None:
    response = ask("OPTIONS", TOKEN_PATH, None, {**HERE, "Access-Control-Request-Headers": requested})
    assert cors(response)["Allow-Headers"] == allowed


def test_responses_may_be_read_by_the_page(ask: Ask, post: Ask) -> None:
    granted = post(HERE)
    assert (granted.status, cors(granted)) == (200, READABLE)
    token = {"Authorization": json.loads(granted.body)["access_token"]}
    for status, response in {
        200: ask("GET", USERINFO_PATH, None, {**token, **HERE}),
        401: ask("GET", USERINFO_PATH, None, HERE),
        404: ask("OPTIONS", "/nowhere", None, HERE),
        405: ask("PUT", TOKEN_PATH, None, HERE),
        415: ask("POST", TOKEN_PATH, b"{}", {**HERE, "Content-Type": "application/json"}),
    }.items():
        assert (response.status, cors(response)) == (status, READABLE)


@pytest.mark.parametrize("fields", [{}, {"Origin": "https://evil.example"}, {"Origin": f"{PAGE}.evil.example"}])
def test_other_pages_may_not_read_them(ask: Ask, post: Ask, fields: dict[str, str]) -> None:
    assert cors(post(fields)) == {"Vary": "Origin"}
    assert "Allow-Origin" not in cors(ask("OPTIONS", TOKEN_PATH, None, fields))


def test_every_page_may_when_all_are_allowed(serve: Callable[..., Server], raw: Callable[..., bytes]) -> None:
    port = serve(origins=frozenset({"*"})).port
    for sent in (b"GET /healthz HTTP/1.0\r\nOrigin: https://x.example\r\n\r\n", b"x\r\n\r\n"):
        answer = raw(sent, port=port)
        assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in answer
        assert b"\r\nVary: Origin\r\n" in answer
        assert b"Access-Control-Allow-Credentials" not in answer


def test_no_page_may_by_default(serve: Callable[..., Server], raw: Callable[..., bytes]) -> None:
    port = serve().port
    for method, status in (("OPTIONS", 405), ("GET", 200)):
        answer = raw(f"{method} /healthz HTTP/1.0\r\nOrigin: {PAGE}\r\n\r\n".encode(), port=port)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"Access-Control" not in answer
        assert b"Vary" not in answer


@for_each(
    ("text", "origin"),
    [
        ("*", "*"),
        ("https://App.Example.org", "https://app.example.org"),
        ("https://app.example.org:443", "https://app.example.org"),
        ("http://app.example.org:80", "http://app.example.org"),
        ("https://app.example.org:80", "https://app.example.org:80"),
        ("https://app.example.org:4430", "https://app.example.org:4430"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(text: str, origin: str) -> None:
    assert origins.parse_origin(text) == origin


@for_each(
    ("text", "hint"),
    [
        ("", "https://app.example.org"),
        ("null", "https://app.example.org"),
        ("app.example.org", "https://app.example.org"),
        ("**", "https://app.example.org"),
        ("https://user@a.example", "https://app.example.org"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example/shop?x=y", "https://a.example"),
        ("https://A.example/", "https://a.example"),
        ("https://a.example\r\nX: y", "https://app.example.org"),
        ("https://a.example\n", "https://app.example.org"),
        ("https://", "https://app.example.org"),
        ("https://café.example", "https://app.example.org"),
    ],
)
def test_what_is_not_an_origin_is_refused(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        origins.parse_origin(text)
    assert caught.value.hint == f"--cors-origin {hint}"
