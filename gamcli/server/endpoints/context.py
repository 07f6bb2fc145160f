"""
What every endpoint gets: the configuration of the server, and the request with what the log will show of it.

Every error leaves the endpoints as a row of `refusals.TABLE`, by `RequestContext.fail`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from gamcli.actions.grant_cache import GrantCache
from gamcli.errors import GamcliError, RefusedError, StoreBusyError, StoreError, StoreVersionError
from gamcli.model.token_ids import format_token_id
from gamcli.model.tokens import Token
from gamcli.server.endpoints import forms, origins, refusals
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.transport.messages import Request, Response


@dataclass(slots=True)
class Trace:
    """
    What the log shows of a request, collected while it is handled; never a secret.

    `retry_after`, in seconds, and `allow` are values of header fields for a refusal.
    """

    client_id: str = ""
    key_id: str = ""
    rule: str = ""
    detail: str = ""
    retry_after: int = 0
    token_id: str = ""
    allow: str = ""

    def set_token(self, token: Token) -> None:
        """Remember the access token of the request, and its application and key."""
        self.token_id, self.client_id, self.key_id = _format_token_id(token.row), token.client_id, token.key or ""


_format_token_id = lru_cache(maxsize=4096)(format_token_id)
"""Most requests to userinfo repeat a token."""


class TracedResponse(NamedTuple):
    """A response and its trace for the log."""

    response: Response
    trace: Trace


@dataclass(slots=True)
class ServerState:
    """What changes while a server runs. `is_draining`: it is stopping, and still answers for a while."""

    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """
    How requests are answered; `base_path` is in lower case and has no slash at its end.

    With `nonblocking`, an endpoint returns WouldBlock instead of hashing a password or waiting for the store. The
    `grant_cache`, in which requests for tokens are found again, may be used by one thread only. `extras` adds the
    endpoints of `extras`; `issuer` is the URL in its metadata, empty for that of the request. `show_address` returns
    what the store may record of a client address.
    """

    base_path: str = ""
    response_format: refusals.ResponseFormat = refusals.GAM_FORMAT
    failure_limiter: FailureLimiter = field(default_factory=lambda: FailureLimiter(0))
    origins: frozenset[str] = frozenset()
    nonblocking: bool = False
    grant_cache: GrantCache | None = None
    state: ServerState = field(default_factory=ServerState)
    extras: bool = False
    is_encrypted: bool = False
    show_address: Callable[[str], str] = str
    issuer: str = ""


DEFAULT_CONFIG = ServerConfig()


@dataclass(slots=True)
class RequestContext:
    """A request that is being handled."""

    request: Request
    config: ServerConfig = DEFAULT_CONFIG
    trace: Trace = field(default_factory=Trace)

    def respond(self, response: Response) -> TracedResponse:
        """Return the response, with the header fields that let pages of other origins read it."""
        if self.config.origins:
            origin = self.request.fields.get("origin", "")
            response = response.with_fields(origins.allow_origin_fields(self.config.origins, origin))
        return TracedResponse(response, self.trace)

    def fail(self, error: Exception) -> TracedResponse:
        """Return the refusal of the rule for `error`; what is not meant for the client goes to the log."""
        rule = self.trace.rule = rule_for_error(error)
        self.trace.detail = _DETAILS[rule](error) if rule in _DETAILS else ""
        cause = error.cause if isinstance(error, RefusedError) else ""
        response_format = self.config.response_format
        return self.respond(refusals.refusal_response(rule, self._refusal_fields(rule), response_format, cause))

    def _refusal_fields(self, rule: str) -> tuple[tuple[str, str], ...]:
        """Return the header fields that the status requires (RFC 9110 §10.2.1, §10.2.3, §11.6.1)."""
        response_format, request = self.config.response_format, self.request
        if self.trace.retry_after:
            return (("Retry-After", str(self.trace.retry_after)),)
        if rule in ("method_wrong", "method_only_renews"):
            return (("Allow", self.trace.allow),)
        if response_format.status_and_body(rule)[0] != refusals.UNAUTHORIZED:
            return ()
        if rule in _CLIENT_RULES and forms.uses_basic(request):
            return (("WWW-Authenticate", 'Basic realm="gam"'),)
        return (("WWW-Authenticate", response_format.challenge(rule, request.fields.get("host", ""))),)


_CLIENT_RULES = frozenset(
    {
        "client_basic_malformed", "client_id_missing", "client_unknown", "client_secret_missing",
        "client_secret_wrong", "app_disabled",
    }
)  # fmt: skip
"""Rules 4 to 6: a client that used HTTP Basic gets a Basic challenge (RFC 6749 §5.2)."""


class WouldBlock:
    """The request takes long: handle it again without `nonblocking`, on another thread."""


_RULE_BY_ERROR: tuple[tuple[type[GamcliError], str], ...] = (
    (StoreBusyError, "store_busy"),
    (StoreVersionError, "store_version"),
    (StoreError, "store_gone"),
)
"""The rule of other errors; the first class that matches."""


def rule_for_error(error: Exception) -> str:
    """Return the rule of `refusals.TABLE` for `error`; an unexpected error is a bug."""
    if isinstance(error, RefusedError) and error.rule in refusals.TABLE:
        return error.rule
    return next((rule for kind, rule in _RULE_BY_ERROR if isinstance(error, kind)), "bug")


def _error_location(error: Exception) -> str:
    """Return the type of an error and its place in the code; its message may hold a secret."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return type(error).__name__ + (f" in {step.tb_frame.f_code.co_name}, line {step.tb_lineno}" if step else "")


def _printable_message(error: Exception) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(error))


_DETAILS: dict[str, Callable[[Exception], str]] = {
    "bug": _error_location,
    "store_gone": _printable_message,
    "store_version": _printable_message,
}
"""What the log shows of an error besides its rule. Messages of the store hold no secrets."""
