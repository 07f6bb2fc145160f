"""Sends HTTP requests to a token endpoint."""

import json
from collections.abc import Callable, Mapping
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlencode, urlsplit

from gamcli.errors import FailedError, RefusedError, UsageError
from gamcli.rules.credentials import Secret

TOKEN_PATH = "/oauth/gam/v2.0/access_token"  # noqa: S105 - a path
USERINFO_PATH = "/oauth/gam/v2.0/userinfo"

TIMEOUT_SECONDS = 30.0

OK = 200
MULTIPLE_CHOICES = 300
BAD_REQUEST = 400
INTERNAL_SERVER_ERROR = 500
OTHER_STATUSES = (404, 405, 408, 429)
"""Statuses below 500 that are not a refusal of the credentials."""

MAX_RESPONSE_BYTES = 64 * 1024

CONNECTION_TYPES: dict[str, Callable[..., HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}

_URL_HINT = "--url URL, including the base path"


class EndpointResponse(NamedTuple):
    """A response of the endpoint."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body, or an empty one."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def is_refusal(self) -> bool:
        """Whether the endpoint refused the credentials; other errors come from the server or a proxy."""
        return BAD_REQUEST <= self.status < INTERNAL_SERVER_ERROR and self.status not in OTHER_STATUSES

    def to_error(self) -> FailedError:
        """Return the error for a response that is neither success nor refusal."""
        target = {name.lower(): value for name, value in self.headers}.get("location")
        if MULTIPLE_CHOICES <= self.status < BAD_REQUEST and target:
            return FailedError(
                f"the endpoint redirects to {_without_path(target)}",
                f"gamcli sends no secrets to another address; to use that one, with its base path: {_URL_HINT}",
            )
        hint = "see the server's log" if self.status >= INTERNAL_SERVER_ERROR else _URL_HINT
        return FailedError(f"the endpoint returned: {self.error_message()}", hint)

    def error_message(self) -> str:
        """Return the error message of the endpoint, in either error format."""
        document = self.json()
        error = document.get("error")
        message = error.get("message") if isinstance(error, dict) else document.get("error_description") or error
        return str(message).strip().removesuffix(".") if message else f"status {self.status} without an error message"


def request_token(url: str, form: dict[str, str]) -> Secret:
    """Exchange an API key for an access token; raises RefusedError or FailedError."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    response = send_request(url, "POST", TOKEN_PATH, headers, urlencode(form))
    token = response.json().get("access_token")
    if response.status == OK and isinstance(token, str) and token.isprintable() and token:
        return Secret(token)
    if response.is_refusal:
        raise RefusedError("remote", f"the endpoint returned: {response.error_message()}")
    raise response.to_error()


def send_request(url: str, method: str, path: str, headers: Mapping[str, str], body: str = "") -> EndpointResponse:
    """Send a request and return the response; redirects are not followed, so that secrets go nowhere else."""
    parts = _require_url(url)
    connection = CONNECTION_TYPES[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path + path, body or None, dict(headers))
        response = connection.getresponse()
        content = response.read(MAX_RESPONSE_BYTES)
        return EndpointResponse(response.status, response.reason, tuple(response.getheaders()), content)
    except (OSError, HTTPException) as error:
        reason, hint = describe_failure(error, url)
        raise FailedError(f"cannot connect to {url}: {reason}", hint) from error
    finally:
        connection.close()


NAME_MISMATCHES = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""


def describe_failure(error: Exception, url: str) -> tuple[str, str]:
    """Return why a request failed, and what to do about it."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    other = {"http": "https", "https": "http"}[urlsplit(url).scheme] + url[url.index(":") :]
    code = getattr(error, "verify_code", None)
    if code is not None and code not in NAME_MISMATCHES:
        message = getattr(error, "verify_message", reason)
        return (
            f"the certificate of the server is not trusted: {message}",
            "for a private CA, set SSL_CERT_FILE to the file of its certificate",
        )
    if code is not None:
        message = str(getattr(error, "verify_message", reason)).rstrip(".")
        return f"the certificate is for another name: {message}", _URL_HINT
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error) or "HTTP_REQUEST" in str(error):
        return "the server does not use TLS on this port", f"--url {other}"
    if isinstance(error, BadStatusLine | ConnectionResetError) and url.startswith("http:"):
        return f"the response is not HTTP ({type(error).__name__})", f"if the server uses TLS: --url {other}"
    return reason, _URL_HINT


def _without_path(target: str) -> str:
    """Return a redirect's target without what may be a secret: its query and user."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "an invalid address"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def is_unencrypted(url: str) -> bool:
    """Return whether requests to `url` leave this machine unencrypted."""
    parts = _require_url(url)
    try:
        is_local = ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_local = parts.hostname == "localhost"
    return parts.scheme == "http" and not is_local


def host_header(url: str) -> str:
    return _require_url(url).netloc


def parse_url(url: str) -> SplitResult | None:
    """Return the parts of an HTTP URL that can be the base of an endpoint, or None."""
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.scheme in CONNECTION_TYPES and parts.port != 0
    except ValueError:
        return None
    if not is_valid or parts.query or parts.fragment or parts.username or not url.isascii() or " " in url:
        return None
    return parts


def _require_url(url: str) -> SplitResult:
    parts = parse_url(url)
    if parts is None:
        raise UsageError(f"invalid URL '{url}'", "use a URL such as https://example.com/myapp")
    return parts
