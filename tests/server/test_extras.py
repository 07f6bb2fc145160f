"""Introspection, revocation and metadata, which `--extras` adds."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest

from gamcli.actions import Gam, apps, audit, key_changes, keys
from gamcli.errors import UsageError
from gamcli.server.endpoints.extras import parse_issuer
from gamcli.server.server import Server
from gamcli.server.transport.messages import Response
from gamcli.store.audit import AuditFilter
from tests.cases import for_each

Ask = Callable[..., Response]
Extra = Callable[..., Any]
BASE = "/oauth/gam/v2.0"


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve(extras=True, max_failures=2)


@pytest.fixture
def extra(ask: Ask, form: dict[str, str]) -> Extra:
    def send(name: str, token: str, **changes: str) -> Any:  # noqa: ANN401 - JSON
        sent = {"client_id": form["client_id"], "client_secret": form["client_secret"], "token": token, **changes}
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        response = ask("POST", f"{BASE}/{name}", urlencode(sent).encode(), fields)
        return json.loads(response.body) if response.status == 200 else response.status

    return send


@pytest.fixture
def token(post: Ask, gam: Gam) -> dict[str, Any]:
    apps.update(gam, "portal", {"token.renewals": 1})
    return dict(json.loads(post().body))


def userinfo(ask: Ask, token: dict[str, Any]) -> int:
    return ask("GET", f"{BASE}/userinfo", None, {"Authorization": token["access_token"]}).status


def test_an_active_token_has_its_times_and_its_user(
    extra: Extra, token: dict[str, Any], forward: Callable[[timedelta], None]
) -> None:
    found = extra("introspect", token["access_token"])
    assert found["active"] is True
    assert (found["exp"] - found["iat"], found["sub"]) == (3600, token["user_guid"])
    refresh = extra("introspect", token["refresh_token"])
    assert (refresh["active"], refresh["exp"] - found["iat"]) == (True, 30 * 24 * 3600)
    forward(timedelta(hours=1))
    assert extra("introspect", token["access_token"]) == {"active": False}
    assert extra("introspect", token["refresh_token"])["active"] is True


def test_a_token_whose_key_is_disabled_is_inactive(extra: Extra, token: dict[str, Any], gam: Gam) -> None:
    with keys.search(gam, keys.KeySearch()) as found:
        (key,) = found
    key_changes.disable(gam, key.id, None)
    for secret in (token["access_token"], token["refresh_token"]):
        assert extra("introspect", secret) == {"active": False}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revoked_token_ends_its_session_and_is_audited(
    extra: Extra, ask: Ask, gam: Gam, token: dict[str, Any], kind: str
) -> None:
    for _ in range(2):
        assert extra("revoke", token[kind]) == {}
    assert userinfo(ask, token) == 401
    assert extra("introspect", token["refresh_token"]) == {"active": False}
    with audit.search(gam, AuditFilter(action="token.revoke")) as entries:
        assert [json.loads(each.details) for each in entries] == [{"user": "ana", "app": "portal", "by": "client"}]


def test_a_refresh_token_revokes_an_expired_access_token_too(
    extra: Extra, token: dict[str, Any], forward: Callable[[timedelta], None]
) -> None:
    forward(timedelta(hours=2))
    assert extra("introspect", token["refresh_token"])["active"] is True
    extra("revoke", token["refresh_token"])
    assert extra("introspect", token["refresh_token"]) == {"active": False}


def test_wrong_secrets_count_as_failures(extra: Extra, token: dict[str, Any]) -> None:
    assert [extra("introspect", "x", client_secret="wrong") for _ in range(3)] == [401, 401, 429]
    assert extra("revoke", token["access_token"]) == 429


def test_a_request_without_token_or_with_malformed_credentials_is_refused(ask: Ask) -> None:
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, more, code in ((b"client_id=x", {}, 400), (b"token=x", {"Authorization": "Basic !"}, 401)):
        assert ask("POST", f"{BASE}/introspect", body, {**fields, **more}).status == code


def test_the_metadata_names_the_host_and_the_scheme_of_the_request(ask: Ask) -> None:
    for fields, issuer in (
        ({"Host": "gam.example.org"}, "http://gam.example.org"),
        ({"Host": "gam.example.org", "X-Forwarded-Proto": "https"}, "https://gam.example.org"),
        ({"Host": "127.0.0.1:1", "X-Forwarded-Proto": "javascript"}, "http://127.0.0.1:1"),
    ):
        found = json.loads(ask("GET", "/.well-known/oauth-authorization-server", None, fields).body)
        assert found["issuer"] == issuer
        assert found["token_endpoint"] == f"{issuer}{BASE}/access_token"


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server/MyApp", "/MyApp/.well-known/oauth-authorization-server"]
)
def test_the_metadata_spells_the_base_path_as_the_request_does(serve: Callable[..., Server], path: str) -> None:
    server = serve(extras=True, base_path="/MyApp")
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as client:
        client.request("GET", path, headers={"Host": "gam.example.org"})
        assert json.loads(client.getresponse().read())["issuer"] == "http://gam.example.org/MyApp"


@pytest.mark.parametrize(
    ("issuer", "base_path", "path"),
    [
        ("https://login.example.org", "", "/.well-known/oauth-authorization-server"),
        ("https://login.example.org/Gam", "/gam", "/.well-known/oauth-authorization-server/gam"),
        ("https://login.example.org/Gam", "/gam", "/gam/.well-known/oauth-authorization-server"),
        ("https://login.example.org/outer", "/inner", "/.well-known/oauth-authorization-server/outer"),
    ],
)
def test_a_fixed_issuer_is_independent_of_the_request(
    serve: Callable[..., Server], issuer: str, base_path: str, path: str
) -> None:
    server = serve(extras=True, issuer=issuer, base_path=base_path)
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as client:
        client.request("GET", path, headers={"Host": "evil.example.org", "X-Forwarded-Proto": "http"})
        found = json.loads(client.getresponse().read())
    assert (found["issuer"], found["token_endpoint"]) == (issuer, f"{issuer}{BASE}/access_token")


@for_each(
    ("text", "issuer"),
    [
        ("https://login.example.org", "https://login.example.org"),
        ("https://login.example.org:8443/gam/", "https://login.example.org:8443/gam"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]/gam", "http://[::1]/gam"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_an_issuer_is_https_or_on_this_machine(text: str, issuer: str) -> None:
    assert parse_issuer(text) == issuer


@for_each(
    ("text", "hint"),
    [
        ("http://login.example.org/gam", "--issuer https://login.example.org/gam"),
        *(
            (text, "use a URL without query and fragment, such as https://login.example.com/myapp")
            for text in (
                "login.example.org", "https://", "ftp://a", "https://a?b", "https://a#", "https://a/ b", "https://[::1",
                "https://a:x", "https://user@a", "https://é.example.org", "",
            )
        ),
    ],
)  # fmt: skip
def test_an_invalid_issuer_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_issuer(text)
    assert caught.value.hint == hint
