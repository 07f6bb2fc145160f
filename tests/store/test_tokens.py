"""Access tokens in the store."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from gamcli.model import App, Key, User
from gamcli.model.token_ids import MAX_ROW, format_token_id
from gamcli.model.tokens import Token
from gamcli.store import Store, Transaction, apps, keys, tokens, users
from gamcli.store.timestamps import from_micros, to_micros
from gamcli.store.tokens import NewToken, TokenFilter
from tests.cases import for_each

pytestmark = pytest.mark.both_engines

HOUR = timedelta(hours=1)


def add(tx: Transaction, row: int, key: Key, at: datetime, expires_at: datetime | None = None) -> None:
    tokens.add(tx, [NewToken(row, bytes([row % 256]) * 32, at, expires_at, key, "+".join(key.scopes))])


@pytest.fixture
def issued(peopled: Store, key: Key, now: datetime) -> Store:
    with peopled.writing() as tx:
        add(tx, 7, key, now, now + HOUR)
    return peopled


def load(store: Store, row: int = 7) -> Token | None:
    with store.reading() as tx:
        return tokens.find(tx, row)


def status(store: Store, at: datetime, row: int = 7) -> str:
    token = load(store, row)
    return "gone" if token is None else token.status(at)


def test_a_token_comes_back_as_it_was_kept(issued: Store, key: Key, now: datetime) -> None:
    assert load(issued) == Token(
        row=7,
        user="Ana",
        user_guid=key.user_guid,
        app="Portal",
        client_id=key.client_id,
        key=key.id,
        scopes=("gam_user_data",),
        digest=b"\x07" * 32,
        issued_at=now,
        expires_at=now + HOUR,
    )


def test_a_token_may_carry_no_scope_and_never_expire(peopled: Store, key: Key, now: datetime) -> None:
    with peopled.writing() as tx:
        add(tx, MAX_ROW - 1, key._replace(scopes=()), now)
    token = load(peopled, MAX_ROW - 1)
    assert token is not None
    assert (token.scopes, token.expires_at, token.id) == ((), None, format_token_id(MAX_ROW - 1))


def test_another_row_holds_no_token(issued: Store) -> None:
    assert [load(issued, row) for row in (0, 6, 8, MAX_ROW - 1)] == [None] * 4


def test_rows_count_up_with_the_microseconds_and_never_back(peopled: Store, key: Key, now: datetime) -> None:
    rows = []
    for at in (now, now, now - HOUR, now + HOUR):
        with peopled.writing() as tx:
            rows.append(tokens.next_id(tx, at, tx.fetch(tokens.ID_STATE).last_id))
            add(tx, rows[-1], key, at)
    assert rows[0] - to_micros(now) in range(64)  # a database has a number for each of 64 connections
    assert [0 < after - before <= 64 for before, after in pairwise(rows)] == [True, True, False]
    assert rows[3] - to_micros(now + HOUR) in range(64)
    assert [format_token_id(row) for row in rows] == sorted(format_token_id(row) for row in rows)


def test_a_revoked_token_keeps_its_first_end(issued: Store, now: datetime) -> None:
    with issued.writing() as tx:
        tokens.revoke(tx, 7, now)
        tokens.revoke(tx, 7, now + HOUR)
    token = load(issued)
    assert token is not None
    assert token.ended_at == now
    assert status(issued, now) == "revoked"


def test_a_token_ends_with_its_key(issued: Store, key: Key, now: datetime) -> None:
    with issued.writing() as tx:
        keys.record_end(tx, key.id, "revoked", now + timedelta(minutes=1), None)
    assert status(issued, now) == "revoked"
    assert status(issued, now + timedelta(minutes=1)) == "revoked"


def test_a_token_ends_when_its_key_retires(issued: Store, now: datetime) -> None:
    with issued.writing() as tx:
        tx.run("UPDATE key SET retires_at = ?", to_micros(now + timedelta(minutes=1)))
    assert status(issued, now) == "active"
    assert status(issued, now + timedelta(minutes=1)) == "revoked"


@pytest.mark.parametrize("gone", ["key", "user", "app"])
def test_a_token_is_gone_with_what_it_stands_on(issued: Store, key: Key, gone: str) -> None:
    with issued.writing() as tx:
        if gone == "key":
            tx.run("DELETE FROM key")
        elif gone == "user":
            users.delete(tx, key.user_guid)
        else:
            apps.delete(tx, key.client_id)
        assert tokens.find(tx, 7) is None
        assert list(tokens.search(tx, TokenFilter())) == []


def test_a_newer_token_supersedes_the_earlier_ones_of_its_pair(issued: Store, key: Key, now: datetime) -> None:
    with issued.writing() as tx:
        add(tx, 8, key, now, now + HOUR)
        add(tx, 9, key, now, now + HOUR)
        for since in (8, 9, 8):
            tokens.supersede(tx, {(key.client_id, key.user_guid): since})
    assert [status(issued, now, row) for row in (7, 8, 9)] == ["revoked", "revoked", "active"]


def test_a_superseded_token_is_inactive_even_when_the_clock_was_set_back(
    issued: Store, key: Key, now: datetime
) -> None:
    ahead = to_micros(now + HOUR)
    with issued.writing() as tx:
        add(tx, ahead, key, now)
        add(tx, ahead + 1, key, now)
        tokens.supersede(tx, {(key.client_id, key.user_guid): ahead + 1})
    assert [status(issued, now, row) for row in (ahead, ahead + 1)] == ["revoked", "active"]


def test_the_tokens_of_other_pairs_are_not_superseded(
    issued: Store, key: Key, ana: User, portal: App, now: datetime
) -> None:
    with issued.writing() as tx:
        users.add(tx, ana._replace(name="bob", guid="bob", email=""))
        apps.add(tx, portal._replace(name="intranet", client_id="i" * 32))
        for row, pair in ((2, ("bob", key.client_id)), (3, (ana.guid, "i" * 32))):
            other = key._replace(id=f"K{row}", user_guid=pair[0], client_id=pair[1])
            keys.add(tx, other)
            add(tx, row, other, now)
        tokens.supersede(tx, {(key.client_id, key.user_guid): 10})
    assert [status(issued, now, row) for row in (2, 3, 7)] == ["active", "active", "revoked"]


@pytest.fixture
def three(issued: Store, key: Key, ana: User, portal: App, now: datetime) -> Store:
    with issued.writing() as tx:
        users.add(tx, ana._replace(name="bob", guid="bob", email=""))
        apps.add(tx, portal._replace(name="intranet", client_id="i" * 32))
        bobs = key._replace(id="A0000000", user_guid="bob", client_id="i" * 32)
        keys.add(tx, bobs)
        add(tx, 9, bobs, now)
        add(tx, 8, key, now + HOUR, now + timedelta(minutes=1))
    return issued


@for_each(
    ("filters", "rows"),
    [
        (TokenFilter(), [7, 9, 8]),
        (TokenFilter(user_guid="bob"), [9]),
        (TokenFilter(client_id="i" * 32), [9]),
        (TokenFilter(key="K1234567"), [7, 8]),
        (TokenFilter(user_guid="bob", key="K1234567"), []),
        (TokenFilter(sort="id"), [7, 8, 9]),
        (TokenFilter(sort="-id"), [9, 8, 7]),
        (TokenFilter(sort="user"), [7, 8, 9]),
        (TokenFilter(sort="-user"), [9, 7, 8]),
        (TokenFilter(sort="app"), [9, 7, 8]),
        (TokenFilter(sort="-app"), [7, 8, 9]),
        (TokenFilter(sort="key"), [9, 7, 8]),
        (TokenFilter(sort="-key"), [7, 8, 9]),
        (TokenFilter(sort="issued_at"), [7, 9, 8]),
        (TokenFilter(sort="-issued_at"), [8, 7, 9]),
        (TokenFilter(sort="expires_at"), [8, 7, 9]),
        (TokenFilter(sort="-expires_at"), [7, 8, 9]),
    ],
)
def test_a_list_shows_the_tokens_that_match_in_order(three: Store, filters: TokenFilter, rows: list[int]) -> None:
    with three.reading() as tx:
        listed = [token.row for token in tokens.search(tx, filters)]
    assert listed == rows


def test_the_row_of_a_token_reports_when_it_was_issued(now: datetime) -> None:
    assert from_micros(to_micros(now)) == now
