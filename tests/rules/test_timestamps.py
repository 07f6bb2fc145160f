"""Parsing of times."""

from datetime import UTC, datetime, timedelta

import pytest

from gamcli.errors import UsageError
from gamcli.rules import timestamps
from tests.cases import for_each

NOW = datetime(2026, 3, 8, 12, 30, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@for_each(
    ("text", "expected"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("7d ago", NOW - timedelta(days=7)),
        (" 90m ", NOW - timedelta(minutes=90)),
        ("0", NOW),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01 12:00:00Z", NOON),
        ("2026-03-01T12:00:00.123456789Z", NOON),
        ("2026-03-01T09:00:00-03:00", NOON),
        ("2026-03-01T12:00:00+00:00", NOON),
    ],
)
def test_an_instant_is_a_duration_back_a_day_or_rfc_3339(text: str, expected: datetime) -> None:
    result = timestamps.parse(text, NOW)
    assert result == expected
    assert result.tzinfo is UTC


@for_each(
    "text",
    [
        "", "ago", "2026-03-01 ago", "٢٠٢٦-03-01",
        "yesterday", "7", "-7d", "2026", "2026-03", "2026-02-30", "2026-03-01T12:00Z", "2026-03-01T12:00:00",
        "2026-03-01T25:00:00Z", "20260301", "2026-W10-1", "9999-12-31T23:59:59-01:00", "99999d",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_forms_that_there_are(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        timestamps.parse(text, NOW)
    assert caught.value.message == f"invalid time '{text}'"
    assert caught.value.hint == timestamps.TIME_FORMATS
