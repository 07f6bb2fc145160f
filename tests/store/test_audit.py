"""The audit trail in the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gamcli.model import AuditEntry, rfc3339
from gamcli.store import Store, Transaction, audit

Trial = Callable[[], AbstractContextManager[Transaction]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_entries_count_from_one_in_the_order_of_writing(store: Store) -> None:
    """Several may be written in one transaction."""
    for _ in range(2):
        with store.writing() as tx:
            for number in range(3):
                audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", str(number), "{}")
    with store.reading() as tx:
        found = [(entry.seq, entry.target) for entry in audit.each(tx)]
    assert found == [(1, "0"), (2, "1"), (3, "2"), (4, "0"), (5, "1"), (6, "2")]


@given(st.lists(TEXTS, min_size=4, max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_an_entry_comes_back_as_it_was_written(trial: Trial, texts: list[str], at: datetime) -> None:
    """Every column, in any script; the time to the second."""
    actor, action, target, details = texts
    with trial() as tx:
        audit.add(tx, rfc3339(at), actor, action, target, details)
        assert list(audit.each(tx)) == [AuditEntry(1, at.replace(microsecond=0), actor, action, target, details)]


def test_the_last_entry_is_the_head_of_the_trail(store: Store) -> None:
    """Every entry moves it; before the first there is none."""
    with store.writing() as tx:
        assert audit.last(tx) is None
        audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", "1", "{}")
        first = audit.last(tx)
        audit.add(tx, "2026-03-01T12:00:00Z", "tester", "test.note", "1", "{}")
        assert None is not first != audit.last(tx)
