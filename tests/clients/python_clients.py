"""Run the flows of a Python library: `python python_clients.py NAME`; the credentials are JSON on stdin."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession  # type: ignore[import-untyped]
from httpx_oauth.oauth2 import BaseOAuth2, GetAccessTokenError, OAuth2Token, RefreshTokenError
from oauthlib.oauth2 import LegacyApplicationClient, OAuth2Error  # type: ignore[import-untyped]
from pygeai_gam import GAMClient  # type: ignore[import-untyped]
from pygeai_gam.endpoints import GAM_PASSWORD_GRANT_USERINFO_ENDPOINT  # type: ignore[import-untyped]
from pygeai_gam.exceptions import GAMAuthenticationError  # type: ignore[import-untyped]
from requests_oauthlib import OAuth2Session  # type: ignore[import-untyped]

Flow = Callable[[dict[str, str]], dict[str, Any]]


def key_form(held: dict[str, str]) -> dict[str, str]:
    return {"api_key": held["api_key"], "authentication_type_name": "apikey"}


def login_form(held: dict[str, str]) -> dict[str, str]:
    return {"username": held["username"], "password": held["password"], "authentication_type_name": "local"}


def requests_oauthlib(held: dict[str, str]) -> dict[str, Any]:
    def fetch(**form: str) -> tuple[OAuth2Session, Any]:
        session = OAuth2Session(client=LegacyApplicationClient(client_id=held["client_id"]))
        client = {"client_id": held["client_id"], "client_secret": held["client_secret"], "include_client_id": True}
        return session, session.fetch_token(held["token_url"], **{**client, "username": "ana", "password": "", **form})

    def refused(**form: str) -> str:
        try:
            fetch(**form)
        except OAuth2Error as error:
            return str(error.error)
        return "granted"

    session, by_key = fetch(**key_form(held))
    _, by_password = fetch(**login_form(held))
    client = {"client_id": held["client_id"], "client_secret": held["client_secret"]}
    renewed = session.refresh_token(held["token_url"], refresh_token=by_password["refresh_token"], **client)
    return {
        "key": by_key["token_type"],
        "password": by_password["token_type"],
        "refresh": renewed["refresh_token"][:3],
        "userinfo": session.get(held["claims_url"]).json()["email"],
        "errors": [refused(**key_form(held), client_secret="x"), refused(**{**key_form(held), "api_key": "x"})],
    }


def authlib(held: dict[str, str]) -> dict[str, Any]:
    def session(secret: str = held["client_secret"]) -> AuthlibSession:
        return AuthlibSession(held["client_id"], secret, token_endpoint=held["token_url"])

    def refused(secret: str, form: dict[str, str]) -> str:
        try:
            session(secret).fetch_token(grant_type="password", **form)
        except OAuthError as error:
            return str(error.error)
        return "granted"

    client = session()
    by_key = client.fetch_token(grant_type="password", **key_form(held))
    claims = client.get(held["claims_url"]).json()
    by_password = client.fetch_token(grant_type="password", **login_form(held))
    renewed = client.refresh_token(held["token_url"], by_password["refresh_token"])
    return {
        "key": by_key["token_type"],
        "password": by_password["token_type"],
        "refresh": renewed["refresh_token"][:3],
        "userinfo": claims["email"],
        "errors": [refused("x", key_form(held)), refused(held["client_secret"], {**key_form(held), "api_key": "x"})],
    }


def httpx_oauth(held: dict[str, str]) -> dict[str, Any]:
    """Add the password grant, which the library does not have, to its class."""

    class Client(BaseOAuth2[dict[str, str]]):
        async def grant(self, **form: str) -> OAuth2Token:
            async with self.get_httpx_client() as http:
                data = {"grant_type": "password", "client_id": self.client_id, "client_secret": self.client_secret}
                request = http.build_request("POST", self.access_token_endpoint, data={**data, **form})
                response = await self.send_request(http, request, None, exc_class=GetAccessTokenError)
                return OAuth2Token(self.get_json(response, exc_class=GetAccessTokenError))

    def client(secret: str = held["client_secret"]) -> Client:
        url = held["token_url"]
        return Client(held["client_id"], secret, url, url, url)

    async def refused(promise: Awaitable[object]) -> str:
        try:
            await promise
        except (GetAccessTokenError, RefreshTokenError) as error:
            return str(error.response.json()["error"] if error.response is not None else error)
        return "granted"

    async def run() -> dict[str, Any]:
        by_key = await client().grant(**key_form(held))
        by_password = await client().grant(**login_form(held))
        renewed = await client().refresh_token(by_password["refresh_token"])
        async with client().get_httpx_client() as http:
            headers = {"Authorization": f"Bearer {by_key['access_token']}"}
            claims = (await http.get(held["claims_url"], headers=headers)).json()
        return {
            "key": by_key["token_type"],
            "password": by_password["token_type"],
            "refresh": renewed["refresh_token"][:3],
            "userinfo": claims["email"],
            "errors": [
                await refused(client("x").grant(**key_form(held))),
                await refused(client().grant(**{**key_form(held), "api_key": "x"})),
            ],
        }

    return asyncio.run(run())


def pygeai_gam(held: dict[str, str]) -> dict[str, Any]:
    """Send no API key, which the library cannot; its errors are GAM's codes."""
    client = GAMClient(base_url=held["url"])
    ids = {"client_id": held["client_id"], "client_secret": held["client_secret"]}
    login = {**ids, "username": held["username"], "password": held["password"]}

    def refused(**changes: str) -> str:
        try:
            client.get_access_token(**{**login, **changes})
        except GAMAuthenticationError as error:
            return str(error.response.json()["error"]["code"])
        return "granted"

    by_password = client.get_access_token(**login)
    renewed = client.refresh_access_token(**ids, refresh_token=by_password["refresh_token"])
    claims = client.get_user_info(renewed["access_token"], userinfo_endpoint=GAM_PASSWORD_GRANT_USERINFO_ENDPOINT)
    return {
        "key": "not supported",
        "password": by_password["token_type"],
        "refresh": renewed["refresh_token"][:3],
        "userinfo": claims["email"],
        "errors": [refused(client_secret="x"), refused(password="x")],
    }


FLOWS: dict[str, Flow] = {
    "requests-oauthlib": requests_oauthlib,
    "Authlib": authlib,
    "httpx-oauth": httpx_oauth,
    "pygeai-gam": pygeai_gam,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(FLOWS[sys.argv[1]](json.load(sys.stdin))))
