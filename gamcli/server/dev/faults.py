"""
Faults on demand, for tests of clients: which request is refused, held back or cut off, as `--fault` says.

Chance is a sequence that its seed decides, one for each fault and endpoint: the third request for a token fares in
every run as it did before, whatever else is asked in between.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gamcli.errors import RefusedError, UsageError
from gamcli.server.endpoints import refusals

if TYPE_CHECKING:
    from random import Random

ALL = "all"

ENDPOINTS = {"token": "access_token", "userinfo": "userinfo", "healthz": "healthz"}
"""What `--fault` calls an endpoint, and the end of its path."""

LATENCY = "latency"
CLOSE = "close"

MAX_SECONDS = 600

STATUSES: dict[str, dict[str, str]] = {
    "401": {"token": "client_secret_wrong", "userinfo": "token_expired"},
    "429": dict.fromkeys(ENDPOINTS, "too_many_failures"),
    "500": dict.fromkeys(ENDPOINTS, "bug"),
    "503": dict.fromkeys(ENDPOINTS, "store_gone"),
}
"""The row of `refusals.TABLE` that a status means at each endpoint."""

_RETRIED_RULE = "store_busy"
"""The one refusal that is tried again before it leaves: it would be struck twice."""

_FAULT = re.compile(r"(?:([a-z]+)(?:\.(latency))?)=([0-9a-z_]+)(?::([0-9.]+)(x?))?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9})(ms|s)", re.ASCII)
_PROBABILITY = re.compile(r"0|1|[01]?\.[0-9]{1,9}", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FaultDecision:
    """What becomes of one request: refused by a rule, cut off, held back for so many seconds; `told` says by whom."""

    rule: str = ""
    closes: bool = False
    delay_seconds: float = 0.0
    detail: str = ""

    def raise_refusal(self) -> None:
        """Refuse the request, if that is its fate."""
        if self.rule:
            raise RefusedError(self.rule, "a fault on demand")


NO_FAULT = FaultDecision()


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One `--fault`: the fate at each endpoint where it strikes, and how often it does.

    `chance` is one of a request, `first` the number of requests that are struck for certain, and no later one.
    """

    text: str
    decisions: Mapping[str, FaultDecision]
    probability: float = 1.0
    first: int | None = None


def parse_fault(text: str) -> Fault:
    """Return the fault that `text` asks for; raises UsageError with what is possible."""
    found = _FAULT.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"'{text}' is no fault", HINT)
    where, is_latency, what, often, counts = found.groups()
    if where == LATENCY and not is_latency:
        where, is_latency = ALL, LATENCY
    if where not in {ALL, *ENDPOINTS}:
        raise UsageError(f"no endpoint '{where}' in '{text}'", f"one of: {', '.join((*ENDPOINTS, ALL))}")
    endpoints = tuple(ENDPOINTS) if where == ALL else (where,)
    fates = _parse_latency(text, endpoints, what) if is_latency else _parse_outcome(text, endpoints, what)
    return Fault(text, fates, *_parse_frequency(text, often, counts))


def _parse_latency(text: str, endpoints: tuple[str, ...], duration: str) -> dict[str, FaultDecision]:
    found = _DURATION.fullmatch(duration)
    seconds = int(found[1]) / (1000 if found[2] == "ms" else 1) if found else MAX_SECONDS + 1
    if seconds > MAX_SECONDS:
        raise UsageError(
            f"no latency '{duration}' in '{text}'", f"milliseconds or seconds, up to {MAX_SECONDS}s: latency=200ms"
        )
    return dict.fromkeys(endpoints, FaultDecision(delay_seconds=seconds))


def _parse_outcome(text: str, endpoints: tuple[str, ...], outcome: str) -> dict[str, FaultDecision]:
    """Return what becomes of a request at each of the endpoints where such an answer is given, or none at all."""
    if outcome == CLOSE:
        return dict.fromkeys(endpoints, FaultDecision(closes=True))
    named = (
        {outcome: dict.fromkeys(ENDPOINTS, outcome)}
        if outcome in refusals.TABLE and outcome != _RETRIED_RULE
        else STATUSES
    )
    fates = {each: FaultDecision(named[outcome][each]) for each in endpoints if each in named.get(outcome, ())}
    if not fates:
        statuses = [status for status, rule_of in STATUSES.items() if {*endpoints} & {*rule_of}]
        raise UsageError(
            f"no fault '{outcome}' in '{text}'",
            f"one of: {', '.join((*statuses, CLOSE))}; or a rule of the refusals, such as key_expired",
        )
    return fates


def _parse_frequency(text: str, frequency: str | None, suffix: str | None) -> tuple[float, int | None]:
    """Return the chance of a request, and how many are struck before all others are spared."""
    if frequency is None:
        return 1.0, None
    if suffix and _COUNT.fullmatch(frequency):
        return 1.0, int(frequency)
    if suffix or not _PROBABILITY.fullmatch(frequency) or float(frequency) > 1:
        raise UsageError(
            f"no probability '{frequency}{suffix}' in '{text}'", "from 0 to 1, such as 0.1; or 2x for the first two"
        )
    return float(frequency), None


HINT = "ENDPOINT=STATUS:PROBABILITY, such as token=503:0.1, token=401:2x, userinfo=close; or latency=200ms"


class Faults:
    """The faults of a server, and what is left of their sequences of chance."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._seed = seed
        self._faults = [*faults]
        self._randoms: dict[tuple[str, str], Random] = {}
        self._request_counts: dict[tuple[str, str], int] = {}

    def add(self, text: str) -> None:
        """Add what `text` asks for, such as "token=503:0.1"; raises UsageError."""
        self._faults.append(parse_fault(text))

    def clear(self) -> None:
        """Let everything go well from now on; faults that are added later begin anew."""
        self._faults.clear()
        self._randoms.clear()
        self._request_counts.clear()

    def decide(self, path: str) -> FaultDecision:
        """Return what becomes of the next request to `path`: the first refusal or cut, and all latencies."""
        if not self._faults:
            return NO_FAULT
        endpoint = _endpoint_name(path.lower().rpartition("/")[2])
        striking = [each for each in self._faults if endpoint in each.decisions and self._applies(each, endpoint)]
        if not striking:
            return NO_FAULT
        fates = [each.decisions[endpoint] for each in striking]
        worst = next((each for each in fates if each.rule or each.closes), NO_FAULT)
        told = " ".join(["fault", *(each.text for each in striking)])
        return FaultDecision(worst.rule, worst.closes, sum(each.delay_seconds for each in fates), told)

    def _applies(self, fault: Fault, endpoint: str) -> bool:
        """Draw, for one request; each is a draw, so that no fault moves the sequence of another."""
        place = fault.text, endpoint
        if fault.first is not None:
            self._request_counts[place] = struck = self._request_counts.get(place, 0) + 1
            return struck <= fault.first
        if place not in self._randoms:
            from random import Random  # noqa: PLC0415 - start-up: few servers have faults

            self._randoms[place] = Random(f"{self._seed} {fault.text} {endpoint}")  # noqa: S311 - a rehearsal, no secret
        return self._randoms[place].random() < fault.probability


@lru_cache
def _endpoint_name(segment: str) -> str:
    return next((name for name, last in ENDPOINTS.items() if last == segment), "")
