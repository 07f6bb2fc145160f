"""The types that endpoints share: their configuration, the trace for the log, and what they return."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.issuance import GrantAttempt, IssuedToken
from gamcli.errors import RefusedError
from gamcli.model.token_ids import format_token_id
from gamcli.model.tokens import Token
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.transport.messages import Request, Response


@dataclass(slots=True)
class Trace:
    """What the log shows of a request, collected while it is handled; never a secret. `retry_after` is in seconds."""

    client_id: str = ""
    key_id: str = ""
    rule: str = ""
    detail: str = ""
    retry_after: int = 0
    token_id: str = ""

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


class DeferredGrant(NamedTuple):
    """A token request that is judged together with others: `respond` returns the response to send after the commit."""

    attempt: GrantAttempt
    respond: Callable[[IssuedToken | RefusedError], Response]


class DeferredClaims(NamedTuple):
    """A request for the claims of an access token, which are read together with others."""

    secret: Secret


@dataclass(frozen=True, slots=True)
class WouldBlock:
    """The request takes long: handle it again without `nonblocking`, on another thread."""


Deferred = DeferredGrant | DeferredClaims
Endpoint = Callable[[Gam, Request, Trace, ServerConfig], Response | Deferred | WouldBlock]
