"""What becomes of a request: an answer, one that waits for what it tells to be written, or none from who hurries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.actions.grant_cache import Prepared
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.failure_limit import Failures
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
    wait: int = 0


class Answer(NamedTuple):
    """A response, and what the log tells of how it came about."""

    response: Response
    trace: Trace


@dataclass(frozen=True, slots=True)
class Conduct:
    """
    What a server was told about its answers; `base_path` is in lower case and without a slash at its end.

    Who `hurries` wants no answer that takes long: a password's, or one of a store that another process holds. Where
    there is a place for `prepared` facts, one thread answers with it.
    """

    base_path: str = ""
    manner: refusals.Manner = refusals.AS_GAM
    failures: Failures = field(default_factory=lambda: Failures(0))
    origins: frozenset[str] = frozenset()
    hurries: bool = False
    prepared: Prepared[Response] | None = None


AS_EVER = Conduct()


class Deferred(NamedTuple):
    """A response that tells of what is yet to be written: `write` writes it."""

    write: Callable[[Transaction], Response]


@dataclass(frozen=True, slots=True)
class Later:
    """No answer, for it would take long: it is to be asked for again by who does not hurry."""


Endpoint = Callable[[Gam, Request, Trace, Conduct], Response | Deferred | Later]
