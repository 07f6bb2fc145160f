"""The form of RFC 6749 over a real port: what responses leave out; names, statuses and challenges of errors."""

import json
from collections.abc import Callable

import pytest

from gamcli.actions import Gam, apps, auth_types, users
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints.refusals import ResponseFormat
from gamcli.server.server import Server
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
