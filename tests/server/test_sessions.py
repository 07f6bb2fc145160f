"""Password and refresh grants over a real port."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import current_thread
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, auth_types, users
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret
from gamcli.server.server import Server
from gamcli.server.transport.messages import Response

Ask = Callable[..., Response]
PATH = "/oauth/gam/v2.0/access_token"
PASSWORD = "correct horse battery staple"
PROPERTIES = [{"Id": "Branch", "Value": "7"}]


@pytest.fixture
def login(gam: Gam, form: dict[str, str]) -> dict[str, str]:
    auth_types.update(gam, "local", {"enabled": True})
    edit = apps.ScopeEdit(add=("session_initial_prop",))
    apps.update(gam, "portal", {"token.renewals": 2}, edit)
    users.set_password(gam, "ana", Secret(PASSWORD))
    client = {name: form[name] for name in ("client_id", "client_secret")}
    return {
        **client,
        "grant_type": "password",
        "username": "ana",
        "password": PASSWORD,
        "authentication_type_name": "local",
        "initial_properties": json.dumps(PROPERTIES),
    }


@pytest.fixture
def send(ask: Ask, login: dict[str, str]) -> Ask:
    def sent(fields: dict[str, str] | None = None, **changes: str | None) -> Response:
        wanted = {name: value for name, value in {**login, **changes}.items() if value is not None}
        typed = {"Content-Type": "application/x-www-form-urlencoded", **(fields or {})}
        return ask("POST", PATH, urlencode(wanted).encode(), typed)

    return sent


@pytest.fixture
def renew(ask: Ask, login: dict[str, str]) -> Ask:
    def renewed(body: dict[str, Any], method: str = "POST", fields: dict[str, str] | None = None) -> Response:
        sent = renewal(login, body["refresh_token"])
        if fields:
            del sent["client_id"], sent["client_secret"]
        if method == "GET":
            return ask("GET", f"{PATH}?{urlencode(sent)}", None, fields)
        typed = {"Content-Type": "application/x-www-form-urlencoded", **(fields or {})}
        return ask("POST", PATH, urlencode(sent).encode(), typed)

    return renewed


def renewal(login: dict[str, str], token: str) -> dict[str, str]:
    client = {name: login[name] for name in ("client_id", "client_secret")}
    return {**client, "grant_type": "refresh_token", "refresh_token": token}


def granted(response: Response) -> dict[str, Any]:
    assert response.status == 200, response.body
    body: dict[str, Any] = json.loads(response.body)
    assert list(body) == ["access_token", "token_type", "expires_in", "refresh_token", "scope", "user_guid"]
    assert dict(response.fields)["Cache-Control"] == "no-store"
    return body


def refused(response: Response) -> tuple[str, int]:
    return json.loads(response.body)["error"]["code"], response.status


def test_a_login_without_a_type_uses_the_default_one(send: Ask, gam: Gam) -> None:
    assert granted(send(authentication_type_name=None))
    auth_types.set_default(gam, "apikey")
    assert refused(send(authentication_type_name=None)) == ("35", 401)


def test_a_password_is_hashed_where_it_blocks_nobody(send: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    verify, names = passwords.verify, []

    def noted(password: Secret, stored: str) -> bool:
        names.append(current_thread().name)
        return verify(password, stored)

    monkeypatch.setattr(passwords, "verify", noted)
    granted(send())
    assert names == ["worker"]


def test_of_many_who_renew_at_once_one_succeeds(send: Ask, server: Server, login: dict[str, str]) -> None:
    body = granted(send())
    target = f"{PATH}?{urlencode(renewal(login, body['refresh_token']))}"

    def asked(_: int) -> bytes:
        client = HTTPConnection("127.0.0.1", server.port, timeout=10)
        client.request("GET", target)
        with client.getresponse() as found:
            read_claims = found.read()
        client.close()
        return read_claims

    with ThreadPoolExecutor(8) as pool:
        answers = [*map(json.loads, pool.map(asked, range(8)))]
    won = [each for each in answers if "access_token" in each]
    assert len(won) == 1
    assert all(each["error"]["code"] == "101" for each in answers if each not in won)
    target = f"{PATH}?{urlencode(renewal(login, won[0]['refresh_token']))}"
    assert json.loads(asked(0))["error"]["code"] == "101"


def test_the_log_holds_neither_a_query_nor_a_secret(
    send: Ask, renew: Ask, lines: list[str], ask: Ask, login: dict[str, str]
) -> None:
    body = granted(send())
    renew(body, "GET")
    renew(body, "GET")
    ask("GET", f"{PATH}?{urlencode(login)}")
    read_claims = "\n".join(lines)
    assert "rule=refresh_used" in read_claims
    assert f"GET {PATH} 405" in read_claims
    for secret in (body["refresh_token"], login["client_secret"], PASSWORD, "%3A", "?"):
        assert secret not in read_claims


def test_who_guesses_passwords_or_refresh_tokens_has_to_wait(
    serve: Callable[..., Server], login: dict[str, str]
) -> None:
    server = serve(max_failures=3)
    client = HTTPConnection("127.0.0.1", server.port, timeout=10)
    codes = []
    guesses = ({**login, "password": "x"}, renewal(login, "x"), {**login, "username": "x"}, login)
    for guess in guesses:
        client.request("POST", PATH, urlencode(guess), {"Content-Type": "application/x-www-form-urlencoded"})
        with client.getresponse() as found:
            codes.append(json.loads(found.read())["error"]["code"])
    client.close()
    assert codes == ["11", "101", "11", "429"]


def test_a_second_use_counts_as_a_guess(serve: Callable[..., Server], login: dict[str, str]) -> None:
    server = serve(max_failures=1)
    client = HTTPConnection("127.0.0.1", server.port, timeout=10)

    def read_claims(sent: dict[str, str]) -> dict[str, Any]:
        client.request("POST", PATH, urlencode(sent), {"Content-Type": "application/x-www-form-urlencoded"})
        with client.getresponse() as found:
            body: dict[str, Any] = json.loads(found.read())
        return body

    again = renewal(login, read_claims(login)["refresh_token"])
    assert "access_token" in read_claims(again)
    assert read_claims(again)["error"]["code"] == "101"
    assert read_claims(login)["error"]["code"] == "429"
    client.close()
