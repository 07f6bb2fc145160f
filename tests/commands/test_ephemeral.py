"""`gamcli serve --ephemeral`, as a program: a real server over a store in memory."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gamcli.rules.credentials import mint_api_key

Run = Callable[..., Any]
Serve = Callable[..., tuple["subprocess.Popen[bytes]", dict[str, str]]]

EXCHANGE_SCRIPT = """
import json, os, urllib.parse, urllib.request
url = os.environ["GAM_URL"] + "/oauth/gam/v2.0/"
names = ("client_id", "client_secret", "api_key")
form = {"grant_type": "password", "authentication_type_name": "apikey",
    **{name: os.environ["GAM_" + name.upper()] for name in names}}
with urllib.request.urlopen(url + "access_token", urllib.parse.urlencode(form).encode()) as response:
    token = json.load(response)["access_token"]
request = urllib.request.Request(url + "userinfo", headers={"Authorization": token})
with urllib.request.urlopen(request) as response:
    print(json.load(response)["username"])
"""


@pytest.fixture
def serve(line: list[str], place: Path) -> Iterator[Serve]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> tuple["subprocess.Popen[bytes]", dict[str, str]]:
        pipe = subprocess.PIPE
        command = [*line, "serve", "--ephemeral", "--port", "0", "--ready-file", "ready.json", *words]
        running.append(subprocess.Popen(command, stdout=pipe, stderr=pipe))
        assert running[-1].stdout
        variables: dict[str, str] = {}
        while not (place / "ready.json").exists():
            assert running[-1].poll() is None, running[-1].communicate()
            os.sched_yield()
        os.set_blocking(running[-1].stdout.fileno(), False)
        for each in os.read(running[-1].stdout.fileno(), 65536).decode().splitlines():
            name, _, value = each.partition("=")
            (variables[name],) = shlex.split(value)
        return running[-1], variables

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def exchange(variables: dict[str, str]) -> str:
    command = [sys.executable, "-c", EXCHANGE_SCRIPT]
    return subprocess.run(command, env=variables, capture_output=True, check=True, timeout=30).stdout.decode().strip()


def test_an_ephemeral_server_leaves_no_files(serve: Serve, place: Path, file: Path) -> None:
    process, variables = serve()
    names = ["GAM_CLIENT_ID", "GAM_CLIENT_SECRET", "GAM_API_KEY", "GAM_USERNAME", "GAM_PASSWORD"]
    suffixes = ["PORTAL", "PORTAL", "ANA_PORTAL", "ANA", "ANA"]
    long_names = [f"{name}_{suffix}" for name, suffix in zip(names, suffixes, strict=True)]
    assert [*variables] == ["GAM_URL", *names, *long_names]
    assert variables["GAM_URL"] == json.loads((place / "ready.json").read_bytes())["url"]
    assert exchange(variables) == "ana"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert all(variables[name] not in err.decode() for name in ("GAM_CLIENT_SECRET", "GAM_API_KEY"))
    assert [each.name for each in place.iterdir()] == ["ready.json"]
    assert not file.exists()


def test_a_program_finds_the_credentials_in_its_environment(program: Run) -> None:
    ran = program("serve", "--ephemeral", "--port", "0", "--", sys.executable, "-c", EXCHANGE_SCRIPT)
    assert (ran.code, ran.out) == (0, "ana\n")
    assert "gamkey_" not in ran.err


def test_an_ephemeral_server_applies_a_seed(serve: Serve, place: Path) -> None:
    key = mint_api_key(os.urandom)[1].reveal()
    (place / "app.toml").write_text(
        '[app.shop]\nclient_id = "shop-client-0123456789-0123456789-0123"\n'
        'client_secret = "0123456789-$0123456789-0123456789-\'"\n'
        'scopes = ["gam_user_data"]\nremote_rest = true\napi_keys = { enabled = true }\n',
        encoding="utf-8",
    )
    (place / "eva.toml").write_text(
        f'[user.eva]\n[[key]]\nuser = "eva"\napp = "shop"\napi_key = "{key}"\n', encoding="utf-8"
    )
    _, variables = serve("--seed", "app.toml", "--seed", "eva.toml")
    assert variables["GAM_CLIENT_ID"] == "shop-client-0123456789-0123456789-0123"
    assert variables["GAM_CLIENT_SECRET"] == "0123456789-$0123456789-0123456789-'"
    assert variables["GAM_API_KEY"] == key
    assert exchange(variables) == "eva"


def test_problems_of_a_seed_are_reported_with_their_lines(gamcli: Run, place: Path) -> None:
    (place / "seed.toml").write_text('[app.shop]\nscope = "x"\n', encoding="utf-8")
    ran = gamcli("serve", "--ephemeral", "--seed", "seed.toml", "--ready-file", "ready.json")
    assert ran.code == 2
    assert "\nseed.toml:2: " in ran.err
    assert not (place / "ready.json").exists()


@pytest.mark.parametrize(
    "words",
    [["--store", "x.db", "serve", "--ephemeral"], ["serve", "--seed", "x.toml"], ["serve", "--ephemeral", "--seed"]],
    ids=str,
)
def test_contradicting_options_are_a_usage_error(gamcli: Run, words: list[str]) -> None:
    assert gamcli(*words).code == 2


REQUEST_SCRIPT = """
import json, os, urllib.error, urllib.parse, urllib.request
names = ("client_id", "client_secret", "api_key")
form = {"grant_type": "password", "authentication_type_name": "apikey",
    **{name: os.environ["GAM_" + name.upper()] for name in names}}
