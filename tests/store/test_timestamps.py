"""Timestamps in the store."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import StoreUnusableError
from gamcli.store.timestamps import LATEST, from_micros, from_micros_or_none, to_micros, to_micros_or_none


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_is_kept_to_the_microsecond(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at
    assert from_micros_or_none(to_micros_or_none(at)) == at


def test_no_instant_is_kept_as_null() -> None:
    assert to_micros_or_none(None) is None
    assert from_micros_or_none(None) is None


@pytest.mark.parametrize("stored", [(1 << 63) - 1, -(1 << 63), to_micros(LATEST) + 1])
def test_a_timestamp_out_of_range_is_damage(stored: int) -> None:
    with pytest.raises(StoreUnusableError, match="invalid timestamp") as caught:
        from_micros(stored)
    assert caught.value.hint == "gamcli store check"
