"""Judge responses during changes: each must match the state before or after the change, never an older one."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

GRANT, USERINFO = 0, 1

CODES: dict[str, tuple[str, str]] = {
    "application": ("111", "111"),
    "remote REST": ("230", ""),
    "API keys": ("230", ""),
    "client secret": ("116", ""),
    "key": ("11", "102"),
    "password": ("11", ""),
    "password session": ("101", "102"),
    "user": ("9", "9"),
    "unblocked user": ("10", "10"),
    "session": ("101", "102"),
}
"""The error codes of a grant and of userinfo when this is not valid; empty when it does not affect them."""


@dataclass(eq=False)
class Thing:
    """
    Something that requests depend on, valid or not, changed by one process at a time.

    Instants are of the machine's monotonic clock, which all its processes share.
    """

    kind: str
    name: str
    _begun: list[float] = field(default_factory=lambda: [-inf], repr=False)
    _acknowledged: list[float] = field(default_factory=lambda: [-inf], repr=False)
    _good: list[bool] = field(default_factory=lambda: [True], repr=False)

    @property
    def good(self) -> bool:
        return self._good[-1]

    def changed(self, begun: float, acknowledged: float, *, good: bool) -> None:
        self._begun.append(begun)
        self._acknowledged.append(acknowledged)
        self._good.append(good)

    def states(self, begun: float, ended: float) -> set[bool]:
        settled = bisect_left(self._acknowledged, begun) - 1
        return set(self._good[settled : bisect_right(self._begun, ended)])

    def age(self, at: float) -> float:
        return at - self._acknowledged[bisect_left(self._acknowledged, at) - 1]


class Answer(NamedTuple):
    """
    A request, what it depends on, when it was sent, and the error code of the refusal, empty when there was none.

    Of a grant, `begun` is when its token was issued: none may be issued after a change was acknowledged.
    """

    asked: int
    things: tuple[Thing, ...]
    begun: float
    ended: float
    code: str

    def wrong(self) -> str:
        what = ("grant", "userinfo")[self.asked]
        bearing = [(each, each.states(self.begun, self.ended)) for each in self.things if CODES[each.kind][self.asked]]
        if not self.code:
            ended = [each for each, states in bearing if states == {False}]
            told = [f"{each.kind} {each.name} ended {1000 * each.age(self.begun):.1f} ms before" for each in ended]
            return f"{what} accepted, though {' and '.join(told)}" if told else ""
        causes = {CODES[each.kind][self.asked] for each, states in bearing if False in states}
        told = sorted(causes) or ["all is good"]
        return "" if self.code in causes else f"{what} refused with {self.code}, and not for {' or '.join(told)}"


def wrongs(answers: Iterable[Answer]) -> list[str]:
    return [wrong for answer in answers if (wrong := answer.wrong())]
