"""Which clock decides about expiry."""

from datetime import UTC, datetime, timedelta

from gamcli.store.postgres.clock import DatabaseClock
from tests.cases import for_each

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@for_each(("ahead", "correction"), [(0.0, 0.0), (1.9, 0.0), (-2.0, 0.0), (2.1, 2.1), (600.0, 600.0), (-600.0, -600.0)])
def test_a_clock_that_differs_by_more_than_two_seconds_is_corrected(ahead: float, correction: float) -> None:
    clock = DatabaseClock(lambda: NOON)
    clock.update(NOON + timedelta(seconds=ahead))
    assert clock.correction == timedelta(seconds=correction)
