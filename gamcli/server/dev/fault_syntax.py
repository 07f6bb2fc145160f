"""The syntax of injected faults, as `--fault` and the control API take it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gamcli.errors import UsageError
from gamcli.server.endpoints import refusals
from gamcli.server.endpoints.userinfo import USERINFO_RULES

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

_COMMON_RULES = frozenset({"too_many_failures", "store_gone", "connections_full", "bug"})
"""The rules that every endpoint has; all others are those of token requests."""

_FAULT = re.compile(r"(?:([a-z]+)(?:\.(latency))?)=([0-9a-z_]+)(?::(@?)([0-9.]+)(x?))?", re.ASCII)
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


class Sender(NamedTuple):
    """Who sent a request, in all the ways that a fault may name them, in lower case; empty if that is not known."""

    clients: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()


class Frequency(NamedTuple):
    """How often a fault applies: to the `first` requests, to the one with the number `only`, or with a probability."""

    probability: float = 1.0
    first: int | None = None
    only: int | None = None

    @property
    def is_always(self) -> bool:
        return self == (1.0, None, None)


ALWAYS = Frequency()


@dataclass(frozen=True, slots=True)
class Fault:
    """One `--fault`: what it does at each endpoint, how often, and to the requests of which `client` and `user`."""

    text: str
    decisions: Mapping[str, FaultDecision]
    frequency: Frequency = ALWAYS
    client: str = ""
    user: str = ""

    @property
    def is_failure(self) -> bool:
        return any(decision.rule or decision.closes for decision in self.decisions.values())

    @property
    def is_narrowed(self) -> bool:
        return bool(self.client or self.user)

    def concerns(self, sender: Sender) -> bool:
        return self.client in {"", *sender.clients} and self.user in {"", *sender.users}


def parse_fault(text: str) -> Fault:
    """Return the fault; raises UsageError."""
    what, *conditions = text.strip().lower().split(",")
    match = _FAULT.fullmatch(what)
    if match is None:
        raise UsageError(f"invalid fault '{text}'", HINT)
    where, is_latency, outcome, *frequency = match.groups()
    if where == LATENCY and not is_latency:
        where, is_latency = ALL, LATENCY
    if where not in {ALL, *ENDPOINTS}:
        raise UsageError(f"unknown endpoint '{where}' in '{text}'", f"one of: {', '.join((*ENDPOINTS, ALL))}")
    endpoints = tuple(ENDPOINTS) if where == ALL else (where,)
    decisions = _parse_latency(text, endpoints, outcome) if is_latency else _parse_outcome(text, endpoints, outcome)
    fault = Fault(text, decisions, _parse_frequency(text, *frequency), **_parse_conditions(text, conditions))
    if fault.is_narrowed and "healthz" in endpoints:
        raise UsageError(
            f"'{text}' names a client or user, but requests to healthz have neither", "use token or userinfo"
        )
    return fault


def _parse_conditions(text: str, conditions: list[str]) -> dict[str, str]:
    """Return the `client` and the `user` that a fault is limited to."""
    found: dict[str, str] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if name not in ("client", "user") or not equals or not value or name in found:
            raise UsageError(
                f"invalid condition '{condition}' in '{text}'", "use client=NAME or user=NAME, each at most once"
            )
        found[name] = value
    return found


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
    owner = "userinfo" if outcome in USERINFO_RULES else "token"
    possible = {each for each in ENDPOINTS if is_rule and (outcome in _COMMON_RULES or each == owner)}
    if is_rule and possible.isdisjoint(endpoints):
        where = ", ".join(f"{endpoint}={outcome}" for endpoint in ENDPOINTS if endpoint in possible)
        raise UsageError(f"the rule {outcome} of '{text}' does not apply to {', '.join(endpoints)}", f"use {where}")
    rules = dict.fromkeys(possible, outcome) if is_rule else STATUSES.get(outcome, {})
    decisions = {endpoint: FaultDecision(rules[endpoint]) for endpoint in endpoints if endpoint in rules}
    if not decisions:
        statuses = [status for status, rules in STATUSES.items() if {*endpoints} & {*rules}]
        raise UsageError(
            f"invalid fault '{outcome}' in '{text}'",
            f"one of: {', '.join((*statuses, CLOSE))}; or the rule of a refusal, such as key_expired",
        )
    return decisions


def _parse_frequency(text: str, at: str | None, number: str | None, suffix: str | None) -> Frequency:
    if number is None:
        return ALWAYS
    if at and not suffix and _COUNT.fullmatch(number):
        return Frequency(only=int(number))
    if suffix and not at and _COUNT.fullmatch(number):
        return Frequency(first=int(number))
    if at or suffix or not _PROBABILITY.fullmatch(number) or float(number) > 1:
        raise UsageError(
            f"invalid probability '{at}{number}{suffix}' in '{text}'",
            "use a number from 0 to 1, such as 0.1; 2x for the first two requests, or @3 for the third",
        )
    return Frequency(float(number))


HINT = "ENDPOINT=STATUS:PROBABILITY, such as token=503:0.1, token=401:2x, userinfo=close; or latency=200ms"
