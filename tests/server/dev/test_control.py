"""The control API, over a real port."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from importlib import import_module
from threading import Thread
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from gamcli.ephemeral import EphemeralOptions, EphemeralServer
from gamcli.server.dev.control import ROUTES
from gamcli.server.server import ServerOptions

TOKEN = "/app/oauth/gam/v2.0/access_token"
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def world() -> Iterator[EphemeralServer]:
    options = ServerOptions(log=lambda _: None, base_path="/app", max_failures=0)
    with EphemeralServer(options, EphemeralOptions(has_control=True, faults=["token=503:1x"])) as world:
        thread = Thread(target=world.server.run)
        thread.start()
        yield world
        world.server.stop()
        thread.join()


@pytest.fixture
def ask(world: EphemeralServer) -> Iterator[Ask]:
    connection = HTTPConnection("127.0.0.1", world.server.port, timeout=10)
    base = urlsplit(world.credentials["GAM_CONTROL_URL"]).path

    def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection.request(method, f"{base}/{path}", None if body is None else json.dumps(body))
        with connection.getresponse() as response:
            return response.status, json.loads(response.read())

    yield ask
    connection.close()


def send(
    world: EphemeralServer, method: str, path: str, form: dict[str, str] | None = None, token: str = ""
) -> tuple[int, Any]:
    fields = {"Content-Type": "application/x-www-form-urlencoded"} if form else {"Authorization": token}
    with closing(HTTPConnection("127.0.0.1", world.server.port, timeout=10)) as connection:
        connection.request(method, path, urlencode(form) if form else None, fields)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def exchange(world: EphemeralServer) -> Callable[..., int]:
    def exchange(**changes: str) -> int:
        names = {"client_id", "client_secret", "api_key"}
        form = {name: world.credentials[f"GAM_{name.upper()}"] for name in names} | {"grant_type": "password"}
        form |= {"authentication_type_name": "apikey", **changes}
        return send(world, "POST", TOKEN, form)[0]

    return exchange


def test_the_journal_shows_each_request_and_the_rule_that_refused_it(ask: Ask, exchange: Callable[..., int]) -> None:
    assert [exchange(), exchange(), exchange(api_key="wrong")] == [503, 200, 401]
    status, found = ask("GET", "journal")
    assert status == 200
    assert [(each["status"], each["rule"]) for each in found] == [(503, "store_gone"), (200, ""), (401, "key_unproven")]
    assert ask("DELETE", "journal") == (200, [])
    assert ask("GET", "journal") == (200, [])


def test_the_clock_is_set_moved_stopped_and_started(ask: Ask) -> None:
    assert ask("POST", "clock", {"set": "2031-01-01T00:00:00Z", "stop": True}) == (
        200,
        {"now": "2031-01-01T00:00:00Z", "running": False},
    )
    assert ask("POST", "clock", {"forward": "2h"})[1]["now"] == "2031-01-01T02:00:00Z"
    assert ask("POST", "clock", {"forward": "-1h"})[1]["now"] == "2031-01-01T01:00:00Z"
    assert ask("POST", "clock", {"run": True})[1]["running"] is True
    assert ask("GET", "clock")[1]["now"].startswith("2031-01-01T01:00:0")


def test_keys_expire_by_the_clock(ask: Ask, exchange: Callable[..., int]) -> None:
    ask("DELETE", "faults")
    assert exchange() == 200
    ask("POST", "clock", {"forward": "91d"})
    assert exchange() == 401
    assert ask("GET", "journal")[1][-1]["rule"] == "key_expired"


def test_faults_are_added_listed_and_removed(ask: Ask, exchange: Callable[..., int]) -> None:
    assert ask("GET", "faults") == (200, ["token=503:1x"])
    assert ask("DELETE", "faults") == (200, [])
    assert ask("POST", "faults", {"faults": ["token=429:1x", "latency=1ms"]}) == (200, ["token=429:1x", "latency=1ms"])
    assert [exchange(), exchange()] == [429, 200]
    status, body = ask("POST", "faults", {"fault": "token=777"})
    assert (status, body["error"]["code"]) == (400, "usage")
    assert body["error"]["hint"].startswith("one of: ")


def test_a_reset_restores_store_clock_faults_and_journal(ask: Ask, exchange: Callable[..., int]) -> None:
    assert [exchange(), exchange()] == [503, 200]
    key = ask("GET", "journal")[1][-1]["key"]
    assert ask("POST", f"keys/{key}/revoke", {"reason": "leaked"}) == (
        200,
        {"id": key, "status": "revoked", "enabled": True},
    )
    assert exchange() == 401
    ask("POST", "clock", {"set": "2040-01-01T00:00:00Z"})
    assert ask("POST", "reset")[0] == 200
    assert ask("GET", "journal") == (200, [])
    assert not ask("GET", "clock")[1]["now"].startswith("2040")
    assert [exchange(), exchange()] == [503, 200]


def test_a_token_of_before_the_reset_is_unknown_after_it(ask: Ask, world: EphemeralServer) -> None:
    ask("DELETE", "faults")
    names = {"client_id", "client_secret", "api_key"}
    form = {name: world.credentials[f"GAM_{name.upper()}"] for name in names} | {"grant_type": "password"}
    token = send(world, "POST", TOKEN, form | {"authentication_type_name": "apikey"})[1]["access_token"]
    userinfo = "/app/oauth/gam/v2.0/userinfo"
    assert [send(world, "GET", userinfo, token=token)[0] for _ in range(2)] == [200, 200]
    ask("POST", "reset")
    assert send(world, "GET", userinfo, token=token)[0] == 401


def test_a_manifest_is_applied_and_its_credentials_returned(ask: Ask, exchange: Callable[..., int]) -> None:
    ask("DELETE", "faults")
    status, found = ask("POST", "apply", {"manifest": '[user.eva]\n[[key]]\nuser = "eva"\napp = "portal"\n'})
    assert status == 200
    assert exchange(api_key=found["GAM_API_KEY_EVA_PORTAL"]) == 200
    status, body = ask("POST", "apply", {"manifest": "[user.eva]\nemial = 'x'\n"})
    assert (status, body["error"]["code"]) == (400, "faults")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_manifest_can_be_larger_than_other_bodies(world: EphemeralServer, ask: Ask, is_chunked: bool) -> None:  # noqa: FBT001
    base = urlsplit(world.credentials["GAM_CONTROL_URL"]).path

    def send_manifest(path: str, size: int) -> tuple[int, Any]:
        body = json.dumps({"manifest": "[user.eva]\n" + "#" * size}).encode()
        with closing(HTTPConnection("127.0.0.1", world.server.port, timeout=10)) as connection:
            with suppress(ConnectionError):  # answered before the whole body was sent
                connection.request("POST", path, iter([body]) if is_chunked else body, encode_chunked=is_chunked)
            response = connection.getresponse()
            return response.status, json.loads(response.read()).get("error", {}).get("message")

    assert send_manifest(f"{base}/apply", 900_000)[0] == 200
    assert ask("POST", "users/eva/block")[0] == 200
    for size in (1_100_000, 20_000_000):
        assert send_manifest(f"{base}/apply", size) == (413, "The manifest is larger than 1 MiB.")
    for path in (f"{base}/keys", "/_gamcli/guess/apply", TOKEN):
        assert send_manifest(path, 20_000) == (413, "The body is larger than 16 KiB.")


def test_keys_are_issued_disabled_and_enabled(ask: Ask, exchange: Callable[..., int]) -> None:
    ask("DELETE", "faults")
    status, issued = ask("POST", "keys", {"user": "ana", "app": "portal", "replace": True, "expires_in": "2h"})
    assert status == 200
    assert exchange(api_key=issued["api_key"]) == 200
    assert ask("POST", f"keys/{issued['id']}/disable")[1]["enabled"] is False
    assert exchange(api_key=issued["api_key"]) == 401
    assert ask("POST", f"keys/{issued['id']}/enable")[1]["enabled"] is True
    assert exchange(api_key=issued["api_key"]) == 200


def test_users_and_applications_change_their_state(ask: Ask, exchange: Callable[..., int]) -> None:
    ask("DELETE", "faults")
    assert ask("POST", "users/ana/block") == (200, {"name": "ana", "enabled": True, "blocked": True})
    assert exchange() == 401
    assert ask("POST", "users/ana/unblock")[1]["blocked"] is False
    assert ask("POST", "apps/portal/disable") == (200, {"name": "portal", "enabled": False})
    assert exchange() == 401
    assert ask("POST", "apps/portal/enable")[1]["enabled"] is True
    secret = ask("POST", "apps/portal/rotate-secret")[1]["client_secret"]
    assert [exchange(), exchange(client_secret=secret)] == [401, 200]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "nowhere", None, 404, "not_found"),
        ("PUT", "clock", None, 404, "not_found"),
        ("POST", "clock", {"to": 1}, 400, "usage"),
        ("POST", "clock", [], 400, "usage"),
        ("POST", "clock", {"set": "soon"}, 400, "usage"),
        ("POST", "apply", {"toml": ""}, 400, "usage"),
        ("POST", "keys", {"user": "ana"}, 400, "usage"),
        ("POST", "keys", {"user": "ana", "app": "portal"}, 409, "conflict"),
        ("POST", "keys/zzzzzzzz/revoke", {}, 404, "not_found"),
        ("POST", "users/eva/block", {}, 404, "not_found"),
        ("POST", "users/ana/ban", {}, 404, "not_found"),
        ("POST", "apps/portal/ban", {}, 404, "not_found"),
    ],
)
def test_mistakes_are_reported_with_a_hint(
    ask: Ask, method: str, path: str, body: object, status: int, code: str
) -> None:
    found, answer = ask(method, path, body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert answer["error"]["hint"]


def test_without_the_secret_there_is_no_control_api(world: EphemeralServer) -> None:
    for path in ("/_gamcli/journal", "/_gamcli/guess/journal", "/app/_gamcli/journal"):
        assert send(world, "GET", path)[0] == 404


def test_the_openapi_document_is_valid_and_lists_every_route(ask: Ask) -> None:
    document = ask("GET", "openapi.json")[1]
    import_module("openapi_spec_validator").validate(document)  # takes long
    listed = {(method.upper(), path[1:]) for path, methods in document["paths"].items() for method in methods}
    assert listed == {(route.method, route.path) for route in ROUTES}


SEED_WITH_ANY_TEXT_AS_KEY = """
[app.shop]
client_id = "shop"
client_secret = "shop-secret"
scopes = ["gam_user_data"]
remote_rest = true
api_keys = { enabled = true }
[user.ana]
[[key]]
user = "ana"
app = "shop"
api_key = "key/of ana"
"""


def test_a_key_without_the_format_of_gamcli_has_an_id_in_the_journal_and_is_revoked_by_its_text(
    ask: Ask, exchange: Callable[..., int]
) -> None:
    ask("DELETE", "faults")
    ask("POST", "apply", {"manifest": SEED_WITH_ANY_TEXT_AS_KEY})
    shop = {"client_id": "shop", "client_secret": "shop-secret"}
    revoked = ask("POST", f"keys/{quote('key/of ana', safe='')}/revoke")
    assert revoked[0] == 200
    assert exchange(**shop, api_key="key/of ana") == 401
    assert exchange(**shop, api_key="key of nobody") == 401
    entries = [(each["rule"], each["key"]) for each in ask("GET", "journal")[1]]
    key = revoked[1]["id"]
    assert entries == [("key_revoked", key), ("key_unproven", "")]
    assert len(key) == 8
