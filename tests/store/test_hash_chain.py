"""The hash chain of the audit log: every change is detected, and anyone can recompute the hashes."""

import json
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from gamcli.errors import StoreAuditLogError, StoreUnusableError
from gamcli.store import Store, audit, hash_chain

pytestmark = pytest.mark.both_engines

Tamper = Callable[..., None]
COUNT = 6
NAMES = ("seq", "at", "actor", "action", "target", "details")


@pytest.fixture
def log(store: Store) -> Store:
    for number in range(1, COUNT + 1):
        with store.writing() as tx:
            audit.add(tx, f"2026-03-0{number}T12:00:00Z", 'ñ"\\\n\x7f', "test.note", f"t{number}", '{"a":["é",null]}')
    return store


@pytest.fixture
def tamper(log: Store) -> Tamper:
    def run(*statements: str) -> None:
        with log.writing() as tx:
            for statement in statements:
                tx.run(statement)

    return run


def verified(store: Store, head: str | None = None) -> hash_chain.ChainHead:
    with store.reading() as tx:
        return audit.verify(tx, head)


def wrong(store: Store, head: str | None = None) -> str:
    with pytest.raises(StoreAuditLogError) as caught:
        verified(store, head)
    return caught.value.message


def hashes(store: Store) -> list[Any]:
    with store.reading() as tx:
        return [entry.hash for entry in audit.search(tx)]


