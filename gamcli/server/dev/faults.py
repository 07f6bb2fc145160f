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

_WAITS = "store_busy"
"""The one refusal that is tried again before it leaves: it would be struck twice."""

_FORM = re.compile(r"(?:([a-z]+)(?:\.(latency))?)=([0-9a-z_]+)(?::([0-9.]+)(x?))?", re.ASCII)
_LENGTH = re.compile(r"([0-9]{1,9})(ms|s)", re.ASCII)
_CHANCE = re.compile(r"0|1|[01]?\.[0-9]{1,9}", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request: refused by a rule, cut off, held back for so many seconds; `told` says by whom."""

    rule: str = ""
    cuts: bool = False
    seconds: float = 0.0
    told: str = ""

    def strike(self) -> None:
        """Refuse the request, if that is its fate."""
        if self.rule:
            raise RefusedError(self.rule, "a fault on demand")


SPARED = Fate()


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One `--fault`: the fate at each endpoint where it strikes, and how often it does.

    `chance` is one of a request, `first` the number of requests that are struck for certain, and no later one.
    """

    text: str
    fates: Mapping[str, Fate]
    chance: float = 1.0
    first: int | None = None


def read(text: str) -> Fault:
    """Return the fault that `text` asks for; raises UsageError with what is possible."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"'{text}' is no fault", HINT)
    where, is_latency, what, often, counts = found.groups()
    if where == LATENCY and not is_latency:
        where, is_latency = ALL, LATENCY
    if where not in {ALL, *ENDPOINTS}:
        raise UsageError(f"no endpoint '{where}' in '{text}'", f"one of: {', '.join((*ENDPOINTS, ALL))}")
    endpoints = tuple(ENDPOINTS) if where == ALL else (where,)
    fates = _held(text, endpoints, what) if is_latency else _refused(text, endpoints, what)
    return Fault(text, fates, *_often(text, often, counts))


def _held(text: str, endpoints: tuple[str, ...], what: str) -> dict[str, Fate]:
    found = _LENGTH.fullmatch(what)
    seconds = int(found[1]) / (1000 if found[2] == "ms" else 1) if found else MAX_SECONDS + 1
    if seconds > MAX_SECONDS:
        raise UsageError(
            f"no latency '{what}' in '{text}'", f"milliseconds or seconds, up to {MAX_SECONDS}s: latency=200ms"
        )
    return dict.fromkeys(endpoints, Fate(seconds=seconds))


def _refused(text: str, endpoints: tuple[str, ...], what: str) -> dict[str, Fate]:
    """Return what becomes of a request at each of the endpoints where such an answer is given, or none at all."""
    if what == CLOSE:
        return dict.fromkeys(endpoints, Fate(cuts=True))
    named = {what: dict.fromkeys(ENDPOINTS, what)} if what in refusals.TABLE and what != _WAITS else STATUSES
    fates = {each: Fate(named[what][each]) for each in endpoints if each in named.get(what, ())}
    if not fates:
        statuses = [status for status, rule_of in STATUSES.items() if {*endpoints} & {*rule_of}]
        raise UsageError(
            f"no fault '{what}' in '{text}'",
            f"one of: {', '.join((*statuses, CLOSE))}; or a rule of the refusals, such as key_expired",
        )
    return fates


def _often(text: str, often: str | None, counts: str | None) -> tuple[float, int | None]:
    """Return the chance of a request, and how many are struck before all others are spared."""
    if often is None:
        return 1.0, None
    if counts and _COUNT.fullmatch(often):
        return 1.0, int(often)
    if counts or not _CHANCE.fullmatch(often) or float(often) > 1:
        raise UsageError(
            f"no probability '{often}{counts}' in '{text}'", "from 0 to 1, such as 0.1; or 2x for the first two"
        )
    return float(often), None


HINT = "ENDPOINT=STATUS:PROBABILITY, such as token=503:0.1, token=401:2x, userinfo=close; or latency=200ms"


class Faults:
    """The faults of a server, and what is left of their sequences of chance."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._seed = seed
        self._faults = [*faults]
        self._chance: dict[tuple[str, str], Random] = {}
        self._struck: dict[tuple[str, str], int] = {}

    def add(self, text: str) -> None:
        """Add what `text` asks for, such as "token=503:0.1"; raises UsageError."""
        self._faults.append(read(text))

    def clear(self) -> None:
        """Let everything go well from now on; faults that are added later begin anew."""
        self._faults.clear()
        self._chance.clear()
        self._struck.clear()

    def fate(self, path: str) -> Fate:
        """Return what becomes of the next request to `path`: the first refusal or cut, and all latencies."""
        if not self._faults:
            return SPARED
        endpoint = _endpoint(path.lower().rpartition("/")[2])
        striking = [each for each in self._faults if endpoint in each.fates and self._strikes(each, endpoint)]
        if not striking:
            return SPARED
        fates = [each.fates[endpoint] for each in striking]
        worst = next((each for each in fates if each.rule or each.cuts), SPARED)
        told = " ".join(["fault", *(each.text for each in striking)])
        return Fate(worst.rule, worst.cuts, sum(each.seconds for each in fates), told)

    def _strikes(self, fault: Fault, endpoint: str) -> bool:
        """Draw, for one request; each is a draw, so that no fault moves the sequence of another."""
        place = fault.text, endpoint
        if fault.first is not None:
            self._struck[place] = struck = self._struck.get(place, 0) + 1
            return struck <= fault.first
        if place not in self._chance:
            from random import Random  # noqa: PLC0415 - start-up: few servers have faults

            self._chance[place] = Random(f"{self._seed} {fault.text} {endpoint}")  # noqa: S311 - a rehearsal, no secret
        return self._chance[place].random() < fault.chance


@lru_cache
def _endpoint(end: str) -> str:
    return next((name for name, last in ENDPOINTS.items() if last == end), "")
