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
USERINFO_PATH = "/oauth/gam/v2.0/userinfo"

TIMEOUT_SECONDS = 30.0
"""How many seconds the endpoint may take."""

OK = 200
BAD_REQUEST = 400
INTERNAL_SERVER_ERROR = 500
OTHER_STATUSES = (404, 405, 408, 429)
"""Statuses below 500 that say nothing of the key."""

MAX_RESPONSE_BYTES = 64 * 1024

CONNECTION_TYPES: dict[str, Callable[..., HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}


def is_unencrypted(url: str) -> bool:
    """Say whether what is sent there can be read on its way."""
    parts = _parse_url(url)
    try:
        local = ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = parts.hostname == "localhost"
    return parts.scheme == "http" and not local


def request_token(url: str, form: dict[str, str]) -> Secret:
    """Trade the key at the endpoint; raises RefusedError with its words, or FailedError."""
    fields = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    reply = send_request(url, "POST", TOKEN_PATH, fields, urlencode(form))
    token = reply.json().get("access_token")
    if reply.status == OK and isinstance(token, str) and token.isprintable() and token:
        return Secret(token)
    if reply.is_refusal:
        raise RefusedError("remote", f"the endpoint says: {reply.error_message()}")
    raise reply.to_error()


class EndpointResponse(NamedTuple):
    """What an endpoint answers."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
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
        return BAD_REQUEST <= self.status < INTERNAL_SERVER_ERROR and self.status not in OTHER_STATUSES

    def to_error(self) -> FailedError:
        """Return the error that it is when no rule of the endpoint speaks: it fails, or something else answers."""
        hint = "its own log says more" if self.status >= INTERNAL_SERVER_ERROR else "--url URL, its base path included"
        return FailedError(f"the endpoint says: {self.error_message()}", hint)

    def error_message(self) -> str:
        """Return why it is no success, in the endpoint's words if it has any."""
        found = self.json()
        problem = found.get("error")
        told = problem.get("message") if isinstance(problem, dict) else found.get("error_description") or problem
        return str(told).strip().removesuffix(".") if told else f"nothing that can be read, with status {self.status}"


def send_request(url: str, method: str, path: str, headers: Mapping[str, str], body: str = "") -> EndpointResponse:
    """Ask an endpoint, and return its answer; redirections are not followed: secrets would go there."""
    parts = _parse_url(url)
    connection = CONNECTION_TYPES[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path + path, body or None, dict(headers))
        response = connection.getresponse()
        return EndpointResponse(
            response.status, response.reason, tuple(response.getheaders()), response.read(MAX_RESPONSE_BYTES)
        )
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FailedError(
            f"the endpoint {url} cannot be asked: {reason}", "--url URL, its base path included"
        ) from error
    finally:
        connection.close()


def host_header(url: str) -> str:
    """Return what the field Host says of a request to `url`; raises UsageError."""
    return _parse_url(url).netloc


def _parse_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.scheme in CONNECTION_TYPES and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        raise UsageError("--url is no address of an endpoint", "such as https://example.com/myapp")
    return parts
