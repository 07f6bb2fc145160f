"""`gamcli run`, with tokens of the local store and of an endpoint."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gamcli.actions import Gam, example, repository
from gamcli.commands.context import now
from gamcli.server.server import Server, ServerOptions
from gamcli.store import Store

Run = Callable[..., Any]

PRINT_VARIABLES = "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('GAM_')}))"
PRINTING_PROGRAM = (sys.executable, "-c", PRINT_VARIABLES)


@pytest.fixture
def key_file(world: Run, api_key: str, place: Path) -> str:
    assert world("app", "list").code == 0
    (place / "key").write_text(f"{api_key}\n", encoding="utf-8")
    return "key"


@pytest.fixture
def there(place: Path) -> Iterator[tuple[str, example.Credentials]]:
    with Store.in_memory() as store:
        gam = Gam(store, now, os.urandom, "tester")
        repository.initialise(gam)
        held = example.create_example(gam)
        (place / "there").write_text(held.api_key.reveal(), encoding="utf-8")
        server = Server(gam, ServerOptions(log=lambda _: None, base_path="/shop"))
        thread = Thread(target=server.run)
        thread.start()
        yield server.url, held
        server.stop()
        thread.join()


def test_a_program_gets_a_token_that_is_revoked_afterwards(world: Run, program: Run, key_file: str) -> None:
    names = ("GAM_API_KEY", "GAM_API_KEY_ANA_PORTAL", "GAM_CLIENT_SECRET", "GAM_CLIENT_SECRET_PORTAL")
    secrets = dict.fromkeys(names, "gamkey_x")
    ran = program(
        "run", "--app", "portal", "--api-key-file", key_file, "--", *PRINTING_PROGRAM, env={**os.environ, **secrets}
    )
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert [*found] == ["GAM_ACCESS_TOKEN"]
    (token,) = world("token", "list", "-o", "json").json
    assert f"!{token['id']}" in found["GAM_ACCESS_TOKEN"]
    assert token["status"] == "revoked"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{key:.20}", "gamcli key inspect --api-key-file FILE"),
        ("{secret}", "gamcli key inspect --api-key-file FILE"),
        ("{other}", "gamcli key show {id}"),
    ],
)
def test_a_key_of_another_type_gets_a_hint(world: Run, api_key: str, place: Path, text: str, hint: str) -> None:
    secret = world("app", "create", "shop", "--scope", "gam_user_data", "--remote-rest", "--api-keys").out.strip()
    other = world("key", "generate", "--user", "ana", "--app", "shop").out.strip()
    (place / "key").write_text(text.format(key=api_key, secret=secret, other=other), encoding="utf-8")
    ran = world("run", "--app", "portal", "--api-key-file", "key", "--", "true")
    assert (ran.code, ran.hint) == (4, hint.format(id=other[7:15]))


def test_the_token_is_valid_while_the_program_runs(world: Run, program: Run, key_file: str, line: list[str]) -> None:
    assert world("app", "list").code == 0
    script = f"{' '.join(line)} token list --field status; exit 9"
    ran = program("run", "--app", "portal", "--api-key-file", key_file, "--", "sh", "-c", script)
    assert (ran.code, ran.out) == (9, "active\n")
    assert world("token", "list", "--field", "status").out == "revoked\n"


def test_the_token_is_revoked_after_a_signal(world: Run, key_file: str, line: list[str]) -> None:
    words = ["run", "--app", "portal", "--api-key-file", key_file, "--", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen([*line, *words], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert world("token", "list", "--field", "status").out == "revoked\n"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (["user", "block", "ana"], "user 'ana' is blocked"),
        (["app", "disable", "portal"], "application 'portal' is disabled"),
        (["app", "update", "portal", "--no-remote-rest"], "does not allow remote REST"),
        (["key", "revoke", "--api-key-file", "key"], "the API key was revoked"),
    ],
    ids=str,
)
def test_a_refusal_has_the_message_of_its_rule(world: Run, key_file: str, change: list[str], rule: str) -> None:
    assert world(*change).code == 0
    ran = world("run", "--app", "portal", "--api-key-file", key_file, "--", "touch", "ran")
    assert ran.code == 4
    assert rule in ran.err
    assert not Path("ran").exists()


def test_a_key_of_another_application_is_refused(world: Run, key_file: str) -> None:
    assert world("app", "create", "shop", "--remote-rest", "--api-keys", "--api-key-timeout", "1").code == 0
    assert world("run", "--app", "shop", "--api-key-file", key_file, "--", "true").code == 4
    assert world("run", "--app", "nope", "--api-key-file", key_file, "--", "true").code == 3
    Path("key").write_text("gamkey_none", encoding="utf-8")
    assert world("run", "--app", "portal", "--api-key-file", key_file, "--", "true").code == 4


def test_no_token_is_issued_for_a_missing_program(world: Run, key_file: str) -> None:
    assert world("run", "--app", "portal", "--api-key-file", key_file, "--", "no-such-program").code == 127
    assert world("token", "list", "-o", "json").json == []
    assert world("run", "--app", "portal", "--api-key-file", key_file).code == 2


def test_a_key_is_exchanged_at_an_endpoint(program: Run, there: tuple[str, example.Credentials]) -> None:
    url, held = there
    given = {"GAM_CLIENT_ID": held.client_id, "GAM_CLIENT_SECRET": held.client_secret.reveal()}
    words = ("run", "--app", "portal", "--api-key-file", "there", "--url", f"{url}/", "--", *PRINTING_PROGRAM)
    ran = program(*words, env={**os.environ, **given})
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert {*found} == {"GAM_ACCESS_TOKEN", "GAM_CLIENT_ID", "GAM_URL"}
    assert found["GAM_URL"] == url


def test_the_client_id_may_come_from_the_local_store(
    world: Run, program: Run, there: tuple[str, example.Credentials], place: Path
) -> None:
    assert world("app", "list").code == 0
    url, held = there
    (place / "secret").write_text(held.client_secret.reveal(), encoding="utf-8")
    created = world("app", "create", "far", "--client-id", held.client_id, "--client-secret-file", "secret")
    assert created.code == 0
    words = ("run", "--app", "far", "--api-key-file", "there", "--url", url, "--client-secret-file", "secret")
    assert program(*words, "--", "sh", "-c", 'test -n "$GAM_ACCESS_TOKEN"').code == 0


def test_the_request_names_the_authentication_type(
    gamcli: Run, there: tuple[str, example.Credentials], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, held = there
    monkeypatch.setenv("GAM_CLIENT_SECRET", held.client_secret.reveal())
    monkeypatch.setenv("GAM_CLIENT_ID", held.client_id)
    words = ("run", "--app", "portal", "--api-key-file", "there", "--auth-type", "staff")
    ran = gamcli(*words, "--url", url, "--", "true")
    assert (ran.code, "No authentication type has this name" in ran.err) == (4, True)
    ran = gamcli(*words, "--", "true")
    assert (ran.code, "--auth-type requires --url" in ran.err) == (2, True)


def test_exit_code_4_if_the_endpoint_refuses(
    gamcli: Run, there: tuple[str, example.Credentials], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, held = there
    words = ("run", "--app", "portal", "--api-key-file", "there", "--url")
    assert gamcli(*words, url, "--", "true").hint == "--client-secret-file FILE, or set GAM_CLIENT_SECRET"
    monkeypatch.setenv("GAM_CLIENT_SECRET", "wrong")
    assert gamcli(*words, url, "--", "true").hint == "set GAM_CLIENT_ID"
    monkeypatch.setenv("GAM_CLIENT_ID", held.client_id)
    ran = gamcli(*words, url, "--", "true")
    assert (ran.code, ran.err) == (4, "gamcli: error: the endpoint returned: The client_secret is wrong\n")
    assert gamcli(*words, f"{url}/nowhere", "--", "true").code == 1
    assert gamcli(*words, "http://127.0.0.1:1", "--", "true").code == 1
    for wrong in ("example.com", "ftp://example.com", "http://", "http://x:y", "http://u:p@x", "http://x?y"):
        assert gamcli(*words, wrong, "--", "true").code == 2


class Odd(BaseHTTPRequestHandler):
    """Sends responses that gamcli never sends; the path selects one."""

    def do_POST(self) -> None:
        _, status, text, *_ = self.path.split("/")
        self.send_response(int(status))
        self.send_header("Location", "/200/{}")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        ('400/{"error":"invalid_client","error_description":"Who."}', 4, "returned: Who\n"),
        ('401/{"error":"invalid_client"}', 4, "returned: invalid_client\n"),
        ("401/[]", 4, "returned: status 401 without an error message\n"),
        ("307/", 1, "the endpoint redirects to /200/{}\n"),
        ("503/x", 1, "status 503 without an error message\n"),
        ('200/{"access_token":1}', 1, "status 200 without an error message\n"),
    ],
)  # fmt: skip
def test_unexpected_responses_are_reported(
    gamcli: Run, place: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, message: str
) -> None:
    (place / "key").write_text("gamkey_x", encoding="utf-8")
    monkeypatch.setenv("GAM_CLIENT_ID", "client")
    monkeypatch.setenv("GAM_CLIENT_SECRET", "secret")
    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{answer}"
        ran = gamcli("run", "--app", "portal", "--api-key-file", "key", "--url", url, "--", "true")
        thread.join()
    assert ran.code == code
    assert message in ran.err


def test_a_key_that_expires_soon_is_reported(world: Run, program: Run, place: Path) -> None:
    for lifetime, warns in (("13d", True), ("20d", False)):
        words = ("key", "generate", "--user", "ana", "--app", "portal", "--replace", "--expires-in", lifetime)
        (place / "soon").write_text(world(*words).out, encoding="utf-8")
        ran = program("run", "--app", "portal", "--api-key-file", "soon", "--", "true")
        assert ran.code == 0
        assert ("of ana for portal is valid for only 12 days" in ran.err) is warns
