"""`gamcli try`: requests and responses with redacted secrets."""

import json
import os
import re
import subprocess
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

SECRETS = re.compile(r"gam(key|sec)_[0-9A-Za-z]|[0-9a-f-]{36}!")
FILES = ("--api-key-file", "my key", "--client-secret-file", "secret")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("GAM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def here(world: Run, api_key: str, place: Path) -> Run:
    (place / "my key").write_text(f"{api_key}\n", encoding="utf-8")
    (place / "secret").write_text(world("app", "rotate-secret", "portal", "--overlap", "0").out, encoding="utf-8")
    return world


@pytest.fixture
def there() -> Iterator[tuple[str, dict[str, str]]]:
    with Store.in_memory() as store:
        gam = Gam(store, now, os.urandom, "tester")
        repository.initialise(gam)
        held = example.create_example(gam)
        server = Server(gam, ServerOptions(log=lambda _: None, base_path="/shop"))
        thread = Thread(target=server.run)
        thread.start()
        yield server.url, {**held.environment_variables(), "GAM_URL": f"{server.url}/"}
        server.stop()
        thread.join()


@pytest.fixture
def endpoint_url(there: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in there[1].items():
        monkeypatch.setenv(name, value)
    return there[0]


def test_requests_and_responses_are_shown(here: Run) -> None:
    ran = here("try", "--app", "portal", "--user", "ana", *FILES)
    assert ran.code == 0
    assert not SECRETS.search(ran.out)
    lines = ran.out.splitlines()
    for expected in (
        "> POST /oauth/gam/v2.0/access_token HTTP/1.1",
        "> Content-Type: application/x-www-form-urlencoded",
        "< HTTP/1.1 200 OK",
        "> GET /oauth/gam/v2.0/userinfo HTTP/1.1",
        "> Authorization: Bearer <hidden>",
    ):
        assert expected in lines
    (sent,) = [line for line in lines if line.startswith("> grant_type")]
    assert sent.endswith("&username=ana&client_secret=<hidden>&api_key=<hidden>")
    assert any(line.startswith('< {"access_token":"<hidden>","token_type":"Bearer"') for line in lines)
    assert '"username":"ana"' in lines[-1]


def test_the_shown_request_is_the_sent_one(endpoint_url: str) -> None:
    del endpoint_url
    seen: list[tuple[dict[str, str], bytes]] = []

    class Listens(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    from gamcli.clients import exchange  # noqa: PLC0415 - beside its only use
    from gamcli.errors import FailedError  # noqa: PLC0415
    from gamcli.rules.credentials import Secret  # noqa: PLC0415

    proofs = (
        exchange.Credential("client_secret", Secret("s €"), "x"),
        exchange.Credential("api_key", Secret("k"), "y"),
    )
    exchanges: list[Any] = []
    with HTTPServer(("127.0.0.1", 0), Listens) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(FailedError):
            exchange.request_token(exchange.ExchangeSpec(url, url, "id", proofs, {}), exchanges)
        thread.join()
    ((fields, body),) = seen
    assert fields == exchanges[0].request.headers
    assert body == b"grant_type=password&client_id=id&client_secret=s+%E2%82%AC&api_key=k"


def test_the_token_in_the_local_store_is_revoked(here: Run) -> None:
    assert here("try", "--app", "portal", *FILES).code == 0
    assert here("token", "list", "--field", "status").out == "revoked\n"


def test_optional_parameters_are_sent(here: Run) -> None:
    ran = here(
        "try", "--app", "portal", *FILES, "--scope", "session_initial_prop", "--auth-type", "apikey", "-o", "json"
    )
    assert ran.code == 4
    found = json.loads(ran.out)
    assert [*found] == ["url", "granted", "message", "hint", "exchanges"]
    assert (found["granted"], found["message"]) == (False, "A requested scope exceeds those of the API key")
    (only,) = found["exchanges"]
    assert "&authentication_type_name=apikey&scope=session_initial_prop&" in only["request"]["body"]


def test_a_granted_exchange_is_a_record(here: Run) -> None:
    found = here("try", "--app", "portal", *FILES, "-o", "json").json
    assert (found["granted"], found["message"], found["hint"]) == (True, None, None)
    assert [each["request"]["method"] for each in found["exchanges"]] == ["POST", "GET"]
    assert [each["response"]["status"] for each in found["exchanges"]] == [200, 200]
    assert json.loads(found["exchanges"][1]["response"]["body"])["username"] == "ana"
    assert not SECRETS.search(json.dumps(found))


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (["user", "block", "ana"], "The user is blocked", "gamcli user unblock ana"),
        (["app", "disable", "portal"], "The application is disabled", "gamcli app enable portal"),
        (
            ["app", "rotate-secret", "portal", "--overlap", "0"],
            "The client_secret is wrong",
            "gamcli app rotate-secret portal --overlap 24h",
        ),
    ],
    ids=str,
)
def test_a_refusal_has_a_suggested_fix(here: Run, change: list[str], message: str, hint: str) -> None:
    assert here(*change).code == 0
    ran = here("try", "--app", "portal", *FILES)
    assert ran.code == 4
    assert "< HTTP/1.1 401 Unauthorized" in ran.out
    assert f"gamcli: refused: {message}\n" in ran.err
    assert f"gamcli: hint: {hint}" in ran.err


def test_a_malformed_key_gets_a_hint_to_inspect(here: Run, place: Path) -> None:
    (place / "my key").write_text("nonsense", encoding="utf-8")
    ran = here("try", "--app", "portal", *FILES)
    assert (ran.code, ran.hint) == (4, "gamcli key inspect --api-key-file FILE")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--app", "portal", *FILES, "--user", "nobody"], "the key belongs to user 'ana'"),
        (["--app", "portal", *FILES, "--user", "eva"], "the key belongs to user 'ana'"),
        (["--app", "portal", *FILES, "--scope", "session_initial_prop"], "gamcli key show {key}"),
        (["--app", "shop", *FILES[:3], "shop"], "the key belongs to application 'portal'"),
        (["--app", "closed", *FILES[:3], "closed"], "gamcli app enable closed"),
        (
            ["--app", "portal", FILES[0], "secret", FILES[2], "my key"],
            "the file my key contains an API key, not a client secret",
        ),
        (
            ["--app", "portal", FILES[0], "secret", *FILES[2:]],
            "the file secret contains a client secret, not an API key",
        ),
        (
            ["--app", "portal", "--user", "ana", *FILES[2:], "--password-file", "word"],
            "gamcli auth-type update local --enable",
        ),
        (
            ["--app", "portal", "--user", "ana", *FILES[2:], "--password-file", "word", "--auth-type", "local"],
            "gamcli auth-type update local --enable",
        ),
    ],
    ids=str,
)
def test_a_hint_explains_the_problem(here: Run, place: Path, words: list[str], hint: str) -> None:
    assert here("user", "create", "eva").code == 0
    (place / "word").write_text("correct horse battery\n", encoding="utf-8")
    for name in ("shop", "closed"):
        made = here("app", "create", name, "--scope", "gam_user_data", "--remote-rest", "--api-keys", "--out", name)
        assert made.code == 0
    assert here("app", "disable", "closed").code == 0
    ran = here("try", *words)
    assert (ran.code, ran.hint) == (4, hint.format(key=(place / "my key").read_text(encoding="utf-8")[7:15]))


