"""
Injected faults for tests of clients: `--fault` decides which requests are refused, delayed or cut off.

Every fault and endpoint has its own sequence of random numbers, from the seed: the third token request has the same
result in every run, whatever other requests come in between.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gamcli.errors import UsageError
from gamcli.server.endpoints import refusals

if TYPE_CHECKING:
    from random import Random

ALL = "all"

ENDPOINTS = {"token": "access_token", "userinfo": "userinfo", "healthz": "healthz"}
"""The name of an endpoint in `--fault`, and the last segment of its path."""

LATENCY = "latency"
CLOSE = "close"

MAX_SECONDS = 600

STATUSES: dict[str, dict[str, str]] = {
    "401": {"token": "client_secret_wrong", "userinfo": "token_expired"},
    "429": dict.fromkeys(ENDPOINTS, "too_many_failures"),
    "500": dict.fromkeys(ENDPOINTS, "bug"),
    "503": dict.fromkeys(ENDPOINTS, "store_gone"),
}
"""The row of `refusals.TABLE` that a status stands for at each endpoint."""

_RETRIED_RULE = "store_busy"
"""Cannot be injected: the server retries such a request, which would hit the fault twice."""

_FAULT = re.compile(r"(?:([a-z]+)(?:\.(latency))?)=([0-9a-z_]+)(?::([0-9.]+)(x?))?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9})(ms|s)", re.ASCII)
_PROBABILITY = re.compile(r"0|1|[01]?\.[0-9]{1,9}", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FaultDecision:
    """What happens to one request: refused by `rule`, cut off, or delayed; `detail` names the faults for the log."""

    rule: str = ""
    closes: bool = False
    delay_seconds: float = 0.0
    detail: str = ""


NO_FAULT = FaultDecision()


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One `--fault`: what it does at each endpoint, and how often.

    With `first`, it applies to that many requests and to no later one; otherwise with a probability.
    """

    text: str
    decisions: Mapping[str, FaultDecision]
    probability: float = 1.0
    first: int | None = None


def parse_fault(text: str) -> Fault:
    """Return the fault; raises UsageError."""
    match = _FAULT.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"invalid fault '{text}'", HINT)
    where, is_latency, what, frequency, suffix = match.groups()
    if where == LATENCY and not is_latency:
        where, is_latency = ALL, LATENCY
    if where not in {ALL, *ENDPOINTS}:
        raise UsageError(f"unknown endpoint '{where}' in '{text}'", f"one of: {', '.join((*ENDPOINTS, ALL))}")
    endpoints = tuple(ENDPOINTS) if where == ALL else (where,)
    decisions = _parse_latency(text, endpoints, what) if is_latency else _parse_outcome(text, endpoints, what)
    return Fault(text, decisions, *_parse_frequency(text, frequency, suffix))


def _parse_latency(text: str, endpoints: tuple[str, ...], duration: str) -> dict[str, FaultDecision]:
    match = _DURATION.fullmatch(duration)
    seconds = int(match[1]) / (1000 if match[2] == "ms" else 1) if match else MAX_SECONDS + 1
    if seconds > MAX_SECONDS:
        raise UsageError(
            f"invalid latency '{duration}' in '{text}'",
            f"use milliseconds or seconds, up to {MAX_SECONDS}s: latency=200ms",
        )
    return dict.fromkeys(endpoints, FaultDecision(delay_seconds=seconds))


def _parse_outcome(text: str, endpoints: tuple[str, ...], outcome: str) -> dict[str, FaultDecision]:
    """Return the decision for each of the endpoints that can have this outcome."""
    if outcome == CLOSE:
        return dict.fromkeys(endpoints, FaultDecision(closes=True))
    is_rule = outcome in refusals.TABLE and outcome != _RETRIED_RULE
    rules = dict.fromkeys(ENDPOINTS, outcome) if is_rule else STATUSES.get(outcome, {})
    decisions = {endpoint: FaultDecision(rules[endpoint]) for endpoint in endpoints if endpoint in rules}
    if not decisions:
        statuses = [status for status, rules in STATUSES.items() if {*endpoints} & {*rules}]
        raise UsageError(
            f"invalid fault '{outcome}' in '{text}'",
            f"one of: {', '.join((*statuses, CLOSE))}; or the rule of a refusal, such as key_expired",
        )
    return decisions


def _parse_frequency(text: str, frequency: str | None, suffix: str | None) -> tuple[float, int | None]:
    """Return the probability, and the number of requests that the fault applies to."""
    if frequency is None:
        return 1.0, None
    if suffix and _COUNT.fullmatch(frequency):
        return 1.0, int(frequency)
    if suffix or not _PROBABILITY.fullmatch(frequency) or float(frequency) > 1:
        raise UsageError(
            f"invalid probability '{frequency}{suffix}' in '{text}'",
            "use a number from 0 to 1, such as 0.1; or 2x for the first two requests",
        )
    return float(frequency), None


HINT = "ENDPOINT=STATUS:PROBABILITY, such as token=503:0.1, token=401:2x, userinfo=close; or latency=200ms"


class Faults:
    """The faults of a server, with the state of their random sequences."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._seed = seed
        self._faults = [*faults]
        self._randoms: dict[tuple[str, str], Random] = {}
        self._request_counts: dict[tuple[str, str], int] = {}

    def add(self, text: str) -> None:
        """Add a fault such as "token=503:0.1"; raises UsageError."""
        self._faults.append(parse_fault(text))

    def clear(self) -> None:
        """Remove all faults, and reset their sequences."""
        self._faults.clear()
        self._randoms.clear()
        self._request_counts.clear()

    def decide(self, path: str) -> FaultDecision:
        """Decide about the next request to `path`: the first refusal or cut, and the sum of all latencies."""
        if not self._faults:
            return NO_FAULT
        endpoint = _endpoint_name(path.lower().rpartition("/")[2])
        applied = [fault for fault in self._faults if endpoint in fault.decisions and self._applies(fault, endpoint)]
        if not applied:
            return NO_FAULT
        decisions = [fault.decisions[endpoint] for fault in applied]
        failure = next((decision for decision in decisions if decision.rule or decision.closes), NO_FAULT)
        detail = " ".join(["fault", *(fault.text for fault in applied)])
        delay = sum(decision.delay_seconds for decision in decisions)
        return FaultDecision(failure.rule, failure.closes, delay, detail)

    def _applies(self, fault: Fault, endpoint: str) -> bool:
        """Draw for one request; every fault draws, so that none shifts the sequence of another."""
        key = fault.text, endpoint
        if fault.first is not None:
            self._request_counts[key] = number = self._request_counts.get(key, 0) + 1
            return number <= fault.first
        if key not in self._randoms:
            from random import Random  # noqa: PLC0415 - start-up: few servers have faults

            self._randoms[key] = Random(f"{self._seed} {fault.text} {endpoint}")  # noqa: S311 - no secret
        return self._randoms[key].random() < fault.probability


@lru_cache
def _endpoint_name(segment: str) -> str:
    return next((name for name, last in ENDPOINTS.items() if last == segment), "")
