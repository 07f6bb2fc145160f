"""The fixture `gam_server` in separate pytest runs."""

import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
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
    form |= {"grant_type": "password", "authentication_type_name": "apikey"}
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
    form |= {"grant_type": "password", "authentication_type_name": "apikey"}
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


STEERED = """
import pytest
from gamcli.errors import GamcliError, RefusedError

def test_functions_create_what_a_client_needs(gam_server):
    gam_server.users.create("eva", password="a long password")
    client_id, client_secret = gam_server.apps.create("shop")
    client = {"client_id": client_id, "client_secret": client_secret}
    key = gam_server.keys.issue("eva", "shop", expires_in="2h")
    assert gam_server.token(**client, api_key=key)
    assert gam_server.token(**client, username="eva", password="a long password")
    gam_server.keys.disable(key)
    with pytest.raises(RefusedError):
        gam_server.token(**client, api_key=key)
    gam_server.keys.enable(key)
    assert gam_server.token(**client, api_key=key)
    gam_server.apps.disable("shop")
    with pytest.raises(RefusedError):
        gam_server.token(**client, api_key=key)

def test_errors_name_the_value(gam_server):
    with pytest.raises(GamcliError, match="'nobody'"):
        gam_server.keys.issue("nobody", "portal")
"""


SESSION = """
import pytest

@pytest.mark.parametrize("turn", range(3))
def test_each_begins_with_the_state_of_the_start(gam_server_session, turn):
    assert len(gam_server_session.journal) == 0
    gam_server_session.token()
    gam_server_session.keys.revoke(gam_server_session.api_key)
    gam_server_session.clock.forward("2h")

def test_it_fails(gam_server_session):
    gam_server_session.token()
    assert False
"""


PROXIED = """
import os
import urllib.request
import pytest

@pytest.fixture(autouse=True, scope="module")
def proxy():
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("http_proxy", "http://127.0.0.1:9")
        patched.setenv("no_proxy", "example.org")
        patched.delenv("NO_PROXY", raising=False)
        yield

def test_requests_reach_the_server(gam_server):
    with urllib.request.urlopen(gam_server.url + "/healthz") as response:
        assert response.status == 200
    assert os.environ["no_proxy"].startswith("example.org,")

def test_the_variables_are_restored():
    assert os.environ["no_proxy"] == "example.org"
    assert "NO_PROXY" not in os.environ
"""


MARKED = """
import pytest

SEED = (
    '[app.shop]\\nscopes = ["gam_user_data"]\\nremote_rest = true\\napi_keys = { enabled = true }\\n'
    '[user.eva]\\n[user.bea]\\n'
    '[[key]]\\nuser = "eva"\\napp = "shop"\\n[[key]]\\nuser = "bea"\\napp = "shop"\\n'
)

@pytest.mark.gam(seed=SEED, error_format="rfc6749")
def test_the_seed_of_the_marker(gam_server):
    assert gam_server.token(api_key=gam_server.credentials["GAM_API_KEY_EVA_SHOP"])
    with pytest.raises(Exception, match="the server has 2 values for GAM_API_KEY"):
        gam_server.api_key
    gam_server.users.block("eva")
    with pytest.raises(Exception, match="blocked"):
        gam_server.token(api_key=gam_server.credentials["GAM_API_KEY_EVA_SHOP"])
    gam_server.users.delete("bea")
    client_id, secret = gam_server.apps.create("gate", renewals=1)
    gam_server.users.unblock("eva")
    key = gam_server.keys.issue("eva", "gate")
    assert gam_server.token(client_id=client_id, client_secret=secret, api_key=key)
    with pytest.raises(Exception, match="no user named 'nobody'"):
        gam_server.keys.issue("nobody", "gate")

@pytest.mark.gam(seeds=SEED)
def test_an_unknown_option(gam_server):
    pass
"""


