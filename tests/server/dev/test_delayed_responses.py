"""Where answers are held back that shall come late."""

from queue import SimpleQueue
from time import monotonic

from gamcli.server.dev.delayed_responses import Delays


def test_who_is_due_first_leaves_first() -> None:
    """Whoever came first; and none before its time."""
    bell: SimpleQueue[None] = SimpleQueue()
    delays: Delays[str] = Delays(lambda: bell.put(None))
    began = monotonic()
    for name, seconds in (("long", 0.2), ("short", 0.05), ("shorter", 0.0)):
        delays.enter(name, seconds)
    left: dict[str, float] = {}
    while len(left) < 3:
        bell.get(timeout=10)
        left |= {name: monotonic() - began for name in delays.ready()}
    assert [*left] == ["shorter", "short", "long"]
    assert left["short"] >= 0.05
    assert left["long"] >= 0.2
    assert delays.ready() == []
    delays.close()


def test_the_end_waits_for_nobody() -> None:
    """And rings no more."""
    bell: SimpleQueue[None] = SimpleQueue()
    delays: Delays[str] = Delays(lambda: bell.put(None))
    delays.enter("late", 600.0)
    delays.close()
    delays.enter("later", 0.0)
    assert delays.ready() == []
    assert bell.empty()


def test_in_a_hurry_nobody_is_held_back() -> None:
    """Neither those who are there nor those who come."""
    bell: SimpleQueue[None] = SimpleQueue()
    delays: Delays[str] = Delays(lambda: bell.put(None))
    delays.enter("late", 600.0)
    delays.hurry()
    bell.get(timeout=10)
    delays.enter("later", 600.0)
    bell.get(timeout=10)
    assert delays.ready() == ["late", "later"]
    delays.close()
