"""A JavaScript client with RFC 6749 errors: oauth4webapi, which openid-client is built on; and discovery."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from authlib.oauth2.rfc8414 import (  # type: ignore[import-untyped]
    AuthorizationServerMetadata,
    get_well_known_url,
)

from tests.clients.world import serving

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


ISSUER = "https://login.example.org/gam"


def discover(packages: Path, issuer: str) -> "subprocess.CompletedProcess[str]":
    with serving("rfc6749", issuer=issuer) as endpoint:
        return subprocess.run(
            ["node", "npm_clients.mjs", "discovery"], cwd=packages, input=json.dumps(endpoint.credentials()),
            capture_output=True, check=False, timeout=60, text=True,
        )  # fmt: skip


def test_oauth4webapi_finds_the_endpoints_of_a_fixed_issuer_behind_a_proxy(packages: Path) -> None:
    done = discover(packages, ISSUER)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"issuer": ISSUER, "token": "bearer", "active": True}


def test_oauth4webapi_refuses_the_metadata_of_another_issuer(packages: Path) -> None:
    done = discover(packages, "")
    assert done.returncode != 0
    assert "issuer" in done.stderr


def test_authlib_accepts_the_metadata_of_a_fixed_issuer() -> None:
    with serving("rfc6749", issuer=ISSUER) as endpoint:
        path = urlsplit(get_well_known_url(ISSUER, external=True)).path
        with urlopen(endpoint.url.removesuffix("/gam") + path) as response:
            metadata = AuthorizationServerMetadata(json.load(response))
    assert metadata.issuer == ISSUER
    for check in ("issuer", "token_endpoint", "introspection_endpoint", "revocation_endpoint", "scopes_supported"):
        getattr(metadata, f"validate_{check}")()