def manual_suite() -> str:
    page = (ROOT / "gamcli" / "manual" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (text,) = (each for each in blocks if "def test" in each)
    return str(text)


SUITES = {
    "many": MANY,
    "staged": STAGED,
    "steered": STEERED,
    "session": SESSION,
    "proxied": PROXIED,
    "marked": MARKED,
    "manual": manual_suite(),
    "failing": "def test_it(gam_server):\n    assert gam_server.url == ''\n",
    "unconcerned": "def test_it():\n    pass\n",
}
"""The modules of a project that uses the fixture."""


def run_pytest(folder: Path, suites: Mapping[str, str], *words: str) -> str:
    """Run the tests of the suites in one project, and return what pytest prints."""
    for name, text in suites.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rpfE", "-W", "error", *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.stdout


PLUGIN = ("--disable-plugin-autoload", "-p", "gamcli.testing")
"""As it was installed does not matter here."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_pytest(tmp_path_factory.mktemp("project"), SUITES, *PLUGIN)


def outcomes(printed: str, suite: str) -> Counter[str]:
    """Return how many tests of the suite ended how."""
    return Counter(re.findall(rf"(?m)^(PASSED|FAILED|ERROR) test_{suite}\.py::", printed))


@pytest.mark.parametrize(("suite", "passed"), {"many": 5, "staged": 4, "steered": 2, "proxied": 2, "manual": 3}.items())
def test_each_test_has_its_server_with_a_clock_faults_and_a_journal(printed: str, suite: str, passed: int) -> None:
    assert outcomes(printed, suite) == {"PASSED": passed}, printed


def test_tests_that_run_at_once_have_separate_servers(tmp_path: Path) -> None:
    suites = {name: SUITES[name] for name in ("many", "staged")}
    printed = run_pytest(tmp_path, suites, *PLUGIN, "-p", "xdist", "-n", "2")
    assert [outcomes(printed, suite) for suite in suites] == [{"PASSED": 5}, {"PASSED": 4}], printed


def test_the_server_of_the_session_is_reset_and_shows_the_requests_of_a_failed_test(printed: str) -> None:
    assert outcomes(printed, "session") == {"PASSED": 3, "FAILED": 1}, printed
    section = printed.partition("gamcli requests")[2]
    assert section.count('"status":200') == 1


def test_a_marker_sets_how_the_server_begins(printed: str) -> None:
    assert outcomes(printed, "marked") == {"PASSED": 1, "ERROR": 1}, printed
    assert "unknown option of the marker gam: seeds; use seed, format, expired_status" in printed


def test_a_test_that_fails_still_ends_its_server_and_shows_no_secret(printed: str) -> None:
    assert outcomes(printed, "failing") == {"FAILED": 1}, printed
    assert not re.search(r"gam(key|sec)_", printed)


def test_the_configuration_sets_how_every_server_begins(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text("[user.eva]\n[app.shop]\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\ngam_seed = seed.toml\n", encoding="utf-8")
    text = "def test_it(gam_server):\n    assert 'GAM_CLIENT_ID_SHOP' in gam_server.credentials\n"
    assert "1 passed" in run_pytest(tmp_path, {"configured": text}, *PLUGIN)


def test_without_the_plugin_nothing_is_imported(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nassert 'gamcli' not in sys.modules\n", encoding="utf-8")
    text = "import sys\n\ndef test_it():\n    assert 'gamcli' not in sys.modules\n"
    assert "1 passed" in run_pytest(tmp_path, {"plain": text}, "-p", "no:gamcli")


def test_who_does_not_use_the_fixture_pays_next_to_nothing(printed: str) -> None:
    probe = "import sys, pytest; had = {*sys.modules}; import gamcli.testing; print(*sorted({*sys.modules} - had))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["gamcli", "gamcli.testing"]
    assert outcomes(printed, "unconcerned") == {"PASSED": 1}


def test_pytest_finds_the_fixture_by_itself() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"gamcli": "gamcli.testing"}
