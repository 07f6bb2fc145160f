"""Parsing and formatting of durations."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import UsageError
from gamcli.rules import durations
from tests.cases import for_each


@for_each(
    ("text", "length"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
        (" 90D ", timedelta(days=90)),
        ("0d", timedelta(0)),
        ("007d", timedelta(days=7)),
        ("36500d", timedelta(days=36_500)),
    ],
)
def test_a_whole_number_and_a_unit_are_a_duration(text: str, length: timedelta) -> None:
    assert durations.parse(text) == length


@for_each(
    "text",
    ["", "d", "90", "1.5h", "-1d", "+1d", "1 d", "1h30m", "٣d", "1d\x00", "d1", "9" * 11 + "d", "9" * 5000 + "d"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid duration") as caught:
        durations.parse(text)
    assert "90d" in str(caught.value.hint)


@for_each("text", ["36501d", "5215w", "876001h", "9999999999w", "9999999999d", "9999999999s"])
def test_more_than_a_century_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="longer than 100 years"):
        durations.parse(text)


@given(st.integers(0, 5_214), st.sampled_from("smhdw"))
def test_a_duration_is_its_number_of_units(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit]
    assert durations.parse(f"{number}{unit}") == timedelta(seconds=number * seconds)


def test_nothing_needs_no_unit() -> None:
    assert durations.parse(" 0 ") == durations.parse("0s") == timedelta(0)


@for_each(
    ("length", "expected"),
    [
        (timedelta(0), None),
        (timedelta(seconds=-1), None),
        (timedelta(seconds=1), 1),
        (timedelta(days=999_999_999), None),
    ],
)
def test_after_no_time_and_after_all_time_is_never(now: datetime, length: timedelta, expected: int | None) -> None:
    assert durations.add_duration(now, length) == (None if expected is None else now + timedelta(seconds=expected))


def test_the_earliest_of_nothing_is_never(now: datetime) -> None:
    assert durations.earliest() is None
    assert durations.earliest(None, None) is None
    assert durations.earliest(None, now + timedelta(1), now) == now


@for_each(
    ("length", "expected"),
    [
        (timedelta(days=14), "14d"),
        (timedelta(hours=36), "36h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=61), "61s"),
        (timedelta(0), None),
        (timedelta(days=-1), None),
        (timedelta(milliseconds=1500), None),
        (timedelta(days=36_500), "36500d"),
        (timedelta(days=36_500, seconds=1), None),
    ],
)
def test_a_duration_is_written_in_its_largest_unit(length: timedelta, expected: str | None) -> None:
    assert durations.format_duration(length) == expected
    assert expected is None or durations.parse(expected) == length


@for_each(
    ("seconds", "expected"),
    [
        (-5, "0 minutes"), (59, "0 minutes"), (60, "1 minute"), (3599, "59 minutes"), (3600, "1 hour"),
        (86_399, "23 hours"), (86_400, "1 day"), (2 * 86_400 - 1, "1 day"), (2000 * 86_400, "2,000 days"),
    ],
)  # fmt: skip
def test_the_time_that_is_left_is_in_whole_units(seconds: int, expected: str) -> None:
    assert durations.format_remaining(timedelta(seconds=seconds)) == expected


@for_each(
    ("text", "hint"),
    [
        ("1M", "use days, such as 30d; 1m is minutes"), ("2y", "use days, such as 730d"),
        ("3mo", "use days, such as 90d"),
        ("P30D", "use 30d"), ("PT12H", "use 12h"), ("P1Y2M", "use 425d"), ("P1DT1H", "use 25h"), ("p2w", "use 14d"),
        ("P", "use a number and a unit, such as 90d, 12h or 30m"),
        ("5x", "use a number and a unit, such as 90d, 12h or 30m"),
        ("P99999Y", "use a number and a unit, such as 90d, 12h or 30m"),
    ],
)  # fmt: skip
def test_other_notations_are_refused_with_an_example_that_fits(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match="invalid duration") as caught:
        durations.parse(text)
    assert caught.value.hint == hint
    example = re.search(r"[0-9]+[smhdw]\b", hint)
    assert example
    assert durations.parse(example[0])


@for_each(("text", "seconds"), [("1D", 86_400), ("2H", 7_200), ("3S", 3), ("1W", 604_800), ("1m", 60)])
def test_units_that_mean_one_thing_only_are_accepted_in_either_case(text: str, seconds: int) -> None:
    assert durations.parse(text).total_seconds() == seconds


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2027-06-30", datetime(2027, 6, 30, tzinfo=UTC)),
        (" 2027-06-30T12:00:00Z ", datetime(2027, 6, 30, 12, tzinfo=UTC)),
        ("2027-06-30T12:00:00+02:00", datetime(2027, 6, 30, 10, tzinfo=UTC)),
    ],
)
def test_an_instant_is_a_date_or_a_time_in_utc(text: str, instant: datetime) -> None:
    assert durations.parse_instant(text) == instant
    assert durations.parse_instant(text).tzinfo is UTC


@for_each("text", ["", "30d", "2027-13-01", "tomorrow"])
def test_other_texts_are_not_instants(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        durations.parse_instant(text)
    assert raised.value.message == f"invalid date '{text}'"
