"""Recorded requests and responses of an endpoint, without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

REDACTED = "<hidden>"
"""Replaces each secret."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """A response as it was received."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response; `curl` is a command line that repeats the request."""

    request: RecordedRequest
    response: RecordedResponse
    curl: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """
    The exchanges with an endpoint, in order.

    `granted` is whether the last exchange succeeded; if not, `message` is the endpoint's error and `hint` a suggestion.
    """

    url: str
    granted: bool
    message: str | None
    hint: str | None
    exchanges: tuple[Exchange, ...]
