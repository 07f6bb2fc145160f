"""An endpoint elsewhere: a key traded for a token over HTTP."""

import json
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from gamcli.errors import FailedError, RefusedError, UsageError
from gamcli.rules.credentials import Secret

TOKEN_PATH = "/oauth/gam/v2.0/access_token"  # noqa: S105 - a path
PATIENCE = 30.0
"""How many seconds the endpoint may take."""

OK = 200
SERVER_FAILED = 500
NO_REFUSALS = (404, 405, 408, 429)
"""Statuses below 500 that say nothing of the key."""

LARGEST_ANSWER = 64 * 1024

KINDS: dict[str, Callable[..., HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}


def is_unprotected(url: str) -> bool:
    """Say whether what is sent there can be read on its way."""
    parts = _parts(url)
    try:
        local = ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = parts.hostname == "localhost"
    return parts.scheme == "http" and not local


def traded(url: str, form: dict[str, str]) -> Secret:
    """Trade the key at the endpoint; raises RefusedError with its words, or FailedError."""
    status, found = _posted(url, urlencode(form))
    token = found.get("access_token")
    if status == OK and isinstance(token, str) and token.isprintable() and token:
        return Secret(token)
    problem = found.get("error")
    told = problem.get("message") if isinstance(problem, dict) else found.get("error_description") or problem
    words = str(told).strip().removesuffix(".") if told else f"nothing that can be read, with status {status}"
    if 400 <= status < SERVER_FAILED and status not in NO_REFUSALS:  # noqa: PLR2004 - an HTTP status
        raise RefusedError("remote", f"the endpoint says: {words}")
    raise FailedError(f"the endpoint says: {words}", "--url URL, its base path included")


def _posted(url: str, form: str) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object of the answer; redirections are not followed: secrets would go there."""
    parts = _parts(url)
    connection = KINDS[parts.scheme](parts.hostname, parts.port, timeout=PATIENCE)
    try:
        fields = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        connection.request("POST", parts.path + TOKEN_PATH, form, fields)
        response = connection.getresponse()
        text = response.read(LARGEST_ANSWER)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FailedError(
            f"the endpoint {url} cannot be asked: {reason}", "--url URL, its base path included"
        ) from error
    finally:
        connection.close()
    return response.status, _object(text)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.scheme in KINDS and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        raise UsageError("--url is no address of an endpoint", "such as https://example.com/myapp")
    return parts
