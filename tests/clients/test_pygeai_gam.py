"""A public GAM client, `pygeai-gam`, which sends the bare token and reads GAM errors."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pygeai_gam import GAMClient  # type: ignore[import-untyped]
from pygeai_gam.endpoints import GAM_PASSWORD_GRANT_USERINFO_ENDPOINT  # type: ignore[import-untyped]
from pygeai_gam.exceptions import GAMAPIError, GAMAuthenticationError  # type: ignore[import-untyped]

from gamcli.actions import tokens, users

Endpoint = Any
Login = Callable[..., dict[str, Any]]


@pytest.fixture
def endpoint(serve: Callable[[str], Endpoint]) -> Endpoint:
    return serve("gam")


@pytest.fixture
def client(endpoint: Endpoint) -> GAMClient:
    return GAMClient(base_url=endpoint.url)


@pytest.fixture
def login(endpoint: Endpoint, client: GAMClient) -> Login:
    told = {
        "client_id": endpoint.client_id,
        "client_secret": endpoint.client_secret,
        "username": endpoint.username,
        "password": endpoint.password,
    }
    return lambda **more: client.get_access_token(**{**told, **more})


def test_a_password_is_exchanged_and_the_claims_are_read(client: GAMClient, login: Login) -> None:
    token = login()
    assert (token["token_type"], token["scope"]) == ("Bearer", "gam_user_data")
    claims = client.get_user_info(token["access_token"], userinfo_endpoint=GAM_PASSWORD_GRANT_USERINFO_ENDPOINT)
    assert (claims["username"], claims["email"], claims["guid"]) == ("ana", "ana@example.org", token["user_guid"])


@pytest.mark.parametrize("scope", ["gam_user_data+gam_user_roles", "gam_user_data gam_user_roles"])
def test_scopes_go_together_by_a_plus_or_a_blank(client: GAMClient, login: Login, scope: str) -> None:
    token = login(scope=scope)
    assert token["scope"] == "gam_user_data+gam_user_roles"
    claims = client.get_user_info(token["access_token"], userinfo_endpoint=GAM_PASSWORD_GRANT_USERINFO_ENDPOINT)
    assert claims["roles"] == ["operator"]


def test_initial_properties_and_the_repository_are_understood(login: Login) -> None:
    repository = login()["access_token"].partition("!")[0]
    assert login(initial_properties=json.dumps([{"Id": "a", "Value": "b"}]), repository=repository)["access_token"]


def test_a_token_is_renewed_and_each_refresh_token_works_once(
    endpoint: Endpoint, client: GAMClient, login: Login
) -> None:
    first = login()
    held = {"client_id": endpoint.client_id, "client_secret": endpoint.client_secret}
    second = client.refresh_access_token(**held, refresh_token=first["refresh_token"])
    assert second["refresh_token"][:3] == "002"
    for refresh_token in (first["refresh_token"], second["refresh_token"]):
        with pytest.raises(GAMAuthenticationError) as caught:
            client.refresh_access_token(**held, refresh_token=refresh_token)
        assert caught.value.response.json()["error"]["code"] == "101"


def test_an_answer_becomes_its_record(endpoint: Endpoint, client: GAMClient, login: Login) -> None:
    found = client.refresh_access_token(
        client_id=endpoint.client_id,
        client_secret=endpoint.client_secret,
        refresh_token=login()["refresh_token"],
        return_type="typed",
    )
    assert (found.token_type, found.expires_in) == ("Bearer", 3600)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "wrong"}, "11"),
        ({"username": "nobody"}, "11"),
        ({"client_secret": "wrong"}, "116"),
        ({"client_id": "wrong"}, "236"),
        ({"authentication_type_name": "apikey"}, "35"),
        ({"authentication_type_name": "nowhere"}, "240"),
        ({"scope": "fullcontrol+session_initial_prop"}, "235"),
        ({"repository": "wrong"}, "2"),
    ],
)
def test_a_refusal_is_an_error_of_authentication(login: Login, changes: dict[str, str], code: str) -> None:
    with pytest.raises(GAMAuthenticationError) as caught:
        login(**changes)
    assert caught.value.status_code == 401
    error = caught.value.response.json()["error"]
    assert error["code"] == code
    assert error["message"] in str(caught.value)


def test_another_grant_is_an_error_of_the_request(login: Login) -> None:
    with pytest.raises(GAMAPIError, match="292"):
        login(grant_type="client_credentials")


def test_a_blocked_user_and_a_revoked_token_are_reported(endpoint: Endpoint, client: GAMClient, login: Login) -> None:
    token = login()["access_token"]
    users.update(endpoint.gam, "ana", {"blocked": True})
    with pytest.raises(GAMAuthenticationError, match="blocked"):
        login()
    with pytest.raises(GAMAuthenticationError, match="blocked"):
        client.get_user_info(token, userinfo_endpoint=GAM_PASSWORD_GRANT_USERINFO_ENDPOINT)
    users.update(endpoint.gam, "ana", {"blocked": False})
    tokens.revoke(endpoint.gam, token.partition("!")[2][:12])
    with pytest.raises(GAMAuthenticationError, match="102"):
        client.get_user_info(token, userinfo_endpoint=GAM_PASSWORD_GRANT_USERINFO_ENDPOINT)
