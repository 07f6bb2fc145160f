"""Requests generated from the OpenAPI document, and the check of their responses."""

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from gamcli.conformance.exchange import ReceivedResponse

COMMAND = Path(__file__).with_name("generated.py")
PLAIN = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache", "x-request-id": "a-1"}
CLAIMS = "/oauth/gam/v2.0/userinfo"
COUNT = 400
"""The number of requests in each format; the command sends more by default. A busy machine takes 0.1 s for each."""


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    spec = spec_from_file_location("generated", COMMAND)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(300)  # for a busy machine, which would exceed the default
@pytest.mark.parametrize("response_format", ["gam", "rfc6749"])
def test_every_response_to_generated_requests_is_documented(generated: ModuleType, response_format: str) -> None:
    statuses = generated.drive(COUNT, response_format)
    assert statuses.total() >= COUNT
    assert {status for _, status in statuses} >= {200, 400, 401, 404, 405}


@pytest.mark.parametrize(
    ("status", "document", "headers", "deviation"),
    [
        (200, {"email": "a", "verified_email": True}, PLAIN, ""),
        (200, {"email": "a", "sub": "b"}, PLAIN, "the body: "),
        (200, {}, {"cache-control": "no-store"}, "the header Pragma: None"),
        (401, {"error": {"code": "112", "message": "a"}}, PLAIN, "the header WWW-Authenticate: None"),
        (401, {"error": {"code": "1", "message": "a"}}, {**PLAIN, "www-authenticate": 'OAuth realm="gam"'}, "the body"),
        (402, {}, PLAIN, "the status 402"),
        (500, {"error": {"code": "500", "message": "a"}}, PLAIN, "the status 500"),
        (503, {"error": {"code": "503", "message": "a"}}, {**PLAIN, "retry-after": "1"}, "the status 503"),
    ],
)
def test_a_deviation_from_the_document_is_reported(
    generated: ModuleType, status: int, document: object, headers: dict[str, str], deviation: str
) -> None:
    sent = generated.GeneratedRequest(CLAIMS, "GET", CLAIMS, {}, b"", b"")
    found = generated.undocumented(sent, ReceivedResponse(status, headers, json.dumps(document).encode()))
    assert found.startswith(deviation)
    assert bool(found) is bool(deviation)


def test_an_undocumented_request_must_be_refused(generated: ModuleType) -> None:
    for method, path in (("PUT", CLAIMS), ("GET", f"{CLAIMS}/")):
        sent = generated.GeneratedRequest(CLAIMS, method, path, {}, b"", b"")
        assert generated.undocumented(sent, ReceivedResponse(405)) == ""
        assert generated.undocumented(sent, ReceivedResponse(200)) == "the status 200 of an undocumented request"
    assert generated.undocumented(sent, ReceivedResponse(problem="TimeoutError")) == "TimeoutError"


def test_the_command_prints_a_summary() -> None:
    ran = subprocess.run([sys.executable, COMMAND, "--requests", "20"], capture_output=True, check=True)
    lines = ran.stdout.decode().splitlines()
    assert sum("every response as documented, no 500" in line for line in lines) == 2
    assert {"gam", "rfc6749"} <= {*lines}
