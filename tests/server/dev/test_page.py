"""The page at `/` of an ephemeral server, over a real port and in a browser."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode, urlsplit

import pytest

from gamcli.actions import users
from gamcli.ephemeral import EphemeralOptions, EphemeralServer
from gamcli.server.dev.page import MAX_REQUESTS, is_direct
from gamcli.server.server import ServerOptions
from tests.cases import for_each

SECRETS = ("GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_PASSWORD")


@contextmanager
def opened(**options: bool) -> Iterator[EphemeralServer]:
    with EphemeralServer(
        ServerOptions(log=lambda _: None, max_failures=0, base_path="/app"),
        EphemeralOptions(**options),  # type: ignore[arg-type]
    ) as world:
        thread = Thread(target=world.server.run)
        thread.start()
        yield world
        world.server.stop()
        thread.join()


def fetch(world: EphemeralServer, path: str = "/", method: str = "GET", **fields: str) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", world.server.port, timeout=10)
    connection.request(method, path, headers=fields)
    with connection.getresponse() as response:
        text = response.read().decode()
    connection.close()
    return response, text


def exchange(world: EphemeralServer, **changes: str) -> None:
    names = ("client_id", "client_secret", "api_key")
    form = {name: world.credentials[f"GAM_{name.upper()}"] for name in names} | {"grant_type": "password"}
    form |= {"authentication_type_name": "apikey", **changes}
    connection = HTTPConnection("127.0.0.1", world.server.port, timeout=10)
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/app/oauth/gam/v2.0/access_token", urlencode(form), fields)
    connection.getresponse().read()
    connection.close()


def test_the_page_shows_what_was_refused_and_how_to_fix_it() -> None:
    with opened(has_control=True) as world:
        exchange(world)
        exchange(world, client_secret="<b>wrong</b>")
        users.update(world.gam, "ana", {"blocked": True})
        exchange(world)
        response, text = fetch(world)
        assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        for expected in ("portal", "ana@example.com", "blocked", "client_secret_wrong", "user_blocked"):
            assert expected in text
        assert "send the value of GAM_CLIENT_SECRET_PORTAL" in text
        assert "curl -X POST &quot;$GAM_CONTROL_URL/users/ana/unblock&quot;" in text
        assert [entry.rule for entry in world.journal] == ["", "client_secret_wrong", "user_blocked"], "no page itself"
        assert fetch(world, method="HEAD")[0].status == 200
        assert fetch(world, "/app/")[0].status == 404


def test_the_page_has_the_newest_requests() -> None:
    with opened() as world:
        for _ in range(MAX_REQUESTS + 5):
            fetch(world, "/app/healthz")
        assert fetch(world)[1].count("<code>GET healthz</code>") == MAX_REQUESTS


@pytest.mark.parametrize("shows_secrets", [False, True])
def test_the_page_has_secrets_only_if_asked_for(shows_secrets: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with opened(shows_secrets=shows_secrets) as world:
        text = fetch(world)[1]
        assert [world.credentials[name] in text for name in SECRETS] == [shows_secrets] * 3
        assert world.credentials["GAM_CLIENT_ID"] in text


def test_the_policy_allows_nothing_from_elsewhere() -> None:
    with opened() as world:
        response, text = fetch(world, Origin="http://evil.example")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "src=" not in text
    assert "http" not in text.partition("<body")[0].replace("http-equiv", "")


def test_a_name_that_another_site_can_have_is_refused() -> None:
    with opened(has_control=True) as world:
        assert fetch(world, Host="evil.example")[0].status == 404
        assert fetch(world, Host=f"localhost:{world.server.port}")[0].status == 200
        secret = urlsplit(world.credentials["GAM_CONTROL_URL"]).path
        assert fetch(world, f"{secret}/", Host="evil.example")[0].status == 404
        assert fetch(world, f"{secret}/")[0].status == 200


@for_each(
    ("host", "is_accepted"),
    [
        ("127.0.0.1:80", True), ("[::1]:8080", True), ("localhost", True), ("192.0.2.7", True),
        ("localhost.evil.example", False), ("", False), ("[", False), ("[::1", False), ("]]", False),
    ],
)  # fmt: skip
def test_a_host_is_an_address_or_localhost(host: str, is_accepted: bool) -> None:  # noqa: FBT001 - as above
    assert is_direct(host) is is_accepted


def test_there_are_no_buttons_without_control() -> None:
    with opened() as world:
        text = fetch(world)[1]
        assert 'data-control=""' in text
        assert "With --control, this page has buttons" in text


def test_a_browser_shows_the_buttons_and_reports_no_violation(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not here")
    with opened(has_control=True) as world:
        exchange(world, api_key="wrong")
        options = (
            "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
            "disable-component-update", "disable-sync", f"user-data-dir={tmp_path}",
            "enable-logging=stderr", "dump-dom",
        )  # fmt: skip
        url = f"http://127.0.0.1:{world.server.port}/"
        command = [browser, *(f"--{option}" for option in options), url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert '<section id="controls">' in done.stdout, "the script has run"
    assert "key_unproven" in done.stdout
    assert "Content Security Policy" not in done.stderr