def test_others_recompute_the_chain(log: Store) -> None:
    before = ""
    with log.reading() as tx:
        for entry in audit.search(tx):
            fields: list[Any] = [getattr(entry, name) for name in NAMES]
            told = [before, *fields[:5], json.loads(fields[5])]
            before = sha256(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
            assert entry.hash == before
    assert verified(log) == (COUNT, before)


def test_the_canonical_form_never_changes() -> None:
    text = '["ab",7,"2026-03-01T12:00:00Z","ana","key.revoke","K1",{"reason":"á"}]'
    entry = (7, "2026-03-01T12:00:00Z", "ana", "key.revoke", "K1", '{"reason":"á"}')
    assert hash_chain.hash_entry("ab", entry) == sha256(text.encode()).hexdigest()


SET = "UPDATE audit SET"
CHANGES = {
    "at": f"{SET} at = '2026-03-03T12:00:01Z' WHERE seq = 3",
    "actor": f"{SET} actor = 'eva' WHERE seq = 3",
    "action": f"{SET} action = 'test.not' WHERE seq = 3",
    "target": f"{SET} target = target || ' ' WHERE seq = 3",
    "details": f"{SET} details = '{{}}' WHERE seq = 3",
    "blanks": f"{SET} details = ' ' || details WHERE seq = 3",
    "hash": f"{SET} hash = upper(hash) WHERE seq = 3",
    "nothing": f"{SET} hash = '' WHERE seq = 3",
    "another": f"{SET} hash = (SELECT hash FROM audit WHERE seq = 4) WHERE seq = 3",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_entry_is_found(log: Store, tamper: Tamper, change: str) -> None:
    tamper(CHANGES[change])
    told = "its hash does not match its content and entry 2"
    assert wrong(log) == f"entry 3 was changed, moved or inserted: {told}"


def test_an_entry_whose_hash_was_renewed_breaks_the_next(log: Store, tamper: Tamper) -> None:
    entry = (3, "2026-03-03T12:00:00Z", "eva", "test.note", "t3", "{}")
    new = hash_chain.hash_entry(hashes(log)[1], entry)
    tamper(f"UPDATE audit SET actor = 'eva', details = '{{}}', hash = '{new}' WHERE seq = 3")
    assert wrong(log).startswith("entry 4 was changed")


def test_a_gap_is_found_whatever_the_hashes_say(log: Store, tamper: Tamper) -> None:
    entry = (COUNT + 3, "2026-03-09T12:00:00Z", "eva", "test.note", "x", "{}")
    new = hash_chain.hash_entry(hashes(log)[-1], entry)
    tamper(f"INSERT INTO audit VALUES {(*entry, new)}")
    assert wrong(log) == f"entry {COUNT + 1} was removed: the next entry is {COUNT + 3}"


def test_an_entry_without_a_hash_is_found(log: Store, tamper: Tamper) -> None:
    tamper("UPDATE audit SET hash = NULL WHERE seq = 5")
    assert wrong(log) == "entry 5 was changed or inserted: it has no hash"


@pytest.mark.needs_file
@pytest.mark.parametrize("column", ["actor", "details", "hash"])
def test_bytes_that_are_no_text_are_found(log: Store, tamper: Tamper, column: str) -> None:
    tamper(f"UPDATE audit SET {column} = CAST(x'c3' AS TEXT) WHERE seq = 4")
    assert wrong(log) == "entry 4 was changed or inserted: it is not valid UTF-8"


@pytest.mark.needs_file
def test_what_else_the_file_fails_at_is_reported_as_ever(log: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> hash_chain.ChainHead:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(hash_chain, "verify", fails)
    with pytest.raises(StoreUnusableError, match="disk I/O error"):
        verified(log)


def test_the_first_entry_has_none_before_it(log: Store, tamper: Tamper) -> None:
    tamper("UPDATE audit SET target = '' WHERE seq = 1")
    assert wrong(log).endswith("its hash does not match its content")


@pytest.mark.parametrize("gone", [1, 3, COUNT - 1])
def test_a_removed_entry_is_found(log: Store, tamper: Tamper, gone: int) -> None:
    tamper(f"DELETE FROM audit WHERE seq = {gone}")
    assert wrong(log) == f"entry {gone} was removed: the next entry is {gone + 1}"
    tamper(f"UPDATE audit SET seq = -seq WHERE seq > {gone}", "UPDATE audit SET seq = -seq - 1 WHERE seq < 0")
    assert wrong(log).startswith(f"entry {gone} was changed, moved or inserted")


def test_an_empty_audit_log_has_lost_its_first_entry(log: Store, tamper: Tamper) -> None:
    tamper("DELETE FROM audit")
    assert wrong(log) == "entry 1 was removed: the audit log is empty"


@pytest.mark.parametrize("seq", [0, -3])
def test_an_entry_before_the_first_is_found(log: Store, tamper: Tamper, seq: int) -> None:
    tamper(f"INSERT INTO audit SELECT {seq}, at, actor, action, target, details, hash FROM audit WHERE seq = 1")
    assert wrong(log) == f"entry {seq} was inserted: entries are numbered from 1"


def test_an_inserted_entry_is_found(log: Store, tamper: Tamper) -> None:
    tamper(
        "UPDATE audit SET seq = -seq WHERE seq > 3",
        "UPDATE audit SET seq = -seq + 1 WHERE seq < 0",
        "INSERT INTO audit SELECT 4, at, actor, action, target, details, hash FROM audit WHERE seq = 3",
    )
    assert wrong(log).startswith("entry 4 was changed, moved or inserted")


def test_entries_that_changed_places_are_found(log: Store, tamper: Tamper) -> None:
    tamper(
        "UPDATE audit SET seq = 99 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 99",
    )
    assert wrong(log).startswith("entry 3 was changed, moved or inserted")


def test_a_cut_tail_is_found_by_a_hash_that_was_kept(log: Store, tamper: Tamper) -> None:
    *kept, head = hashes(log)
    assert verified(log, head) == (COUNT, head)
    tamper(f"DELETE FROM audit WHERE seq > {COUNT - 2}")
    assert verified(log).seq == COUNT - 2
    for each in kept[: COUNT - 2]:
        assert verified(log, each) == (COUNT - 2, kept[COUNT - 3])
    told = f"the last entry is {COUNT - 2}; later entries were removed or rewritten"
    assert wrong(log, head) == f"no entry has the hash {head}: {told}"


def test_a_tail_that_was_rewritten_is_found_by_a_hash_that_was_kept(log: Store, tamper: Tamper) -> None:
    head = hashes(log)[3]
    tamper("DELETE FROM audit WHERE seq > 2")
    with log.writing() as tx:
        for _ in range(COUNT):
            audit.add(tx, "2026-03-09T12:00:00Z", "eva", "test.note", "x", "{}")
    assert verified(log).seq == COUNT + 2
    assert "no entry has the hash" in wrong(log, head)


@pytest.mark.parametrize("seq", [0, -1])
def test_a_chain_that_begins_before_one_is_found_whatever_the_hashes_say(seq: int) -> None:
    entry = (seq, "2026-03-01T12:00:00Z", "ana", "test.note", "t", "{}")
    with pytest.raises(StoreAuditLogError):
        hash_chain.verify([(*entry, hash_chain.hash_entry("", entry))])
