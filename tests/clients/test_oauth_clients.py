"""Generic OAuth 2.0 clients with RFC 6749 errors: requests-oauthlib and Authlib."""

from collections.abc import Callable
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session as Authlib  # type: ignore[import-untyped]
from oauthlib.oauth2 import (  # type: ignore[import-untyped]
    InvalidClientError,
    InvalidGrantError,
    InvalidScopeError,
    LegacyApplicationClient,
    UnsupportedGrantTypeError,
)
from requests_oauthlib import OAuth2Session  # type: ignore[import-untyped]

Endpoint = Any


@pytest.fixture
def endpoint(serve: Callable[[str], Endpoint], monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    return serve("rfc6749")


@pytest.fixture
def oauthlib(endpoint: Endpoint) -> OAuth2Session:
    return OAuth2Session(client=LegacyApplicationClient(client_id=endpoint.client_id))


@pytest.fixture
def fetch(endpoint: Endpoint, oauthlib: OAuth2Session) -> Callable[..., Any]:
    refusal = {
        "token_url": endpoint.token_url,
        "username": "ana",
        "password": "",
        "client_id": endpoint.client_id,
        "client_secret": endpoint.client_secret,
        "include_client_id": True,
        "api_key": endpoint.api_key,
        "authentication_type_name": "apikey",
    }
    return lambda **more: oauthlib.fetch_token(**{**refusal, **more})


def test_oauthlib_trades_an_api_key_and_reads_claims(endpoint: Endpoint, oauthlib: OAuth2Session, fetch: Any) -> None:  # noqa: ANN401 - the fixture
    token = fetch()
    assert token["token_type"] == "Bearer"
    assert oauthlib.get(endpoint.claims_url).json()["email"] == "ana@example.org"


def test_oauthlib_authenticates_its_client_by_http_basic(endpoint: Endpoint, oauthlib: OAuth2Session) -> None:
    token = oauthlib.fetch_token(
        endpoint.token_url, username="ana", password=endpoint.password, client_secret=endpoint.client_secret,
        include_client_id=False, auth=(endpoint.client_id, endpoint.client_secret), authentication_type_name="local",
    )  # fmt: skip
    assert len(token["access_token"]) == 115


def test_oauthlib_renews_a_token(endpoint: Endpoint, oauthlib: OAuth2Session, fetch: Any) -> None:  # noqa: ANN401 - the fixture
    before = fetch()["access_token"]
    held = {"client_id": endpoint.client_id, "client_secret": endpoint.client_secret}
    after = oauthlib.refresh_token(endpoint.token_url, **held)
    assert after["access_token"] != before
    assert oauthlib.get(endpoint.claims_url).json()["username"] == "ana"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"api_key": "wrong"}, InvalidGrantError),
        ({"client_secret": "wrong"}, InvalidClientError),
        ({"scope": "openid"}, InvalidScopeError),
        ({"grant_type": "device"}, UnsupportedGrantTypeError),
    ],
)
def test_oauthlib_knows_each_refusal(oauthlib: OAuth2Session, fetch: Any, changes: Any, error: Any) -> None:  # noqa: ANN401 - as above
    if "grant_type" in changes:
        oauthlib._client.grant_type = changes.pop("grant_type")  # noqa: SLF001 - it has one grant
    with pytest.raises(error) as caught:
        fetch(**changes)
    assert caught.value.description


@pytest.fixture(params=["client_secret_basic", "client_secret_post"])
def authlib(endpoint: Endpoint, request: pytest.FixtureRequest) -> Authlib:
    return Authlib(
        endpoint.client_id,
        endpoint.client_secret,
        token_endpoint=endpoint.token_url,
        token_endpoint_auth_method=request.param,
    )


def test_authlib_trades_an_api_key_and_reads_claims(endpoint: Endpoint, authlib: Authlib) -> None:
    token = authlib.fetch_token(grant_type="password", api_key=endpoint.api_key, authentication_type_name="apikey")
    assert token["scope"] == "gam_user_data gam_user_roles"
    assert authlib.get(endpoint.claims_url).json()["roles"] == ["operator"]


def test_authlib_trades_a_password_and_renews_the_token(endpoint: Endpoint, authlib: Authlib) -> None:
    refusal = {"username": "ana", "password": endpoint.password, "authentication_type_name": "local"}
    token = authlib.fetch_token(grant_type="password", **refusal)
    earlier = token["refresh_token"]
    renewed = authlib.refresh_token(endpoint.token_url, earlier)
    assert renewed["refresh_token"][:3] == "002"
    last = authlib.refresh_token(endpoint.token_url, renewed["refresh_token"])
    assert last["refresh_token"] == renewed["refresh_token"], "Authlib keeps the last one when none is returned"
    assert authlib.get(endpoint.claims_url).json()["username"] == "ana"


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ({"grant_type": "password", "api_key": "wrong"}, "invalid_grant"),
        ({"grant_type": "password", "api_key": "wrong", "authentication_type_name": "apikey"}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password", "api_key": "wrong", "authentication_type_name": "nowhere"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "wrong"}, "invalid_grant"),
    ],
)
def test_authlib_knows_each_refusal(authlib: Authlib, refusal: dict[str, str], error: str) -> None:
    with pytest.raises(OAuthError) as caught:
        authlib.fetch_token(**refusal)
    assert caught.value.error == error
    assert caught.value.description


def test_authlib_is_reported_that_its_secret_is_wrong(endpoint: Endpoint) -> None:
    session = Authlib(endpoint.client_id, "wrong", token_endpoint=endpoint.token_url)
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(grant_type="password", api_key=endpoint.api_key, authentication_type_name="apikey")
