"""A JavaScript client with RFC 6749 errors: oauth4webapi, which openid-client is built on."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Endpoint = Any


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
