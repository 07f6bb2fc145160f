"""The audit log in the store."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import StoreAuditLogError
from gamcli.model import AuditEntry, JsonText
from gamcli.store import Store, Transaction, audit
from gamcli.store.audit import AuditFilter
from tests.cases import for_each

pytestmark = pytest.mark.both_engines

Trial = Callable[[], AbstractContextManager[Transaction]]

AT = "2026-03-01T12:00:00Z"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_entries_count_from_one_in_the_order_of_writing(store: Store) -> None:
    for _ in range(2):
        with store.writing() as tx:
            for number in range(3):
                audit.add(tx, AT, "tester", "test.note", str(number), "{}")
    with store.reading() as tx:
        found = [(entry.seq, entry.target) for entry in audit.search(tx)]
    assert found == [(1, "0"), (2, "1"), (3, "2"), (4, "0"), (5, "1"), (6, "2")]


def test_nothing_follows_the_last_number_that_there_is(store: Store) -> None:
    with store.writing() as tx:
        audit.add(tx, AT, "tester", "test.note", "x", "{}")
        tx.run("UPDATE audit SET seq = ?", (1 << 63) - 1)
    with (
        pytest.raises(StoreAuditLogError, match="entry 9223372036854775807 has the largest possible number"),
        store.writing() as tx,
    ):
        audit.add(tx, AT, "tester", "test.note", "x", "{}")


@given(st.lists(TEXTS, min_size=4, max_size=4))
def test_an_entry_comes_back_as_it_was_written(trial: Trial, texts: list[str]) -> None:
    actor, action, target, details = texts
    with trial() as tx:
        audit.add(tx, AT, actor, action, target, details)
        head = audit.verify(tx)
        assert list(audit.search(tx)) == [AuditEntry(1, AT, actor, action, target, JsonText(details), head.hash)]
        assert audit.load_head(tx) == head


def test_the_last_change_is_what_stands_for_the_state(store: Store) -> None:
    with store.writing() as tx:
        assert (audit.load_last_change(tx), audit.load_head(tx)) == (None, None)
        audit.add(tx, AT, "tester", "test.note", "1", "{}")
        first, head = audit.load_last_change(tx), audit.load_head(tx)
        audit.add(tx, AT, "tester", audit.REFUSAL_ACTION, "portal", "{}")
        assert audit.load_last_change(tx) == first
        assert None is not head != audit.load_head(tx)
        audit.add(tx, AT, "tester", "test.note", "1", "{}")
        assert None is not first != audit.load_last_change(tx)


def search(tx: Transaction, **filters: Any) -> list[int]:  # noqa: ANN401 - the fields of a filter
    return [entry.seq for entry in audit.search(tx, AuditFilter(**filters))]


@pytest.fixture
def three(store: Store) -> Iterator[Transaction]:
    with store.writing() as tx:
        audit.add(tx, "2026-03-01T12:00:00Z", "root@build sudo=ana", "key.revoke", "K_1", "{}")
        audit.add(tx, "2026-03-02T12:00:00Z", "ana@desk", "key.set_label", "KX1", "{}")
        audit.add(tx, "2026-03-01T18:00:00Z", r"eva@desk\1 github=acme/app#7", "user.create", "100%", "{}")
    with store.reading() as tx:
        yield tx


@for_each(
    ("filters", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"actor": "ana"}, [1, 2]),
        ({"actor": "acme/app#7"}, [3]),
        ({"actor": "ana@desk"}, [2]),
        ({"actor": "sudo=ana"}, [1]),
        ({"actor": "root@build sudo=ana"}, [1]),
        ({"actor": "root"}, [1]),
        ({"actor": "an"}, []),
        ({"actor": "desk"}, []),
        ({"actor": r"eva@desk\1"}, [3]),
        ({"actor": "*ana*"}, [1, 2]),
        ({"actor": "*desk*"}, [2, 3]),
        ({"actor": "an*"}, [1, 2]),
        ({"actor": "a*a"}, [1, 2]),
        ({"actor": "sudo=a*"}, [1]),
        ({"actor": "github=acme/*"}, [3]),
        ({"actor": "acme/*"}, [3]),
        ({"actor": "root@*=ana"}, [1]),
        ({"actor": "*@desk"}, [2]),
        ({"actor": "a_a*"}, []),
        ({"action": "key.revoke"}, [1]),
        ({"action": "key.*"}, [1, 2]),
        ({"action": "key"}, []),
        ({"action": "*.create"}, [3]),
        ({"target": "K_1"}, [1]),
        ({"target": "KX1"}, [2]),
        ({"target": "kx1"}, []),
        ({"target": "K_*"}, [1]),
        ({"target": "1*%"}, [3]),
        ({"target": "%"}, []),
        ({"target": "%*"}, []),
        ({"since": datetime(2026, 3, 1, 18, tzinfo=UTC)}, [2, 3]),
        ({"until": datetime(2026, 3, 1, 18, tzinfo=UTC)}, [1]),
        ({"sort": "-seq"}, [3, 2, 1]),
        ({"sort": "at"}, [1, 3, 2]),
        ({"sort": "actor"}, [2, 3, 1]),
    ],
)
def test_a_filter_finds_what_it_names(three: Transaction, filters: dict[str, Any], expected: list[int]) -> None:
    assert search(three, **filters) == expected


@pytest.mark.parametrize("text", ["Émile", "ÉMILE", "émile", "e\u0301mile"])
def test_a_name_is_found_however_it_is_written(store: Store, text: str) -> None:
    with store.writing() as tx:
        audit.add(tx, AT, "tester", "user.create", "Émile", "{}")
        audit.add(tx, AT, "tester", "user.create", "Emile", "{}")
    with store.reading() as tx:
        assert search(tx, target=text) == [1]
