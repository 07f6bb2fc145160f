"""Password and refresh grants over a real port."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from threading import current_thread
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, auth_types, users
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints.refusals import ResponseFormat
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


def test_a_password_is_answered_as_a_key_is(send: Ask, ask: Ask, gam: Gam) -> None:
    body = granted(send())
    assert re.fullmatch(r"[0-9a-f-]{36}![0-9A-Za-z]{78}", body["access_token"])
    assert re.fullmatch(r"001[0-9A-Za-z]{36}", body["refresh_token"])
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["scope"] == "gam_user_data+gam_user_roles+session_initial_prop+user_team"
    assert body["user_guid"] == users.show(gam, "ana").guid
    claims = ask("GET", "/oauth/gam/v2.0/userinfo", None, {"Authorization": body["access_token"]})
    assert json.loads(claims.body)["initial_properties"] == PROPERTIES


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password": "wrong"}, ("11", 401)),
        ({"password": None}, ("11", 401)),
        ({"username": "nobody"}, ("11", 401)),
        ({"username": None}, ("11", 401)),
        ({"authentication_type_name": "apikey"}, ("35", 401)),
        ({"authentication_type_name": "ldap"}, ("240", 401)),
        ({"repository": "another"}, ("2", 401)),
        ({"scope": "user_nothing"}, ("235", 401)),
        ({"initial_properties": "x"}, ("400", 400)),
        ({"request_token_type": "Device"}, ("292", 400)),
        (
            {"request_token_type": "Web", "additional_parameters": "{", "unknown": "x", "username": "nobody"},
            ("11", 401),
        ),
    ],
)
def test_a_login_may_be_refused(send: Ask, changes: dict[str, str | None], expected: tuple[str, int]) -> None:
    assert refused(send(**changes)) == expected


def test_a_login_without_a_type_uses_the_default_one(send: Ask, gam: Gam) -> None:
    assert granted(send(authentication_type_name=None))
    auth_types.set_default(gam, "apikey")
    assert refused(send(authentication_type_name=None)) == ("35", 401)


def test_a_login_is_refused_by_the_state_of_its_user_and_its_application(send: Ask, gam: Gam) -> None:
    apps.update(gam, "portal", {"require_scope": True})
    assert refused(send()) == ("232", 401)
    users.set_password(gam, "ana", Secret(PASSWORD), must_change=True)
    assert refused(send()) == ("23", 401)
    users.update(gam, "ana", {"blocked": True})
    assert refused(send()) == ("10", 401)
    users.update(gam, "ana", {"enabled": False})
    assert refused(send()) == ("9", 401)


def test_a_password_expires(send: Ask, gam: Gam, forward: Callable[[timedelta], None]) -> None:
    users.set_password(gam, "ana", Secret(PASSWORD), expires=timedelta(days=1))
    assert send().status == 200
    forward(timedelta(days=1))
    assert refused(send()) == ("24", 401)


def test_a_password_is_hashed_where_it_blocks_nobody(send: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    verify, names = passwords.verify, []

    def noted(password: Secret, stored: str) -> bool:
        names.append(current_thread().name)
        return verify(password, stored)

    monkeypatch.setattr(passwords, "verify", noted)
    granted(send())
    assert names == ["worker"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_token_is_renewed_until_no_renewal_is_left(send: Ask, renew: Ask, method: str) -> None:
    first = granted(send(scope="user_email"))
    second = granted(renew(first, method))
    third = granted(renew(second, method))
    assert [body["refresh_token"][:3] for body in (first, second, third)] == ["001", "002", ""]
    assert {body["scope"] for body in (first, second, third)} == {"user_email"}


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_client_may_renew_with_http_basic(send: Ask, renew: Ask, login: dict[str, str], method: str) -> None:
    halves = urlencode({login["client_id"]: login["client_secret"]}).replace("=", ":")
    fields = {"Authorization": "Basic " + b64encode(halves.encode()).decode()}
    assert granted(renew(granted(send()), method, fields))["refresh_token"][:3] == "002"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_second_use_is_refused_and_ends_the_session(send: Ask, renew: Ask, ask: Ask, method: str) -> None:
    first = granted(send())
    second = granted(renew(first, method))
    assert refused(renew(first, method)) == ("101", 401)
    assert refused(renew(second, method)) == ("101", 401)
    for body in (first, second):
        read_claims = ask("GET", "/oauth/gam/v2.0/userinfo", None, {"Authorization": body["access_token"]})
        assert refused(read_claims) == ("102", 401)


def test_a_key_is_answered_with_a_refresh_token_where_renewals_are_allowed(
    login: dict[str, str], post: Ask, renew: Ask
) -> None:
    assert login
    body = granted(post())
    assert body["refresh_token"][:3] == "001"
    assert granted(renew(body))["refresh_token"][:3] == "002"


def test_no_renewal_is_left_when_the_application_takes_them_back(send: Ask, renew: Ask, gam: Gam) -> None:
    body = granted(send())
    apps.update(gam, "portal", {"token.renewals": 0})
    assert refused(renew(body)) == ("168", 401)


def test_refusals_are_reported_in_the_words_of_the_rfc(serve: Callable[..., Server], login: dict[str, str]) -> None:
    server = serve(response_format=ResponseFormat("rfc6749"))
    client = HTTPConnection("127.0.0.1", server.port, timeout=10)
    read_claims = []
    for changes in ({"password": "x"}, {"scope": "user_nothing"}, {"grant_type": "refresh_token"}):
        typed = {"Content-Type": "application/x-www-form-urlencoded"}
        client.request("POST", PATH, urlencode({**login, **changes}), typed)
        with client.getresponse() as found:
            read_claims.append((found.status, json.loads(found.read())["error"]))
    client.close()
    assert read_claims == [(400, "invalid_grant"), (400, "invalid_scope"), (400, "invalid_grant")]


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


@pytest.mark.parametrize("query", ["", "?grant_type=password", "?grant_type=password&api_key=x&password=y"])
def test_a_get_for_another_grant_is_asked_to_post(ask: Ask, login: dict[str, str], query: str) -> None:
    assert login
    response = ask("GET", PATH + query)
    assert (refused(response), dict(response.fields)["Allow"]) == (("405", 405), "POST")


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
