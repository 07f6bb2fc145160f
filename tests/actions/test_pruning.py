"""Pruning deletes old inactive rows, keeps all others, and lets other processes write."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamcli import store as stored
from gamcli.actions import Gam, apps, keys, pruning, repository, users
from gamcli.model.maintenance import PruneResult
from gamcli.store import Store
from gamcli.store import pruning as parts
from gamcli.store.timestamps import to_micros
from gamcli.store.tokens import TokenFilter

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
KEPT = timedelta(days=30)
DAY = timedelta(days=1)

DAYS = st.integers(-100, 50)
"""Days relative to now."""
MAYBE = st.none() | DAYS


def at(days: int | None) -> int | None:
    return None if days is None else to_micros(NOW + days * DAY)


def world(store: Store) -> Gam:
    gam = Gam(store, lambda: NOW, os.urandom, "tester")
    repository.initialise(gam)
    for name in ("ana", "eva"):
        users.create(gam, name, {})
    for name in ("portal", "gate"):
        apps.create(gam, apps.AppSpec(name, {"remote_rest": True, "api_keys.enabled": True}))
    keys.generate(gam, keys.KeySpec("ana", "portal"))
    return gam


def owners(gam: Gam) -> tuple[dict[str, str], dict[str, str], str]:
    with gam.store.reading() as tx:
        guids, clients = (
            {str(name): str(value) for name, value in tx.each(f"SELECT name, {column} FROM {table}")}
            for table, column in (("user", "guid"), ("app", "client_id"))
        )
        (key,) = tx.one("SELECT id FROM key") or ("",)
    return guids, clients, str(key)


def put_token(gam: Gam, **values: object) -> None:
    guids, clients, _ = owners(gam)
    row = {
        "id": at(-60), "digest": b"x" * 32, "user_guid": guids["ana"], "client_id": clients["portal"], "scopes": "",
        "issued_at": at(-60), **values,
    }  # fmt: skip
    with gam.store.writing() as tx:
        tx.run(f"INSERT INTO token ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())


def put_session(gam: Gam, row: int | None, revoked: int | None = None, refresh: int | None = None) -> None:
    guids, clients, _ = owners(gam)
    with gam.store.writing() as tx:
        tx.run(
            """INSERT INTO session (id, user_guid, client_id, auth_type, scopes, initial_properties, revoked_at)
            VALUES (?, ?, ?, 'local', '', '[]', ?)""",
            row, guids["ana"], clients["portal"], at(revoked),
        )  # fmt: skip
        if refresh is not None:
            tx.run("INSERT INTO refresh_token VALUES (?, 1, ?, ?, ?, NULL)", row, row, b"x" * 32, at(refresh))


def ids(gam: Gam, table: str) -> set[object]:
    with gam.store.reading() as tx:
        return {row[0] for row in tx.each(f"SELECT * FROM {table}")}


def pruned(gam: Gam) -> PruneResult:
    return pruning.prune(gam, KEPT, lambda _: None)


@pytest.fixture
def filled(store: Store) -> Gam:
    gam = world(store)
    put_token(gam, id=at(0), issued_at=at(0))
    return gam


TOKEN = {
    "issued": st.integers(-100, 0),
    "expires": MAYBE,
    "revoked": MAYBE,
    "key": st.booleans(),
    "session": st.booleans(),
    "user": st.sampled_from(["ana", "eva", "gone"]),
    "app": st.sampled_from(["portal", "gate", "gone"]),
}
TOKENS = st.lists(st.fixed_dictionaries(TOKEN), max_size=12)
SURROUNDINGS = st.fixed_dictionaries(
    {"ended": MAYBE, "retires": MAYBE, "gone": st.booleans(), "floor": MAYBE, "revoked": MAYBE, "refresh": MAYBE}
)


@settings(max_examples=30)
@given(tokens=TOKENS, around=SURROUNDINGS, part=st.integers(1, 5))
def test_only_expired_rows_are_pruned(tokens: list[dict[str, Any]], around: dict[str, Any], part: int) -> None:
    with Store.in_memory() as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "CHUNK_ROWS", part)
        gam = world(store)
        guids, clients, key = owners(gam)
        session = to_micros(NOW - 200 * DAY)
        put_session(gam, session, around["revoked"], around["refresh"])
        for number, each in enumerate(tokens):
            put_token(
                gam,
                id=to_micros(NOW + each["issued"] * DAY) + number,
                issued_at=at(each["issued"]),
                expires_at=at(each["expires"]),
                revoked_at=at(each["revoked"]),
                key=key if each["key"] else None,
                session=session if each["session"] else None,
                user_guid=guids.get(each["user"], "gone"),
                client_id=clients.get(each["app"], "gone"),
            )
        with store.writing() as tx:
            end = "revoked" if around["ended"] is not None else None
            tx.run(
                "UPDATE key SET ended_at = ?, end_status = ?, retires_at = ?",
                at(around["ended"]),
                end,
                at(around["retires"]),
            )
            if around["gone"]:
                tx.run("DELETE FROM key")
            if around["floor"] is not None:
                tx.run("INSERT INTO token_floor VALUES (?, ?, ?)", clients["portal"], guids["ana"], at(around["floor"]))
        before = {token.row: token for token in read(gam)}
        pruned_rows = {row for row in ids(gam, "token") if row not in before}
        pruned(gam)
        left = ids(gam, "token")
        last = max([row for row in (*before, *pruned_rows) if isinstance(row, int)], default=0)
        for row, token in before.items():
            if token.status(NOW) == "active":
                assert row in left
            elif is_prunable(token, around["floor"]) and row != last:
                assert row not in left
        assert {token.row: token for token in read(gam)} == {row: before[row] for row in before if row in left}


def read(gam: Gam) -> list[Any]:
    with gam.store.reading() as tx:
        return list(stored.tokens.search(tx, TokenFilter()))


def is_prunable(token: Any, floor: int | None) -> bool:  # noqa: ANN401 - a token
    end = NOW - KEPT
    superseded = token.ended_at == token.issued_at and floor is not None
    ended = token.ended_at is not None and token.ended_at <= end and not superseded
    return token.row <= to_micros(end) and (ended or (token.expires_at is not None and token.expires_at <= end))


def test_pruned_rows_are_counted_and_audited_once(filled: Gam) -> None:
    for number in range(3):
        put_token(filled, id=to_micros(NOW - 60 * DAY) + number, expires_at=at(-40))
    found = pruned(filled)
    assert (found.tokens, found.sessions, found.before) == (3, 0, NOW - KEPT)
    assert pruned(filled).tokens == 0
    with filled.store.reading() as tx:
        entries = [entry for entry in stored.audit.search(tx) if entry.action == "token.prune"]
    assert [(entry.target, entry.details) for entry in entries] == [
        ("inactive before 2026-01-30T12:00:00Z", '{"tokens":3,"sessions":0}')
    ]


def test_a_session_is_pruned_after_its_tokens(filled: Gam) -> None:
    for row, refresh in ((1, -40), (2, -40), (3, 10), (4, -10)):
        put_session(filled, row, refresh=refresh)
    put_session(filled, 5, revoked=-40, refresh=10)
    put_session(filled, at(0))
    put_token(filled, session=2)
    found = pruned(filled)
    assert (found.sessions, found.refresh_tokens) == (2, 2)
    assert ids(filled, "session") == {2, 3, 4, at(0)}
    assert ids(filled, "refresh_token") == {2, 3, 4}


def test_the_last_token_is_kept_so_that_ids_stay_unique(store: Store) -> None:
    gam = world(store)
    put_token(gam, expires_at=at(-50))
    assert pruned(gam).tokens == 0
    with store.reading() as tx:
        last_id = tx.fetch(stored.tokens.ID_STATE).last_id
        step = stored.tokens.next_id(tx, NOW - 100 * DAY, last_id) - to_micros(NOW - 60 * DAY)
        assert 0 < step <= 64  # a database has a number for each of 64 connections


def test_superseding_floors_are_pruned_with_the_tokens(filled: Gam) -> None:
    guids, clients, _ = owners(filled)
    for name, days in (("portal", -40), ("gate", -10)):
        with filled.store.writing() as tx:
            tx.run("INSERT INTO token_floor VALUES (?, ?, ?)", clients[name], guids["ana"], at(days))
    put_session(filled, at(-60), refresh=10)
    pruned(filled)
    assert ids(filled, "token_floor") == set(clients.values())
    with filled.store.writing() as tx:
        tx.run("DELETE FROM refresh_token")
    pruned(filled)
    assert ids(filled, "token_floor") == {clients["gate"]}


def test_superseded_tokens_are_never_valid_again(store: Store) -> None:
    gam = world(store)
    guids, clients, _ = owners(gam)
    put_token(gam)
    with store.writing() as tx:
        tx.run("INSERT INTO token_floor VALUES (?, ?, ?)", clients["portal"], guids["ana"], at(-40))
    pruned(gam)
    assert [token.status(NOW) for token in read(gam)] == ["revoked"]
    put_token(gam, id=at(0), issued_at=at(0))
    pruned(gam)
    assert ids(gam, "token") == {at(0)}
    assert ids(gam, "token_floor") == set()


def test_a_dry_run_counts_what_would_be_pruned(filled: Gam) -> None:
    put_token(filled, expires_at=at(-40))
    put_session(filled, 1)
    put_session(filled, at(0))
    found = pruning.count_prunable(filled, KEPT)
    assert (found.tokens, found.sessions) == (1, 1)
    assert replace(pruned(filled), refresh_tokens=0) == found


@pytest.mark.needs_file
def test_other_processes_can_write_between_two_steps(filled: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 2)
    for number in range(5):
        put_token(filled, id=to_micros(NOW - 60 * DAY) + number, expires_at=at(-40))
    written: list[float] = []

    def write(seconds: float) -> None:
        with closing(sqlite3.connect(Path(filled.store.path), timeout=0, isolation_level=None)) as other:
            other.execute("UPDATE app SET description = 'x'")
        written.append(seconds)

    assert pruning.prune(filled, KEPT, write).tokens == 5
    assert len(written) >= 3
    assert min(written) > 0


def orphan(gam: Gam, row: int | None) -> None:
    put_session(gam, row, refresh=10)
    put_token(gam, id=at(-1), issued_at=at(-1), session=row)
    with gam.store.writing() as tx:
        tx.run("UPDATE session SET client_id = 'gone' WHERE id = ?", row)


def test_a_session_without_application_is_deleted_whatever_its_age(
    filled: Gam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 1)
    orphan(filled, at(-1))
    put_session(filled, 1)
    put_session(filled, 2)
    with filled.store.writing() as tx:
        tx.run("UPDATE session SET user_guid = 'gone' WHERE id = 1")
    assert pruning.count_prunable(filled, KEPT).sessions == 3
    found = pruned(filled)
    assert (found.sessions, found.refresh_tokens) == (3, 1)
    assert ids(filled, "session") == set()
    assert [token.row for token in read(filled)] == [at(0)]


@pytest.mark.parametrize("gone", ["client_id", "user_guid"])
def test_a_session_that_outlasted_its_owner_is_not_taken_over_by_the_next_one(filled: Gam, gone: str) -> None:
    guids, clients, _ = owners(filled)
    value = {"client_id": "i" * 32, "user_guid": "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"}[gone]
    put_session(filled, at(-1))
    put_token(filled, id=at(-1), session=at(-1), **{gone: value})
    with filled.store.writing() as tx:
        tx.run(f"UPDATE session SET {gone} = ?", value)
        if gone == "client_id":
            portal = stored.apps.get(tx, clients["portal"])
            stored.apps.add(tx, portal._replace(client_id=value, name="next"))
        else:
            stored.users.add(tx, stored.users.get(tx, guids["ana"])._replace(guid=value, name="next"))
    assert [token.row for token in read(filled)] == [at(0)]
    assert ids(filled, "session") == set()
