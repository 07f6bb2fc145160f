"""Forecasts of expiring keys."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli import store
from gamcli.actions import Gam, forecasts, keys
from gamcli.actions.keys import KeySearch
from gamcli.model import Key
from gamcli.rules.keys import IssuedKey

WEEKS = timedelta(weeks=12)


@pytest.fixture
def put(gam: Gam, issued: IssuedKey) -> Callable[[list[Key]], None]:
    def kept(keys: list[Key]) -> None:
        with gam.store.writing() as tx:
            tx.run("DELETE FROM key")
            for number, key in enumerate(keys):
                store.keys.add(tx, key._replace(id=f"{number:08}", digest=issued.record.digest))

    return kept


HOURS = st.none() | st.integers(-100, 3000).map(lambda hours: timedelta(hours=hours))
LENGTHS = st.integers(0, 2500).map(lambda hours: timedelta(hours=hours))


def test_the_counts_add_up_to_the_keys_that_are_due(
    gam: Gam, issued: IssuedKey, put: Callable[[list[Key]], None], now: datetime
) -> None:
    @given(st.lists(st.tuples(HOURS, HOURS, st.booleans())), LENGTHS, st.sampled_from(["day", "week", "month"]))
    def adds_up(lives: list[tuple[timedelta | None, timedelta | None, bool]], within: timedelta, by: str) -> None:
        put(
            [
                issued.record._replace(
                    expires_at=None if expires is None else now + expires,
                    retires_at=None if retires is None else now + retires,
                    ended_at=now if ended else None,
                    end="revoked" if ended else None,
                )
                for expires, retires, ended in lives
            ]
        )
        outlook = forecasts.forecast(gam, by, within)
        with keys.search(gam, KeySearch(statuses=("active",), expiring_within=within)) as found:
            due = [each.expires_at for each in found if each.expires_at]
        assert sum(each.keys for each in outlook.periods) == len(due)
        for period in outlook.periods:
            last = period.end == outlook.until
            assert period.keys == sum(period.start <= at < period.end or (last and at == period.end) for at in due)
        with keys.search(gam, KeySearch(statuses=("active",))) as found:
            assert len(due) + outlook.expiring_later + outlook.never_expiring == len(list(found))

    adds_up()


def test_empty_periods_are_reported_too(gam: Gam) -> None:
    outlook = forecasts.forecast(gam, "week", WEEKS)
    assert [each.keys for each in outlook.periods] == [0] * 13
    assert (outlook.expiring_later, outlook.never_expiring) == (0, 0)
