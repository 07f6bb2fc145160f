"""What was said at an endpoint: requests and responses as records, their secrets hidden."""

from collections.abc import Mapping
from dataclasses import dataclass

REDACTED = "<hidden>"
"""What stands where a secret was."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """The response to it."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response; `curl` is a line of shell that repeats the request."""

    request: RecordedRequest
    response: RecordedResponse
    curl: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """
    The exchanges with one endpoint, in their order.

    `granted` says whether the last one came to what was wanted; else `message` is what the endpoint says, and `hint`
    what to type, if anything is known here.
    """

    url: str
    granted: bool
    message: str | None
    hint: str | None
    exchanges: tuple[Exchange, ...]
