"""Bulk issue in the store."""

from datetime import datetime, timedelta

import pytest

from gamcli.model import App, Key, User
from gamcli.store import Store, Transaction, apps, batches, key_uses, keys, users
from gamcli.store.batches import BatchPart
from gamcli.store.timestamps import to_micros

pytestmark = pytest.mark.both_engines


def test_the_last_batch_of_an_input_is_found_by_its_digest(store: Store, now: datetime) -> None:
    with store.writing() as tx:
        assert batches.find(tx, b"one") is None
        first = batches.create(tx, b"one", "/a", now)
        other = batches.create(tx, b"two", "/b", now)
        again = batches.create(tx, b"one", "/c", now)
        assert [first.run, first.delivered] == [1, 0]
        assert batches.find(tx, b"one") == again
        assert batches.find(tx, b"two") == other


def test_only_the_last_run_of_a_batch_records_what_it_delivered(store: Store, now: datetime) -> None:
    with store.writing() as tx:
        first = batches.create(tx, b"one", "/a", now)
        assert batches.record_delivery(tx, first, 5)
        second = batches.resume(tx, first, "/b")
        assert not batches.record_delivery(tx, first, 9)
        assert batches.record_delivery(tx, second, 3)
        found = batches.find(tx, b"one")
        assert found == second._replace(delivered=5, output="/b", run=2)


def test_the_parts_of_a_batch_come_back_in_their_order(store: Store, now: datetime) -> None:
    parts = [BatchPart(6, 9, "Abcd", now), BatchPart(1, 5, "zzzz", now + timedelta(microseconds=1))]
    with store.writing() as tx:
        one, two = (batches.create(tx, digest, "/a", now) for digest in (b"one", b"two"))
        for part in (*parts, parts[0]):
            batches.add_part(tx, one, part)
        assert batches.load_parts(tx, one) == parts[::-1]
        assert batches.load_parts(tx, two) == []


def numbers(tx: Transaction) -> tuple[int, int]:
    found = tx.one("SELECT user.number, app.number FROM user, app")
    assert found is not None
    return found  # type: ignore[return-value]


def test_many_keys_are_kept_as_one_is(store: Store, ana: User, portal: App, key: Key) -> None:
    with store.writing() as tx:
        users.add(tx, ana)
        apps.add(tx, portal)
        keys.add(tx, key)
        user, app = numbers(tx)
        batches.clear_current(tx, [key.id])
        made = ("gam_user_data", b"n" * 32, to_micros(key.created_at), None, "a label")
        batches.add_keys(tx, [("Abcd0000", user, app, *made)])
        new = key._replace(id="Abcd0000", digest=b"n" * 32, label="a label")
        assert keys.find_current(tx, ana.guid, portal.client_id) == new
        assert keys.get_by_prefix(tx, key.id) == key
        assert batches.load_digests(tx, [key.id, "Abcd0000", "Abcd0001"]) == {key.id: key.digest, "Abcd0000": b"n" * 32}


def test_a_beginning_is_taken_when_the_id_of_a_key_has_it(peopled: Store) -> None:
    with peopled.reading() as tx:
        assert [batches.is_id_prefix_taken(tx, text) for text in ("K123", "K124", "K122", "k123")] == [
            True,
            False,
            False,
            False,
        ]


def test_only_keys_that_nobody_used_or_ended_are_renewed(peopled: Store, key: Key, now: datetime) -> None:
    with peopled.writing() as tx:
        assert batches.replace_digests(tx, {key.id: b"1" * 32}) == 1
        assert keys.get_by_prefix(tx, key.id).digest == b"1" * 32
        key_uses.record(tx, {key.id: key_uses.KeyUse(1, now, now, None)})
        assert batches.replace_digests(tx, {key.id: b"2" * 32}) == 0
        tx.run("UPDATE key SET last_used_at = NULL")
        keys.record_end(tx, key.id, "revoked", now, None)
        assert batches.replace_digests(tx, {key.id: b"2" * 32}) == 0
        assert keys.get_by_prefix(tx, key.id).digest == b"1" * 32
