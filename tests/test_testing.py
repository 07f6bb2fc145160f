"""The fixture `gam_server` in separate pytest runs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MANY = """
import json
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen
import pytest

def status(server, **changes):
    form = {name: getattr(server, name) for name in ("client_id", "client_secret", "api_key")} | changes
    form["grant_type"] = "password"
    try:
        with urlopen(server.url + "/oauth/gam/v2.0/access_token", urlencode(form).encode()) as response:
            return response.status
    except HTTPError as error:
        with error:
            return error.code

@pytest.mark.parametrize("turn", range(4))
def test_each_has_a_server_separate(gam_server, turn):
    from gamcli.actions import keys, users
    users.create(gam_server.gam, "eva", {})
    assert status(gam_server) == 200
    assert {status(gam_server, api_key="wrong") for _ in range(12)} == {401}
    keys.revoke(gam_server.gam, [gam_server.api_key.split("_")[1]], "leaked")
    assert status(gam_server) == 401

def test_secrets_are_not_shown(gam_server):
    assert gam_server.api_key not in repr(gam_server)
    assert gam_server.client_secret not in repr(gam_server)
"""


STAGED = """
import json
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
import pytest

def token(server):
    form = {name: getattr(server, name) for name in ("client_id", "client_secret", "api_key")}
    form["grant_type"] = "password"
    with urlopen(server.url + "/oauth/gam/v2.0/access_token", urlencode(form).encode()) as response:
        return json.load(response)["access_token"]

def userinfo(server, access_token):
    request = Request(server.url + "/oauth/gam/v2.0/userinfo", headers={"Authorization": access_token})
    try:
        with urlopen(request) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)

def test_tokens_expire_when_the_clock_says_so(gam_server):
    held = token(gam_server)
    gam_server.clock.forward("59m")
    assert userinfo(gam_server, held)[0] == 200
    gam_server.clock.forward("2m")
    status, body = userinfo(gam_server, held)
    assert (status, body["error"]["code"]) == (401, "103")

def test_the_clock_can_stand_still(gam_server):
    gam_server.clock.stop("2035-01-01T00:00:00Z")
    assert gam_server.clock() == gam_server.clock()

def test_problems_come_when_they_are_asked_for(gam_server):
    gam_server.faults.add("token=503:1x")
    with pytest.raises(HTTPError) as refused:
        token(gam_server)
    refused.value.close()
    assert refused.value.code == 503
    assert userinfo(gam_server, token(gam_server))[0] == 200

def test_the_journal_reports_what_was_asked(gam_server):
    assert list(gam_server.journal) == []
    userinfo(gam_server, token(gam_server))
    first, second = gam_server.journal
    assert (first.grant, first.client_id, first.status) == ("api_key", gam_server.client_id, 200)
    assert first.key == gam_server.api_key.split("_")[1]
    assert (second.method, second.path, second.grant) == ("GET", "/oauth/gam/v2.0/userinfo", "")
    gam_server.journal.clear()
    assert len(gam_server.journal) == 0
"""


def ran(folder: Path, text: str, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_client.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "gamcli.testing", *words, "test_client.py"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # as it was installed does not matter here
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_each_test_has_a_server_separate(tmp_path: Path) -> None:
    done = ran(tmp_path, MANY)
    assert "5 passed" in done.stdout, done.stdout


def test_tests_that_run_at_once_have_servers_of_their_own(tmp_path: Path) -> None:
    done = ran(tmp_path, MANY, "-p", "xdist", "-n", "2")
    assert "5 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("words", [(), ("-p", "xdist", "-n", "2")], ids=str)
def test_a_test_has_the_clock_the_problems_and_the_journal_of_its_server(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = ran(tmp_path, STAGED, *words)
    assert "4 passed" in done.stdout, done.stdout


def test_the_tests_in_the_manual_pass(tmp_path: Path) -> None:
    page = (ROOT / "gamcli" / "manual" / "testing.md").read_text(encoding="utf-8")
    (text,) = (
        each for each in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "def test" in each
    )
    done = ran(tmp_path, text)
    assert "3 passed" in done.stdout, done.stdout


def test_a_test_that_fails_still_ends_its_server(tmp_path: Path) -> None:
    done = ran(tmp_path, "def test_it(gam_server):\n    assert gam_server.url == ''\n")
    assert "1 failed" in done.stdout, done.stdout
    assert not re.search(r"gam(key|sec)_", done.stdout)


def test_who_does_not_use_the_fixture_pays_next_to_nothing() -> None:
    probe = "import sys, pytest; had = {*sys.modules}; import gamcli.testing; print(*sorted({*sys.modules} - had))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["gamcli", "gamcli.testing"]


@pytest.mark.parametrize("text", ["def test_it():\n    pass\n"])
def test_a_project_that_does_not_use_it_is_as_before(tmp_path: Path, text: str) -> None:
    assert "1 passed" in ran(tmp_path, text).stdout


def test_pytest_finds_the_fixture_by_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"gamcli": "gamcli.testing"}
