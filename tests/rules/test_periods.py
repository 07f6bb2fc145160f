"""Calendar days, weeks and months."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.rules import periods

INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
WAYS = st.sampled_from([periods.DAY, periods.WEEK, periods.MONTH])


@pytest.mark.parametrize(
    ("by", "start", "end"), [("day", (12, 31), (1, 1)), ("week", (12, 28), (1, 4)), ("month", (12, 1), (1, 1))]
)
def test_an_instant_falls_into_a_period_of_the_calendar(by: str, start: tuple[int, int], end: tuple[int, int]) -> None:
    begun = periods.period_start(datetime(2026, 12, 31, 23, 59, tzinfo=UTC), by)
    assert begun == datetime(2026, *start, tzinfo=UTC)
    assert periods.next_period_start(begun, by) == datetime(2027, *end, tzinfo=UTC)


@given(INSTANTS, WAYS)
def test_every_instant_falls_into_one_period(instant: datetime, by: str) -> None:
    start = periods.period_start(instant, by)
    end = periods.next_period_start(start, by)
    assert start <= instant < end
    assert periods.period_start(start, by) == start
    assert periods.period_start(end - timedelta(microseconds=1), by) == start
    assert periods.period_start(end, by) == end


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=400)), WAYS)
def test_periods_follow_each_other_without_a_gap(first: datetime, length: timedelta, by: str) -> None:
    last = first + length
    result = list(periods.iter_periods(first, last, by))
    assert all(one.end == other.start for one, other in pairwise(result))
    assert all(each.start < each.end for each in result)
    if result:
        assert result[0].start == periods.period_start(first, by)
        assert result[-1].end == last