def test_no_hint_about_objects_in_another_store(here: Run, endpoint_url: str, place: Path) -> None:
    del place
    assert here("app", "list").code == 0
    ran = here("try", "--url", endpoint_url, "--user", "nobody")
    assert (ran.code, "hint" in ran.err) == (4, False)
    ran = here("try", "--url", endpoint_url, *FILES[2:], "--api-key-file", "secret")
    assert ran.hint == "the file secret contains a client secret, not an API key"


def test_credentials_come_from_the_environment(gamcli: Run, endpoint_url: str) -> None:
    ran = gamcli("try", "-o", "json")
    assert ran.code == 0
    assert json.loads(ran.out)["url"] == endpoint_url
    assert not SECRETS.search(ran.out)
    assert ran.err == ""


def test_specific_variables_come_before_general_ones(
    gamcli: Run, endpoint_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, of in (("CLIENT_ID", "MY_APP"), ("CLIENT_SECRET", "MY_APP"), ("API_KEY", "ANA_MY_APP")):
        monkeypatch.setenv(f"GAM_{name}_{of}", os.environ[f"GAM_{name}"])
        monkeypatch.setenv(f"GAM_{name}", "wrong")
    assert gamcli("try", "--url", endpoint_url).code == 4
    ran = gamcli("try", "--url", endpoint_url, "--app", "my app", "--user", "ana")
    assert ran.code == 0
    assert '"$GAM_API_KEY_ANA_MY_APP"' in ran.out


def test_the_client_id_of_a_remote_application_may_come_from_the_local_store(
    here: Run, there: tuple[str, dict[str, str]], place: Path
) -> None:
    url, held = there
    (place / "my key").write_text(held["GAM_API_KEY"], encoding="utf-8")
    (place / "secret").write_text(held["GAM_CLIENT_SECRET"], encoding="utf-8")
    ran = here("try", "--url", url, "--app", "far", *FILES)
    assert (ran.code, ran.hint) == (2, "set GAM_CLIENT_ID")
    assert here("app", "create", "far", "--client-id", held["GAM_CLIENT_ID"]).code == 0
    assert here("try", "--url", url, "--app", "far", *FILES).code == 0
    assert here("try", "--url", url, *FILES).code == 2


def curl_lines(out: str) -> list[str]:
    found: list[str] = re.findall(r"^\$ (.*(?:\n    .*)*)", out, re.MULTILINE)
    return found


def test_the_curl_commands_do_the_same(gamcli: Run, endpoint_url: str, place: Path) -> None:
    (place / "my key").write_text(os.environ["GAM_API_KEY"] + "\n", encoding="utf-8")
    for words in ((), ("--api-key-file", "my key")):
        first, second = curl_lines(gamcli("try", "--user", "ana", "--scope", "gam_user_data", *words).out)
        assert endpoint_url in first
        answer = json.loads(subprocess.run(["sh", "-c", first], capture_output=True, check=True).stdout)
        environment = {**os.environ, "GAM_ACCESS_TOKEN": answer["access_token"]}
        claims = subprocess.run(["sh", "-c", second], capture_output=True, check=True, env=environment).stdout
        assert json.loads(claims)["username"] == "ana"


def test_a_secret_with_special_characters_works_in_curl(here: Run, serving: str, place: Path) -> None:
    odd = "0123456789\\\"'$HOME%s\\n&=+;#0123456789"
    (place / "secret").write_text(odd, encoding="utf-8")
    created = here(
        "app",
        "create",
        "odd",
        "--client-secret-file",
        "secret",
        "--scope",
        "gam_user_data",
        "--remote-rest",
        "--api-keys",
    )
    assert created.code == 0
    (place / "my key").write_text(here("key", "generate", "--user", "ana", "--app", "odd").out, encoding="utf-8")
    ran = here("try", "--app", "odd", "--url", serving, *FILES)
    assert ran.code == 0
    assert "HOME" not in ran.out
    first, _ = curl_lines(ran.out)
    assert "access_token" in json.loads(subprocess.run(["sh", "-c", first], capture_output=True, check=True).stdout)


@pytest.fixture
def serving(here: Run, file: Path) -> Iterator[str]:
    assert here("app", "list").code == 0
    with Store.open(file) as store:
        server = Server(Gam(store, now, os.urandom, "tester"), ServerOptions(log=lambda _: None))
        thread = Thread(target=server.run)
        thread.start()
        yield server.url
        server.stop()
        thread.join()


def test_curl_commands_use_the_configured_server(here: Run) -> None:
    assert here("config", "set", "serve.port", "8099").code == 0
    ran = here("try", "--app", "portal", *FILES)
    assert "http://127.0.0.1:8099/oauth/gam/v2.0/access_token" in curl_lines(ran.out)[0]
    assert "gamcli serve at http://127.0.0.1:8099" in ran.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--app", "portal"], 2),
        (["--app", "portal", "--client-secret-file", "secret"], 2),
        (["--app", "portal", *FILES, "--password-file", "secret"], 2),
        (["--app", "portal", "--client-secret-file", "secret", "--password-file", "secret"], 2),
        (["--app", "porta", *FILES], 3),
        ([*FILES], 2),
        (["--app", "portal", *FILES, "--url", "ftp://x"], 2),
        (["--app", "portal", *FILES, "--url", "http://127.0.0.1:1"], 1),
        (["--app", "portal", "--api-key-file", "none", "--client-secret-file", "secret"], 2),
    ],
    ids=str,
)
def test_invalid_usage_of_try_is_reported(here: Run, words: list[str], code: int) -> None:
    assert here("try", *words).code == code


