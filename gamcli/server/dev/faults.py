"""
Injected faults for tests of clients: `--fault` decides which requests are refused, delayed or cut off.

Every fault and endpoint has its own sequence of random numbers, from the seed: the third token request has the same
result in every run, whatever other requests come in between.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gamcli.errors import UsageError
from gamcli.server.dev.fault_syntax import (
    ENDPOINTS,
    NO_FAULT,
    Fault,
    FaultDecision,
    Sender,
    parse_fault,
)

if TYPE_CHECKING:
    from random import Random


_ENDPOINT_BY_SEGMENT = {segment: name for name, segment in ENDPOINTS.items()}


def require_effective(faults: Sequence[Fault]) -> None:
    """
    Raise UsageError for a fault that can never apply.

    An earlier one fails all of its requests, or is the same.
    """
    for number, fault in enumerate(faults):
        for earlier in faults[:number]:
            if fault.text == earlier.text:
                raise UsageError(f"the fault '{fault.text}' is already injected", "use a count, such as token=503:2x")
            if fault.is_failure and _covers(earlier, fault):
                raise UsageError(
                    f"the fault '{fault.text}' never applies, because '{earlier.text}' before it always does",
                    f"limit the first one, such as {earlier.text}:2x, or leave one of them out",
                )


def _covers(earlier: Fault, fault: Fault) -> bool:
    """Return whether the earlier fault fails all requests of the other one, or the same only request."""
    is_wider = earlier.client in ("", fault.client) and earlier.user in ("", fault.user)
    is_earlier_due = earlier.frequency.is_always or (
        earlier.frequency.only is not None and earlier.frequency == fault.frequency
    )
    return earlier.is_failure and is_wider and is_earlier_due and {*fault.decisions} <= {*earlier.decisions}


class Faults:
    """
    The faults of a server, with the state of their random sequences.

    Of faults that fail a request, one applies: the first that is due. So faults with a count queue: `token=503:2x` and
    `token=429:1x` answer three requests with 503, 503 and 429.
    """

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._seed = seed
        self._faults = [*faults]
        require_effective(self._faults)
        self._randoms: dict[tuple[str, str], Random] = {}
        self._request_counts: dict[tuple[str, str], int] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the faults as they were written."""
        return (fault.text for fault in tuple(self._faults))

    def add(self, text: str) -> None:
        """Add a fault such as "token=503:0.1"; raises UsageError."""
        fault = parse_fault(text)
        require_effective([*self._faults, fault])
        self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults, and reset their sequences."""
        self._faults.clear()
        self._randoms.clear()
        self._request_counts.clear()

    def decide(self, path: str, identify: Callable[[], Sender] = Sender) -> FaultDecision:
        """
        Decide about the next request to `path`: the first refusal or cut, and the sum of all latencies.

        `identify` returns who sent the request; it is called only if a fault is limited to a client or user.
        """
        if not self._faults:
            return NO_FAULT
        endpoint = _ENDPOINT_BY_SEGMENT.get(path.lower().rpartition("/")[2], "")
        possible = [fault for fault in self._faults if endpoint in fault.decisions]
        if any(fault.is_narrowed for fault in possible):
            sender = identify()
            possible = [fault for fault in possible if fault.concerns(sender)]
        failure, delay, applied = NO_FAULT, 0.0, list[str]()
        for fault in possible:
            is_taken = fault.is_failure and failure is not NO_FAULT
            if self._is_due(fault, endpoint, is_taken=is_taken):
                applied.append(fault.text)
                decision = fault.decisions[endpoint]
                delay += decision.delay_seconds
                failure = decision if fault.is_failure and not is_taken else failure
        if not applied:
            return NO_FAULT
        return FaultDecision(failure.rule, failure.closes, delay, " ".join(["fault", *applied]))

    def _is_due(self, fault: Fault, endpoint: str, *, is_taken: bool) -> bool:
        """
        Return whether a fault applies to this request.

        Every random fault draws, so that none shifts the sequence of another. A count waits while another fault fails
        the request (`is_taken`).
        """
        key = fault.text, endpoint
        if fault.frequency.only is not None:
            self._request_counts[key] = number = self._request_counts.get(key, 0) + 1
            return number == fault.frequency.only
        if fault.frequency.first is not None:
            if is_taken or self._request_counts.get(key, 0) == fault.frequency.first:
                return False
            self._request_counts[key] = self._request_counts.get(key, 0) + 1
            return True
        if key not in self._randoms:
            from random import Random  # noqa: PLC0415 - start-up: few servers have faults

            self._randoms[key] = Random(f"{self._seed} {fault.text} {endpoint}")  # noqa: S311 - no secret
        return self._randoms[key].random() < fault.frequency.probability
