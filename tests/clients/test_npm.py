"""A JavaScript client with RFC 6749 errors: oauth4webapi, which openid-client is built on."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
Endpoint = Any


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json", ".npmrc", "flow.js"):
        shutil.copy(HERE / name, folder / name)
    try:
        done = subprocess.run(
            ["npm", "ci", "--prefer-offline"], cwd=folder, capture_output=True, check=False, timeout=60
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci does not end: no packages are reached from here")
    if done.returncode != 0:
        pytest.skip(f"npm ci failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return folder


def test_oauth4webapi_goes_through_its_flows(packages: Path, serve: Callable[[str], Endpoint]) -> None:
    endpoint = serve("rfc6749")
    held = {name: getattr(endpoint, name) for name in ("url", "client_id", "client_secret", "api_key", "password")}
    done = subprocess.run(
        ["node", "flow.js"], cwd=packages, input=json.dumps(held).encode(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {
        "api_key": {"scope": "gam_user_data gam_user_roles", "expires_in": 3600},
        "claims": "ana@example.org",
        "password": "gam_user_roles",
        "renewal": "002",
        "basic": "bearer",
        "refusals": {
            "api_key": [400, "invalid_grant"],
            "client_secret": [401, "invalid_client"],
            "scope": [400, "invalid_scope"],
            "grant_type": [400, "unsupported_grant_type"],
            "refresh_token": [400, "invalid_grant"],
        },
        "challenge": [401, "bearer", "gam", "invalid_token"],
    }
