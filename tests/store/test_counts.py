"""Counts of keys, read from indexes."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.model import App, Key, User
from gamcli.store import Store, Transaction, apps, counts, key_uses, keys, users

Trial = Callable[[], AbstractContextManager[Transaction]]

DAYS = st.none() | st.integers(-3, 3).map(lambda days: timedelta(days=days))
ENDS = st.sampled_from([None, None, "revoked", "replaced", "invalidated"])
LIVES = st.lists(st.tuples(DAYS, DAYS, ENDS, st.booleans()), max_size=12)
Lives = list[tuple[timedelta | None, timedelta | None, str | None, bool]]


def kept(tx: Transaction, ana: User, portal: App, key: Key, lives: Lives) -> list[Key]:
    users.add(tx, ana)
    apps.add(tx, portal)
    made = []
    for number, (expires, retires, end, is_disabled) in enumerate(lives):
        at = key.created_at
        one = key._replace(
            id=f"{number:08}",
            expires_at=None if expires is None else at + expires,
            retires_at=None if retires is None else at + retires,
            ended_at=at if end else None,
            end=end,
            disabled_at=at if is_disabled else None,
        )
        keys.add(tx, one)
        made.append(one)
    return made


@given(lives=LIVES)
def test_keys_are_counted_as_their_records_tell(
    trial: Trial, ana: User, portal: App, key: Key, now: datetime, lives: Lives
) -> None:
    with trial() as tx:
        made = kept(tx, ana, portal, key, lives)
        assert +counts.count_by_status(tx, now) == Counter(each.status(now) for each in made)
        live = [each for each in made if each.is_valid(now)]
        assert (
            counts.count_keys_of(tx, portal, now)
            == counts.count_keys_of(tx, ana, now)
            == +counts.count_by_status(tx, now)
        )
        assert counts.count_never_used(tx, now) == len(live)
        assert counts.count_disabled_keys(tx, now) == sum(not each.enabled for each in live)
        active = [each for each in live if each.status(now) == "active" and each.expires_at]
        first = keys.find_next_to_expire(tx, portal.client_id, now)
        assert (first and first.expires_at) == min(
            (each.expires_at for each in active if each.expires_at), default=None
        )
        retiring = [each.retires_at for each in live if each.status(now) == "retiring"]
        retires = keys.find_next_to_retire(tx, portal.client_id, now)
        assert (retires and retires.retires_at) == min(filter(None, retiring), default=None)
        soon = now + timedelta(days=2)
        wanted = keys.KeyFilter(not_ended=True, expires_before=soon, include_retiring=True)
        ends = {each.id: min(filter(None, (each.expires_at, each.retires_at)), default=None) for each in made}
        found = [each.id for each in keys.search(tx, wanted)]
        assert found == [each.id for each in made if not each.end and (end := ends[each.id]) and end <= soon]
        plain = [each for each in made if each.end is None and each.retires_at is None]
        assert counts.count_unlimited(tx) == sum(each.expires_at is None for each in plain)
        later = [each.expires_at for each in plain if each.expires_at and each.expires_at >= now]
        assert counts.count_expiring(tx, now) == len(later)
        day = now + timedelta(days=2)
        assert counts.count_expiring(tx, now, day) == sum(each < day for each in later)


@pytest.mark.needs_file
def test_no_row_is_read_for_a_count(store: Store, now: datetime) -> None:
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]  # noqa: SLF001 - the statements as they are asked
    with store.reading() as tx:
        counts.count_by_status(tx, now)
        counts.count_expiring(tx, now, now)
        counts.count_expiring(tx, now)
        counts.count_unlimited(tx)
        questions = [sql for sql in asked if "FROM key" in sql]
        plans = [str(row[3]) for sql in questions for row in tx.each(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(questions) > 10
    assert [plan for plan in plans if "COVERING INDEX" not in plan] == []


def test_the_keys_used_last_come_latest_first(peopled: Store, key: Key, portal: App, now: datetime) -> None:
    with peopled.writing() as tx:
        for number in range(4):
            keys.add(tx, key._replace(id=f"{number:08}"))
            at = now + timedelta(hours=-number)
            key_uses.record(tx, {f"{number:08}": key_uses.KeyUse(1, at, at, None)})
        assert [each.id[-1] for each in keys.find_last_used(tx, portal.client_id, 3)] == ["0", "1", "2"]
