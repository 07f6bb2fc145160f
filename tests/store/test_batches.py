"""Batches in the store."""

from dataclasses import replace
from datetime import datetime, timedelta

from gamcli.model import App, Key, User
from gamcli.store import Store, Transaction, apps, batches, keys, users
from gamcli.store.batches import Part
from gamcli.store.timestamps import micros


def test_the_last_batch_of_an_input_is_found_by_its_digest(store: Store, now: datetime) -> None:
    with store.writing() as tx:
        assert batches.find(tx, b"one") is None
        first = batches.begin(tx, b"one", "/a", now)
        other = batches.begin(tx, b"two", "/b", now)
        again = batches.begin(tx, b"one", "/c", now)
        assert [first.run, first.delivered] == [1, 0]
        assert batches.find(tx, b"one") == again
        assert batches.find(tx, b"two") == other


def test_only_the_last_run_of_a_batch_records_what_it_delivered(store: Store, now: datetime) -> None:
    with store.writing() as tx:
        first = batches.begin(tx, b"one", "/a", now)
        assert batches.deliver(tx, first, 5)
        second = batches.resume(tx, first, "/b")
        assert not batches.deliver(tx, first, 9)
        assert batches.deliver(tx, second, 3)
        found = batches.find(tx, b"one")
        assert found == second._replace(delivered=5, output="/b", run=2)


def test_the_parts_of_a_batch_come_back_in_their_order(store: Store, now: datetime) -> None:
    parts = [Part(6, 9, "Abcd", now), Part(1, 5, "zzzz", now + timedelta(microseconds=1))]
    with store.writing() as tx:
        one, two = (batches.begin(tx, digest, "/a", now) for digest in (b"one", b"two"))
        for part in (*parts, parts[0]):
            batches.add_part(tx, one, part)
        assert batches.parts(tx, one) == parts[::-1]
        assert batches.parts(tx, two) == []


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
        batches.step_back(tx, [key.id])
        made = (key.auth_type, "gam_user_data", b"n" * 32, micros(key.created_at), None, "a label")
        batches.add_keys(tx, [("Abcd0000", user, app, *made)])
        new = replace(key, id="Abcd0000", digest=b"n" * 32, label="a label")
        assert keys.current(tx, ana.guid, portal.client_id) == new
        assert keys.named(tx, key.id) == key
        assert batches.digests(tx, [key.id, "Abcd0000", "Abcd0001"]) == {key.id: key.digest, "Abcd0000": b"n" * 32}


def test_a_beginning_is_taken_when_the_id_of_a_key_has_it(peopled: Store) -> None:
    with peopled.reading() as tx:
        assert [batches.is_taken(tx, text) for text in ("K123", "K124", "K122", "k123")] == [True, False, False, False]


def test_only_keys_that_nobody_used_or_ended_are_renewed(peopled: Store, key: Key, now: datetime) -> None:
    with peopled.writing() as tx:
        assert batches.renew(tx, {key.id: b"1" * 32}) == 1
        assert keys.named(tx, key.id).digest == b"1" * 32
        keys.used(tx, key.id, now)
        assert batches.renew(tx, {key.id: b"2" * 32}) == 0
        tx.run("UPDATE key SET last_used_at = NULL")
        keys.end(tx, key.id, "revoked", now, None)
        assert batches.renew(tx, {key.id: b"2" * 32}) == 0
        assert keys.named(tx, key.id).digest == b"1" * 32