for _ in range(4):
    try:
        url = os.environ["GAM_URL"] + "/oauth/gam/v2.0/access_token"
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as response:
            print(response.status)
    except urllib.error.HTTPError as error:
        with error:
            print(error.code, error.headers["Retry-After"])
    except OSError as error:
        print(type(error).__name__)
"""
"""A client that prints its results."""

WITH_PROGRAM = ("--port", "0", "--", sys.executable, "-c", REQUEST_SCRIPT)


@pytest.mark.parametrize(
    ("faults", "fared"),
    [
        (["token=503:2x"], ["503 1", "503 1", "200", "200"]),
        (["token=429:1x", "userinfo=500", "latency=1ms"], ["429 1", "200", "200", "200"]),
        (["token=close:1x", "token=401:2x"], ["RemoteDisconnected", "401 None", "401 None", "200"]),
    ],
    ids=str,
)
def test_an_ephemeral_server_injects_faults(program: Run, faults: list[str], fared: list[str]) -> None:
    ran = program("serve", "--ephemeral", *(f"--fault={each}" for each in faults), *WITH_PROGRAM)
    assert (ran.code, ran.out.splitlines()) == (0, fared)
    assert "fault token" in ran.err


def test_random_faults_depend_on_the_seed(program: Run) -> None:
    words = ("serve", "--ephemeral", "--fault", "token=500:0.5")
    runs = [
        program(*words, *more, *WITH_PROGRAM).out for more in ((), (), ("--fault-seed", "0"), ("--fault-seed", "3"))
    ]
    assert runs[0] == runs[1] == runs[2] != runs[3]
    assert {"200", "500 None"} == {*runs[0].splitlines()}


def test_the_clock_of_an_ephemeral_server_can_be_stopped(program: Run, place: Path) -> None:
    (place / "seed.toml").write_text(
        '[app.shop]\nremote_rest = true\nscopes = ["gam_user_data"]\napi_keys = { enabled = true }\n[user.eva]\n'
        '[[key]]\nuser = "eva"\napp = "shop"\nexpires_in = "1h"\n',
        encoding="utf-8",
    )
    words = ("--now", "2031-01-01T00:00:00Z", "--seed", "seed.toml", "--journal", "journal.jsonl")
    ran = program("serve", "--ephemeral", *words, *WITH_PROGRAM)
    assert ran.out.splitlines() == ["200"] * 4
    assert ran.err.count("2031-01-01T00:00:00Z") == 4
    found = [json.loads(line) for line in (place / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {each["time"] for each in found} == {"2031-01-01T00:00:00Z"}


def test_a_journal_has_each_request_without_its_secrets(program: Run, place: Path) -> None:
    ran = program("serve", "--ephemeral", "--journal", "journal.jsonl", "--fault", "token=503:1x", *WITH_PROGRAM)
    assert ran.code == 0
    text = (place / "journal.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    assert [each["status"] for each in found] == [503, 200, 200, 200]
    assert {(each["method"], each["path"], each["grant"]) for each in found} == {
        ("POST", "/oauth/gam/v2.0/access_token", "api_key")
    }
    assert found[0]["detail"] == "fault token=503:1x"
    assert "gamkey_" not in text
    assert "gamsec_" not in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--fault", "token=503"], 2, "--fault requires --ephemeral"),
        (["--fault-seed", "1"], 2, "--fault-seed requires --ephemeral"),
        (["--now", "+1d"], 2, "--now requires --ephemeral"),
        (["--journal", "j"], 2, "--journal requires --ephemeral"),
        (["--ephemeral", "--fault", "tokn=503"], 2, "unknown endpoint 'tokn'"),
        (["--ephemeral", "--fault", "token=504"], 2, "invalid fault '504'"),
        (["--ephemeral", "--now", "tomorrow"], 2, "invalid time 'tomorrow'"),
        (["--ephemeral", "--journal", "missing/j"], 1, "cannot write the journal missing/j"),
        (["--ephemeral", "--journal", "seed.toml"], 5, "is not a journal"),
    ],
    ids=str,
)
def test_invalid_test_options_are_reported_before_listening(
    gamcli: Run, place: Path, words: list[str], code: int, message: str
) -> None:
    (place / "seed.toml").write_text("[app.shop]\n", encoding="utf-8")
    ran = gamcli("serve", "--port", "0", "--ready-file", "ready.json", *words)
    assert (ran.code, message in ran.err) == (code, True)
    assert ran.hint
    assert not (place / "ready.json").exists()