def test_a_password_is_granted_too(here: Run, place: Path) -> None:
    (place / "password").write_text("correct horse battery\n", encoding="utf-8")
    assert here("auth-type", "update", "local", "--enable").code == 0
    assert here("user", "set-password", "ana", "--password-file", "password").code == 0
    words = ("--app", "portal", "--user", "ana", *FILES[2:], "--password-file", "password", "--auth-type", "local")
    ran = here("try", *words)
    assert ran.code == 0
    assert "correct" not in ran.out
    assert '"$(cat password)"' in ran.out


def test_a_password_is_sent_instead_of_a_key(here: Run, place: Path) -> None:
    (place / "password").write_text("correct horse\n", encoding="utf-8")
    ran = here("try", "--app", "portal", "--user", "ana", *FILES[2:], "--password-file", "password", "-o", "json")
    assert ran.code == 4
    body = json.loads(ran.out)["exchanges"][0]["request"]["body"]
    assert body.endswith("&username=ana&client_secret=<hidden>&password=<hidden>")


class Odd(BaseHTTPRequestHandler):
    """Echoes whatever it receives, and returns a token only once."""

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._tell({"access_token": 'zwq"e', "refresh_token": "ref", "heard": sent})

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"\x1b[31m{self.headers['Authorization']}".encode())

    def _tell(self, what: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("X-Heard", what["heard"].partition("\n")[0])
        self.end_headers()
        self.wfile.write(json.dumps(what).encode())

    def log_message(self, *_: object) -> None: ...


def test_secrets_in_responses_are_redacted(gamcli: Run, endpoint_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    del endpoint_url
    monkeypatch.setenv("GAM_CLIENT_SECRET", 'quo"te and blank')
    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("GAM_URL", f"http://127.0.0.1:{server.server_address[1]}")
        ran = gamcli("try")
        server.shutdown()
        thread.join()
    assert ran.code == 0, ran.err
    ran = ran._replace(out="\n".join(line for line in ran.out.splitlines() if line[:1] in "<>"))
    for secret in ("quo", "zwq", '"ref"', "gamkey_0", "\x1b"):
        assert secret not in ran.out, secret
    assert not SECRETS.search(ran.out)


@pytest.mark.parametrize(
    ("fault", "shown", "message", "hint"),
    [
        ("token=503", ["HTTP/1.1 503 Service Unavailable"], "The store is unavailable", "see the server's log"),
        ("userinfo=500", ["HTTP/1.1 200 OK", "HTTP/1.1 500 Internal Server Error"], "", "see the server's log"),
        (None, ["HTTP/1.1 404 Not Found"], "", "--url URL, including the base path"),
    ],
)
def test_the_transcript_is_shown_if_a_request_fails(
    program: Run, line: list[str], fault: str | None, shown: list[str], message: str, hint: str
) -> None:
    words = ["serve", "--ephemeral", "--port", "0", *(["--fault", fault] if fault else []), "--"]
    script = f'{" ".join(line)} "$@" {"" if fault else "--url $GAM_URL/none"}'
    ran = program(*words, "sh", "-c", script, "sh", "try")
    assert (ran.code, ran.out) == (1, "")
    before, error, after = ran.err.partition("gamcli: error: the endpoint returned: ")
    assert [each[2:] for each in before.splitlines() if each.startswith("< HTTP")] == shown
    assert before.count("$ printf") == len(shown)
    assert error
    assert after.startswith(message)
    assert after.splitlines()[1] == f"gamcli: hint: {hint}"
    assert not SECRETS.search(ran.err)
    ran = program(*words, "sh", "-c", script, "sh", "try", "-o", "json")
    assert (ran.code, ran.out) == (1, "")
    assert "< HTTP" not in ran.err


@pytest.mark.parametrize(("fault", "code"), [("userinfo=401", 4), ("token=key_expired", 4), ("userinfo=503", 1)])
def test_a_refusal_of_either_request_is_reported(program: Run, line: list[str], fault: str, code: int) -> None:
    ran = program("serve", "--ephemeral", "--port", "0", "--fault", fault, "--", *line, "try")
    assert ran.code == code
    assert ("HTTP/1.1 401" in ran.out) is (code == 4)
    assert ("gamcli: error: the endpoint returned: The store is unavailable\n" in ran.err) is (code == 1)


def test_a_key_and_a_client_secret_that_are_valid_only_for_days_are_reported(here: Run) -> None:
    words = ("try", "--app", "portal", "--user", "ana", *FILES)
    assert "warning" not in here(*words).err
    key = here("key", "list", "--field", "id").out.split()[-1]
    assert here("key", "rotate", key, "--overlap", "3d").code == 0
    assert here("app", "rotate-secret", "portal", "--overlap", "5d").code == 0
    warned = here(*words).err
    assert f"warning: key {key} of ana for portal is valid for only 2 days" in warned
    assert "client secret of application 'portal' was rotated; it is valid for only 4 days" in warned
