"""The rows of a bulk input in temporary tables."""

from datetime import datetime

import pytest

from gamcli.model import App, Key, User
from gamcli.store import Store, bulk_rows, keys, users
from gamcli.store.bulk_rows import RENEWED, BulkCounts, BulkUser, KeyTerms

pytestmark = pytest.mark.both_engines

TERMS = KeyTerms(1, 1, "Portal", "c" * 32, "gam_user_data", 5_000_000, "", "90d", is_shortened=True)
BARE = TERMS._replace(id=2, scopes="", lifetime_us=None, is_shortened=False)


def test_users_are_found_by_each_of_their_names(peopled: Store, ana: User) -> None:
    with peopled.writing() as tx:
        users.add(tx, ana._replace(guid="b" * 36, name="bob", email="", blocked=True))
        found = bulk_rows.find_users(tx, ["ana", "ana@x.org", ana.guid, "bob", "nobody"])
        assert set(found) == {"ana", "ana@x.org", ana.guid, "bob"}
        assert {person.name for text, person in found.items() if text != "bob"} == {"Ana"}
        assert found["bob"] == BulkUser("bob", 2, "b" * 36, "bob", 1, 1)
        assert bulk_rows.find_users_by_number(tx, [1, 2, 3]) == {1: found["ana"], 2: found["bob"]}


def test_many_users_are_found_at_once(store: Store, ana: User) -> None:
    with store.writing() as tx:
        for number in range(600):
            users.add(tx, ana._replace(guid=f"{number:036}", name=f"u{number}", email=""))
        assert len(bulk_rows.find_users(tx, [f"u{number}" for number in range(700)])) == 600
        assert len(bulk_rows.find_users_by_number(tx, list(range(1000)))) == 600


def test_an_application_is_reported_with_whether_it_has_keys(peopled: Store, portal: App) -> None:
    with peopled.writing() as tx:
        assert bulk_rows.find_app_number(tx, portal.client_id) == (1, True)
        tx.run("DELETE FROM key")
        assert bulk_rows.find_app_number(tx, portal.client_id) == (1, False)


def test_rows_come_back_in_chunks_with_their_terms(store: Store) -> None:
    with store.reading() as tx:
        bulk_rows.create_tables(tx)
        bulk_rows.add_terms(tx, TERMS)
        bulk_rows.add_terms(tx, BARE)
        bulk_rows.add(tx, [(row, row + 1, 9 - row, f"u{row}", 1, 1 + row % 2, "", None, None) for row in range(1, 6)])
        bulk_rows.set_outcomes(tx, [("Kaaaaaaa", RENEWED, 4), ("Kbbbbbbb", None, 2)])
        chunk = bulk_rows.next_chunk(tx, 0, 3)
        assert (chunk.first, chunk.last, [row.row for row in chunk.rows]) == (1, 3, [3, 2, 1])
        assert chunk.terms == {1: TERMS, 2: BARE}
        rest = bulk_rows.next_chunk(tx, 3, 3)
        assert (rest.first, rest.last, [(row.row, row.current_key, row.outcome) for row in rest.rows]) == (
            4, 5, [(5, None, None), (4, "Kaaaaaaa", 1)],
        )  # fmt: skip
        assert bulk_rows.next_chunk(tx, 5, 3).rows == []
        assert bulk_rows.count_rows(tx) == BulkCounts(rows=5, renewed=1, shortened=2, without_scopes=3, imported=0)
        bulk_rows.create_tables(tx)
        assert bulk_rows.count_rows(tx) == BulkCounts(0, 0, 0, 0, 0)


def test_pairs_that_come_twice_are_reported_with_the_line_of_the_first(store: Store) -> None:
    with store.reading() as tx:
        bulk_rows.create_tables(tx)
        pairs = [(1, 1), (1, 2), (1, 1), (2, 1), (1, 2), (1, 1)]
        bulk_rows.add(
            tx, [(row, row + 1, user, "", app, 1, "", None, None) for row, (user, app) in enumerate(pairs, 1)]
        )
        assert sorted(bulk_rows.find_duplicate_pairs(tx, 9)) == [(4, 2), (6, 3), (7, 2)]
        assert sorted(bulk_rows.find_duplicate_pairs(tx, 1)) == [(4, 2), (7, 2)]


@pytest.mark.parametrize(("first", "last", "expected"), [(1, 9, [2]), (3, 9, []), (2, 2, [2])])
def test_the_present_keys_of_pairs_are_found(
    peopled: Store, key: Key, now: datetime, first: int, last: int, expected: list[int]
) -> None:
    with peopled.writing() as tx:
        keys.record_end(tx, key.id, "revoked", now, None)
        bulk_rows.create_tables(tx)
        bulk_rows.add(tx, [(1, 2, 9, "", 1, 1, "", None, None), (2, 3, 1, "Ana", 1, 1, "", None, None)])
        held = list(bulk_rows.find_current_keys(tx, first, last))
        assert [row for row, _, _ in held] == expected
        assert all((line, kept.id) == (3, key.id) for _, line, kept in held)
