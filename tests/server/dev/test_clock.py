"""The clock of the development server."""

from datetime import UTC, datetime, timedelta

import pytest

from gamcli.errors import UsageError
from gamcli.server.dev.clock import Clock, stopped_clock
from tests.cases import for_each


def is_now(instant: datetime) -> bool:
    return abs(datetime.now(UTC) - instant) < timedelta(minutes=1)


def test_a_clock_goes_until_it_is_set() -> None:
    clock = Clock()
    assert is_now(clock())
    assert clock().utcoffset() == timedelta(0)
    assert clock() <= clock()


def test_a_clock_that_is_moved_goes_on_from_there() -> None:
    clock = Clock()
    assert is_now(clock.forward("2h") - timedelta(hours=2))
    assert is_now(clock() - timedelta(hours=2))
    clock.forward(timedelta(hours=-3))
    assert is_now(clock() + timedelta(hours=1))
    clock.forward("+1h")
    assert is_now(clock())


def test_a_clock_that_stands_still_can_be_moved() -> None:
    clock = Clock()
    assert clock.stop("2026-01-01T00:00:00Z") == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.forward("90m") == clock() == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    assert clock.forward("-1d") == clock() == datetime(2025, 12, 31, 1, 30, tzinfo=UTC)
    assert clock.stop(datetime(2026, 2, 1, tzinfo=UTC)) == clock()
    assert clock.stop() == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01t02:30:00.25+02:30", datetime(2026, 1, 1, 0, 0, 0, 250000, tzinfo=UTC)),
        (" 2026-01-01 00:00:00z", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_what_rfc_3339_says(text: str, shown: datetime) -> None:
    clock = stopped_clock(text)
    assert clock() == clock() == shown


def test_a_step_from_now_is_an_instant_too() -> None:
    clock = stopped_clock("-1d")
    assert is_now(clock() + timedelta(days=1))
    assert clock() == clock()


@for_each(
    "text",
    ["", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00", "+", "-2",
     "+1y", "--1d", "20260101T000000Z", "2026-W01-1T00:00:00Z", "٢026-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_instant_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        stopped_clock(text)
    assert refused.value.hint


def test_no_clock_goes_beyond_the_calendar() -> None:
    clock = stopped_clock("9999-12-31T00:00:00Z")
    with pytest.raises(UsageError, match="the time is out of range"):
        clock.forward("2d")
    assert clock() == datetime(9999, 12, 31, tzinfo=UTC)


def test_a_stopped_clock_goes_on_from_another_time() -> None:
    clock = stopped_clock("2026-01-01T00:00:00Z")
    assert not clock.is_running
    assert clock.run("2031-05-06T07:08:09Z") == datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert clock.is_running
    assert datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC) < clock() < datetime(2031, 5, 6, 7, 9, tzinfo=UTC)
