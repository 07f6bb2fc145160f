"""An endpoint elsewhere: a key traded for a token over HTTP."""

import json
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlencode, urlsplit

from gamcli.errors import FailedError, RefusedError, UsageError
from gamcli.rules.credentials import Secret

TOKEN_PATH = "/oauth/gam/v2.0/access_token"  # noqa: S105 - a path
CLAIMS_PATH = "/oauth/gam/v2.0/userinfo"

PATIENCE = 30.0
"""How many seconds the endpoint may take."""

OK = 200
BAD_REQUEST = 400
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
    fields = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    reply = asked(url, "POST", TOKEN_PATH, fields, urlencode(form))
    token = reply.json().get("access_token")
    if reply.status == OK and isinstance(token, str) and token.isprintable() and token:
        return Secret(token)
    if reply.is_refusal:
        raise RefusedError("remote", f"the endpoint says: {reply.says()}")
    raise reply.failure()


class Reply(NamedTuple):
    """What an endpoint answers."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body, an empty one when there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def is_refusal(self) -> bool:
        """Whether a rule of the endpoint speaks: other statuses are of what stands in its place."""
        return BAD_REQUEST <= self.status < SERVER_FAILED and self.status not in NO_REFUSALS

    def failure(self) -> FailedError:
        """Return the error that it is when no rule of the endpoint speaks: it fails, or something else answers."""
        hint = "its own log says more" if self.status >= SERVER_FAILED else "--url URL, its base path included"
        return FailedError(f"the endpoint says: {self.says()}", hint)

    def says(self) -> str:
        """Return why it is no success, in the endpoint's words if it has any."""
        found = self.json()
        problem = found.get("error")
        told = problem.get("message") if isinstance(problem, dict) else found.get("error_description") or problem
        return str(told).strip().removesuffix(".") if told else f"nothing that can be read, with status {self.status}"


def asked(url: str, method: str, path: str, fields: Mapping[str, str], body: str = "") -> Reply:
    """Ask an endpoint, and return its answer; redirections are not followed: secrets would go there."""
    parts = _parts(url)
    connection = KINDS[parts.scheme](parts.hostname, parts.port, timeout=PATIENCE)
    try:
        connection.request(method, parts.path + path, body or None, dict(fields))
        response = connection.getresponse()
        return Reply(response.status, response.reason, tuple(response.getheaders()), response.read(LARGEST_ANSWER))
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FailedError(
            f"the endpoint {url} cannot be asked: {reason}", "--url URL, its base path included"
        ) from error
    finally:
        connection.close()


def host(url: str) -> str:
    """Return what the field Host says of a request to `url`; raises UsageError."""
    return _parts(url).netloc


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.scheme in KINDS and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        raise UsageError("--url is no address of an endpoint", "such as https://example.com/myapp")
    return parts
