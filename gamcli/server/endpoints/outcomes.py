"""What becomes of a request: an answer, one that waits for what it tells to be written, or none from who hurries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.actions.grant_cache import GrantCache
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.failure_limit import FailureLimiter
from gamcli.server.transport.messages import Request, Response
from gamcli.store import Transaction


@dataclass(slots=True)
class Trace:
    """
    What the log tells of a request, written down as it becomes known: no secret ever.

    `wait` is how many seconds a client has to wait that fails too often.
    """

    client_id: str = ""
    key_id: str = ""
    rule: str = ""
    detail: str = ""
    retry_after: int = 0


class TracedResponse(NamedTuple):
    """A response, and what the log tells of how it came about."""

    response: Response
    trace: Trace


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """
    What a server was told about its answers; `base_path` is in lower case and without a slash at its end.

    Who `hurries` wants no answer that takes long: a password's, or one of a store that another process holds. Where
    there is a place for `prepared` facts, one thread answers with it.
    """

    base_path: str = ""
    error_format: refusals.ErrorFormat = refusals.GAM_FORMAT
    failure_limiter: FailureLimiter = field(default_factory=lambda: FailureLimiter(0))
    origins: frozenset[str] = frozenset()
    nonblocking: bool = False
    grant_cache: GrantCache[Response] | None = None


DEFAULT_CONFIG = ServerConfig()


class DeferredResponse(NamedTuple):
    """A response that tells of what is yet to be written: `write` writes it."""

    write: Callable[[Transaction], Response]


@dataclass(frozen=True, slots=True)
class WouldBlock:
    """No answer, for it would take long: it is to be asked for again by who does not hurry."""


Endpoint = Callable[[Gam, Request, Trace, ServerConfig], Response | DeferredResponse | WouldBlock]
