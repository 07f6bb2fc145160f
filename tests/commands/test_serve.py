"""`gamcli serve`, as a program."""

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

Run = Callable[..., Any]
Serve = Callable[..., tuple["subprocess.Popen[bytes]", str]]


@pytest.fixture
def serve(world: Run, line: list[str], place: Path) -> Iterator[Serve]:
    assert world("app", "list").code == 0
    running: list[subprocess.Popen[bytes]] = []

    def start(*words: str, ready: str = "ready.json", before: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - as Serve
        command = [*line, *before, "serve", "--port", "0", "--ready-file", ready, *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append(process)
        while not ((place / ready).exists() and json.loads((place / ready).read_bytes())["pid"] == process.pid):
            assert process.poll() is None, process.communicate()
            os.sched_yield()
        return process, json.loads((place / ready).read_bytes())["url"]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[bytes]", number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


def asked(url: str, path: str, form: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST" if form else "GET", urlsplit(url).path + path, urlencode(form or {}), fields)
    with connection.getresponse() as response:
        found = response.status, json.loads(response.read())
    connection.close()
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_stops_gracefully(serve: Serve, number: signal.Signals) -> None:
    process, url = serve()
    code, out, err = ended(process, number)
    assert (code, out) == (0, "")
    assert err == f"gamcli: serving {url}; press Ctrl-C to stop\ngamcli: stopped\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_workers_leave_the_signals_of_a_terminal_to_their_parent(serve: Serve, number: signal.Signals) -> None:
    process, url = serve("--workers", "2", "--drain", "60s")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text()
    for pid in (process.pid, *map(int, workers.split())):
        os.kill(pid, number)
    while asked(url, "/readyz")[0] == 200:
        sleep(0.05)
    assert children.read_text() == workers
    assert ended(process)[0] == 0


def test_a_server_under_nohup_outlives_its_terminal(serve: Serve) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process, url = serve()
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    assert asked(url, "/healthz")[0] == 200
    assert ended(process)[0] == 0


def test_a_draining_server_reports_it_in_readyz_and_a_second_signal_stops_it(serve: Serve, place: Path) -> None:
    process, url = serve("--drain", "60s", "--workers", "2", "--metrics", "127.0.0.1:0")
    assert asked(url, "/readyz") == (200, {"status": "ok"})
    process.send_signal(signal.SIGTERM)
    while asked(url, "/readyz")[0] == 200:
        sleep(0.05)
    assert asked(url, "/healthz")[0] == 200
    page = HTTPConnection(urlsplit(json.loads((place / "ready.json").read_bytes())["metrics"]).netloc, timeout=10)
    page.request("GET", "/metrics")
    with page.getresponse() as response:
        assert 'gamcli_requests_total{endpoint="healthz",status="200",rule=""} 1\n' in response.read().decode()
    page.close()
    assert ended(process)[0] == 0


def test_the_ready_file_replaces_an_older_one(serve: Serve, place: Path) -> None:
    (place / "ready.json").write_text('{"url": "old", "pid": 0}', encoding="utf-8")
    process, url = serve("--base-path", "/my/app/")
    assert json.loads((place / "ready.json").read_bytes()) == {"url": url, "pid": process.pid}
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/my/app")
    assert [each.name for each in place.iterdir()] == ["ready.json"]
    assert stat.S_ISREG((place / "ready.json").stat().st_mode)
    assert asked(url, "/oauth/gam/v2.0/userinfo")[0] == 401


@pytest.fixture
def form(world: Run, api_key: str) -> dict[str, str]:
    return {
        "grant_type": "password",
        "authentication_type_name": "apikey",
        "client_id": world("app", "show", "portal", "--field", "client_id").out.strip(),
        "client_secret": world("app", "rotate-secret", "portal", "--overlap", "0").out.strip(),
        "api_key": api_key,
    }


def test_a_key_is_exchanged_while_other_processes_write(
    serve: Serve, world: Run, program: Run, form: dict[str, str]
) -> None:
    process, url = serve()
    for number in range(3):
        assert program("user", "create", f"user{number}").code == 0
        status, token = asked(url, "/oauth/gam/v2.0/access_token", form)
        assert status == 200
        assert token["expires_in"] == 3600
    assert world("app", "show", "portal", "--field", "grants").out == "3\n"
    assert len(world("token", "list", "-o", "json").json) == 3
    assert program("user", "block", "ana").code == 0
    assert asked(url, "/oauth/gam/v2.0/access_token", form)[0] in (400, 401, 403)
    code, out, err = ended(process)
    assert (code, out) == (0, "")
    for told in (form["client_secret"], form["api_key"], token["access_token"]):
        assert told not in err


def test_requests_are_logged_in_the_chosen_format(serve: Serve) -> None:
    process, url = serve()
    asked(url, "/nowhere")
    (logged,) = [line for line in ended(process)[2].splitlines() if not line.startswith("gamcli: ")]
    assert "/nowhere" in logged
    assert "404" in logged
    process, url = serve("--log-format", "json", before=("--quiet",))
    asked(url, "/nowhere")
    _, _, err = ended(process)
    assert json.loads(err)["status"] == 404


def test_exit_code_1_for_a_port_in_use(world: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = world("serve", "--port", str(port))
    assert ran.code == 1
    assert str(port) in ran.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_listening_on_other_addresses_requires_tls(world: Run, host: str) -> None:
    ran = world("serve", "--port", "0", f"--host={host}")
    assert (ran.code, ran.hint) == (
        2,
        "--tls-cert FILE --tls-key FILE, or --allow-http behind a proxy that terminates TLS",
    )


def test_listening_on_other_addresses_can_be_allowed(serve: Serve) -> None:
    process, url = serve("--host", "0.0.0.0", "--allow-http")
    assert asked(url.replace("0.0.0.0", "127.0.0.1"), "/oauth/gam/v2.0/userinfo")[0] == 401
    assert ended(process)[0] == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--port", "65536"], 2),
        (["--port", "-1"], 2),
        (["--port", "x"], 2),
        (["--base-path", "myapp"], 2),
        (["--base-path", "/a b"], 2),
        (["--base-path", "/a?b"], 2),
        (["--base-path", "/a/../b"], 2),
        (["--base-path", "/a/."], 2),
        (["--base-path", "/a//b"], 2),
        (["--base-path", "/a//"], 2),
        (["--base-path", "//"], 2),
        (["--log-format", "xml"], 2),
        (["--format", "xml"], 2),
        (["--expired-status", "404"], 2),
        (["--max-failures", "-1"], 2),
        (["--cors-origin", "app.example.org"], 2),
        (["--cors-origin", ""], 2),
        (["--tls-cert", "cert.pem"], 2),
        (["--tls-key", "key.pem"], 2),
        (["--tls-cert", "nowhere.pem", "--tls-key", "nowhere.pem"], 2),
        (["--max-failures", "1001"], 2),
        (["--workers", "0"], 2),
        (["--drain", "5"], 2),
        (["--metrics", "9464"], 2),
        (["--metrics", "::1:9464"], 2),
        (["--metrics", "127.0.0.1:65536"], 2),
        (["--workers", "65"], 2),
        (["--engine", "threads"], 2),
        (["--port", "0", "--ready-file", "nowhere/ready.json"], 1),
    ],
    ids=str,
)
def test_options_that_are_invalid_are_refused(world: Run, words: list[str], code: int) -> None:
    assert world("serve", *words).code == code


def test_exit_code_8_without_a_store(gamcli: Run) -> None:
    ran = gamcli("serve", "--port", "0")
    assert ran.code == 8
    assert ran.hint.endswith(" init")


def test_the_address_may_come_from_settings(serve: Serve, world: Run, place: Path) -> None:
    for name, value in (("serve.base_path", "/set"), ("serve.log_format", "json"), ("serve.port", "1")):
        assert world("config", "set", "--project", name, value).code == 0
    process, url = serve()
    assert url.endswith("/set")
    assert (place / "gamcli.toml").exists()
    asked(url, "/nowhere")
    logged = [line for line in ended(process)[2].splitlines() if not line.startswith("gamcli: ")]
    assert [json.loads(line)["status"] for line in logged] == [404]


def test_the_format_may_have_its_earlier_name_or_come_from_settings(serve: Serve, world: Run) -> None:
    _, url = serve("--error-format", "rfc6749")
    assert asked(url, "/nowhere")[1]["error"] == "invalid_request"
    assert world("config", "set", "--project", "serve.error_format", "rfc6749").code == 0
    _, url = serve("--expired-status", "403")
    assert asked(url, "/nowhere")[1]["error"] == "invalid_request"


def test_ten_failures_are_allowed_by_default(serve: Serve, form: dict[str, str]) -> None:
    _, url = serve()
    wrong = {**form, "client_secret": "wrong"}
    statuses = [asked(url, "/oauth/gam/v2.0/access_token", wrong)[0] for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_allowed_origins_get_cors_headers(serve: Serve) -> None:
    _, url = serve("--cors-origin", "https://a.example.org", "--cors-origin", "https://b.example.org:8443")
    allowed = []
    for origin in ("https://a.example.org", "https://b.example.org:8443", "https://c.example.org"):
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.request("GET", "/healthz", headers={"Origin": origin})
        with connection.getresponse() as response:
            allowed.append(response.getheader("Access-Control-Allow-Origin"))
        connection.close()
    assert allowed == ["https://a.example.org", "https://b.example.org:8443", None]


def test_an_invalid_origin_is_refused(world: Run) -> None:
    ran = world("serve", "--port", "0", "--cors-origin", "https://a.example.org/shop")
    assert (ran.code, ran.hint) == (2, "--cors-origin https://a.example.org")


def test_a_server_with_a_certificate_may_listen_on_other_addresses(serve: Serve, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made, *named], check=True, capture_output=True)
    process, url = serve("--host", "0.0.0.0", "--tls-cert", str(cert), "--tls-key", str(key))
    assert url.startswith("https://127.0.0.1:")  # clients cannot connect to 0.0.0.0
    curl = ["curl", "-sS", "--cacert", str(cert), f"{url}/healthz"]
    assert subprocess.run(curl, capture_output=True, check=True).stdout == b'{"status":"ok"}'
    code, _, err = ended(process)
    assert (code, err.splitlines()[0]) == (0, f"gamcli: serving {url}; press Ctrl-C to stop")


def test_a_server_prunes_expired_tokens(serve: Serve, world: Run, token: str, sql: Run) -> None:
    sql(
        """INSERT INTO token SELECT id - 9000000000000, digest, user_guid, client_id, key, scopes, 1, 1, NULL, NULL
        FROM token"""
    )
    process, _ = serve("--prune-every", "1h")
    for _ in range(1000):
        if "token.prune" in world("audit", "list", "--field", "action").out:
            break
        sleep(0.01)
    assert ended(process)[0] == 0
    assert world("token", "list", "--field", "id").out == f"{token}\n"


def test_a_store_in_memory_is_not_pruned(gamcli: Run) -> None:
    found = gamcli("serve", "--ephemeral", "--prune-every", "1h")
    assert (found.code, found.hint) == (2, "use only one of them")


@pytest.mark.parametrize("words", [["--workers", "2"], ["--engine", "stdlib"]])
def test_every_kind_of_server_exchanges_a_key(
    serve: Serve, program: Run, form: dict[str, str], words: list[str]
) -> None:
    process, url = serve(*words)
    tokens = [asked(url, "/oauth/gam/v2.0/access_token", form) for _ in range(8)]
    assert {status for status, _ in tokens} == {200}
    assert program("key", "revoke", form["api_key"].split("_")[1]).code == 0
    assert {asked(url, "/oauth/gam/v2.0/access_token", form)[0] for _ in range(8)} == {401}
    code, _, err = ended(process)
    assert (code, err.splitlines()[-1]) == (0, "gamcli: stopped")


@pytest.mark.parametrize("words", [[], ["--ephemeral"]])
def test_the_removed_engine_has_a_hint(gamcli: Run, words: list[str]) -> None:
    found = gamcli("serve", "--engine", "fast", *words)
    assert (found.code, found.hint) == (2, "remove --engine; use --workers N to serve with several processes")
    assert "--engine" not in gamcli("serve", "--help").out


def test_a_port_without_its_option_is_not_taken_for_a_program(gamcli: Run) -> None:
    found = gamcli("serve", "8080")
    assert (found.code, found.hint) == (2, "--port 8080")


def test_an_ephemeral_server_has_one_process(gamcli: Run) -> None:
    found = gamcli("serve", "--ephemeral", "--workers", "2")
    assert (found.code, found.hint) == (2, "remove --workers or --ephemeral")


def test_workers_report_a_missing_store_once(gamcli: Run) -> None:
    found = gamcli("serve", "--workers", "2", "--port", "0")
    assert (found.code, found.err.count("does not exist")) == (8, 1)
