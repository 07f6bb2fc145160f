"""The form of RFC 6749 over a real port: what responses leave out; names, statuses and challenges of errors."""

import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, auth_types, users
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import Server
from gamcli.server.transport.heads import MAX_BODY
from gamcli.server.transport.messages import Response

Ask = Callable[..., Response]
USERINFO_PATH = "/oauth/gam/v2.0/userinfo"


@pytest.fixture
def response_format() -> ResponseFormat:
    return ResponseFormat("rfc6749")


@pytest.fixture
def server(serve: Callable[..., Server], response_format: ResponseFormat) -> Server:
    return serve(response_format=response_format)


def parse_error(response: Response) -> tuple[int, str | None, str | None]:
    body = json.loads(response.body)
    assert [*body][-1] == "error_description"
    assert isinstance(body["error_description"], str)
    return response.status, body.get("error"), dict(response.fields).get("WWW-Authenticate")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grant_type": "x"}, (400, "unsupported_grant_type", None)),
        ({"client_id": None}, (401, "invalid_client", 'Bearer realm="gam"')),
        ({"client_secret": "x"}, (401, "invalid_client", 'Bearer realm="gam"')),
        ({"repository": "x"}, (400, "invalid_request", None)),
        ({"authentication_type_name": "x"}, (400, "invalid_grant", None)),
        ({"api_key": "x"}, (400, "invalid_grant", None)),
        ({"scope": "session_initial_prop"}, (400, "invalid_scope", None)),
    ],
)
def test_a_grant_is_refused_in_the_words_of_rfc_6749(
    post: Ask, changes: dict[str, str | None], expected: tuple[int, str, str | None]
) -> None:
    assert parse_error(post(**changes)) == expected


def test_a_token_response_leaves_out_what_there_is_not(post: Ask, gam: Gam) -> None:
    for changes, absent in (
        ({"token.timeout_minutes": 60, "token.renewals": 0}, {"refresh_token"}),
        ({"token.timeout_minutes": 0, "token.renewals": 1}, {"expires_in"}),
    ):
        apps.update(gam, "portal", changes)
        token = json.loads(post().body)
        every = ["access_token", "token_type", "expires_in", "refresh_token", "scope", "user_guid"]
        assert [*token] == [name for name in every if name not in absent]
        assert token["scope"] == "gam_user_data gam_user_roles user_team"


def test_userinfo_begins_with_the_subject(ask: Ask, post: Ask, gam: Gam) -> None:
    for shared in (True, False):
        apps.update(gam, "portal", {"share_user_ids": shared})
        token = json.loads(post(scope="user_city").body)
        claims = json.loads(ask("GET", USERINFO_PATH, None, {"Authorization": token["access_token"]}).body)
        assert next(iter(claims)) == "sub"
        assert claims["sub"] == token["user_guid"]
        assert (claims.get("external_id") == claims["sub"]) is not shared


def test_a_client_that_used_basic_is_asked_for_it_again(post: Ask) -> None:
    response = post({"Authorization": "Basic x"}, client_id=None, client_secret=None)
    assert parse_error(response) == (401, "invalid_client", 'Basic realm="gam"')


def test_userinfo_names_what_is_wrong_with_a_token(ask: Ask) -> None:
    challenge = 'Bearer realm="gam", error="invalid_token"'
    assert parse_error(ask("GET", USERINFO_PATH, None, {"Authorization": "x"})) == (401, "invalid_token", challenge)
    assert parse_error(ask("GET", USERINFO_PATH)) == (401, None, 'Bearer realm="gam"')


@pytest.mark.parametrize(
    "response_format",
    [
        ResponseFormat("gam", 403),
        ResponseFormat("rfc6749", 403),
        ResponseFormat("gam"),
        ResponseFormat("rfc6749"),
    ],
    ids=str,
)
def test_an_expired_token_has_the_status_that_is_requested(
    ask: Ask, post: Ask, forward: Callable[[timedelta], None], response_format: ResponseFormat
) -> None:
    fields = {"Authorization": json.loads(post().body)["access_token"]}
    forward(timedelta(hours=1))
    response = ask("GET", USERINFO_PATH, None, fields)
    assert response.status == response_format.expired_status
    assert ("WWW-Authenticate" in dict(response.fields)) is (response_format.expired_status == 401)
    assert ask("GET", USERINFO_PATH, None, {"Authorization": "x"}).status == 401


def test_what_http_itself_refuses_is_reported_alike(ask: Ask, raw: Callable[..., bytes]) -> None:
    assert parse_error(ask("GET", "/nowhere")) == (404, "invalid_request", None)
    assert parse_error(ask("DELETE", USERINFO_PATH)) == (405, "invalid_request", None)
    for sent, status in ((b"x\r\n\r\n", 400), (_too_large(), 413)):
        head, _, body = raw(sent).partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert json.loads(body)["error"] == "invalid_request"


def _too_large() -> bytes:
    body = urlencode({"a": "x" * MAX_BODY})
    return f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()


@pytest.mark.needs_file
def test_a_store_that_is_gone_is_reported_with_a_time_to_try_again(ask: Ask, post: Ask, gam: Gam) -> None:
    gam.store.path.unlink()
    for response in (post(), ask("GET", "/healthz")):
        assert parse_error(response) == (503, "temporarily_unavailable", None)
        assert dict(response.fields)["Retry-After"] == "1"


def test_each_cause_of_a_refusal_has_its_message(post: Ask, gam: Gam) -> None:
    def description(**changes: str | None) -> str:
        return str(json.loads(post(**changes).body)["error_description"])

    assert description(authentication_type_name="x") == "No authentication type has this name."
    assert description(authentication_type_name="local") == "The authentication type is disabled."
    auth_types.update(gam, "local", {"enabled": True})
    auth_types.create(gam, "other", "APIkey", {})
    apps.update(gam, "portal", {"api_keys.auth_type": "other"})
    assert description(authentication_type_name="local") == "The authentication type does not accept API keys."
    assert description() == "The application allows only another authentication type for API keys."
    login = {"api_key": None, "username": "ana", "password": "x"}
    apikey = description(**login, authentication_type_name="apikey")
    assert apikey == "The authentication type does not accept passwords."
    users.set_password(gam, "ana", Secret("a long enough password"))
    login |= {"password": "a long enough password", "authentication_type_name": "local"}
    assert description(**login, scope="openid") == "A requested scope is unknown."
    assert description(**login, scope="user_team+session_initial_prop") == (
        "The application does not publish a requested scope."
    )
