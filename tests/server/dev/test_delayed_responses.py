"""Delayed responses."""

from queue import SimpleQueue
from time import monotonic

from gamcli.server.dev.server import DelayedResponses


def test_who_is_due_first_leaves_first() -> None:
    bell: SimpleQueue[None] = SimpleQueue()
    delays: DelayedResponses[str] = DelayedResponses(lambda: bell.put(None))
    began = monotonic()
    for name, seconds in (("long", 0.2), ("short", 0.05), ("shorter", 0.0)):
        delays.add(name, seconds)
    left: dict[str, float] = {}
    while len(left) < 3:
        bell.get(timeout=10)
        left |= {name: monotonic() - began for name in delays.pop_due()}
    assert [*left] == ["shorter", "short", "long"]
    assert left["short"] >= 0.05
    assert left["long"] >= 0.2
    assert delays.pop_due() == []
    delays.close()


def test_the_end_waits_for_nobody() -> None:
    bell: SimpleQueue[None] = SimpleQueue()
    delays: DelayedResponses[str] = DelayedResponses(lambda: bell.put(None))
    delays.add("late", 600.0)
    delays.close()
    delays.add("later", 0.0)
    assert delays.pop_due() == []
    assert bell.empty()


def test_in_a_hurry_nobody_is_held_back() -> None:
    bell: SimpleQueue[None] = SimpleQueue()
    delays: DelayedResponses[str] = DelayedResponses(lambda: bell.put(None))
    delays.add("late", 600.0)
    delays.release_all()
    bell.get(timeout=10)
    delays.add("later", 600.0)
    bell.get(timeout=10)
    assert delays.pop_due() == ["late", "later"]
    delays.close()
