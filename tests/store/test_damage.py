"""Rows that gamcli did not write are reported with their table, whatever reads them."""

import re
from datetime import datetime

import pytest

from gamcli.errors import DamagedRowError
from gamcli.model import APIKEY, App, AuthType, Key, User
from gamcli.model.tokens import RefreshToken, Session
from gamcli.store import Store, apps, auth_types, batches, request_ids, sessions, tokens, users
from gamcli.store.content_checks import find_damaged_rows
from gamcli.store.tokens import NewToken

pytestmark = pytest.mark.both_engines

GUID = "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"
APP = "c" * 32
TOO_LATE = "9223372036854775807"
LATE = f"invalid timestamp {TOO_LATE}"
DAMAGES = [
    (f"UPDATE auth_type SET created_at = {TOO_LATE}", LATE, "apikey", "auth_type"),
    (f"UPDATE app SET retiring_until = {TOO_LATE}", LATE, APP, "app"),
    ("DELETE FROM app_use", "no value for 'grants'", APP, "app"),
    ("UPDATE user SET attributes = '{'", "invalid attributes", GUID, "user"),
    ("UPDATE user SET attributes = '7'", "invalid attributes", GUID, "user"),
    ("""UPDATE user SET attributes = '{"team": ["a", 7]}'""", "invalid attributes", GUID, "user"),
    ("UPDATE user SET password_hash = 'scrypt$1$8$1$AAAA'", "an invalid password hash", GUID, "user"),
    (f"UPDATE key SET expires_at = {TOO_LATE}", LATE, "K1234567", "key"),
    (f"UPDATE token SET issued_at = {TOO_LATE}", LATE, "9", "token"),
    ("UPDATE token SET id = -9", "a negative ID", "-9", "token"),
    (f"UPDATE refresh_token SET expires_at = {TOO_LATE}", LATE, "7", "session"),
    ("""UPDATE key_request SET asked = '["ana"]'""", "invalid settings of the request", "r1", "key_request"),
    (f"UPDATE batch_part SET created_at = {TOO_LATE}", LATE, "1", "batch_part"),
]


@pytest.fixture
def full(peopled: Store, ana: User, portal: App, key: Key, now: datetime) -> Store:
    """Return a store with a row in each table that is read as records."""
    session = Session(7, ana.guid, portal.client_id, "local", ("gam_user_data",), None, ())
    with peopled.writing() as tx:
        auth_types.add(tx, AuthType("apikey", APIKEY, "", enabled=True, default=False, created_at=now, updated_at=now))
        sessions.add(tx, [session])
        sessions.add_refresh_tokens(tx, [RefreshToken(7, 1, 9, b"r" * 32, now)])
        tokens.add(tx, [NewToken(9, b"a" * 32, now, None, session, "gam_user_data", session.id)])
        batch = batches.create(tx, b"d" * 32, "keys.csv", now)
        batches.add_part(tx, batch, batches.BatchPart(1, 1, "K123", now))
        request_ids.add(tx, [request_ids.KeyRequest("r1", key.id, "{}")])
    return peopled


def test_a_row_that_gamcli_did_not_write_is_found_in_every_table(full: Store) -> None:
    with full.reading() as tx:
        assert [*find_damaged_rows(tx)] == []
    for sql, problem, row, table in DAMAGES:
        with full.dry_run() as tx:
            tx.run(sql)
            assert [*find_damaged_rows(tx)] == [f"{problem} in row '{row}' of table '{table}'"], sql


def test_damaged_initial_properties_of_a_session_are_found(full: Store) -> None:
    for stored in ("{}", '[{"Id": "Branch"}]', "[7]"):
        with full.dry_run() as tx:
            tx.run("UPDATE session SET initial_properties = ?", stored)
            found = [*find_damaged_rows(tx)]
        assert [each.partition(" in ")[2] for each in found] == [
            "row '9' of table 'token'",
            "row '7' of table 'session'",
        ]


def test_the_error_names_the_store_even_outside_of_a_transaction(full: Store, ana: User, portal: App) -> None:
    with full.writing() as tx:
        tx.run("UPDATE user SET attributes = 'x'")
        tx.run("UPDATE app SET created_at = ?", int(TOO_LATE))
    for read, problem in (
        (lambda tx: users.get(tx, ana.name), "invalid attributes"),
        (lambda tx: apps.get(tx, portal.name), f"invalid timestamp {TOO_LATE}"),
    ):
        with pytest.raises(DamagedRowError) as caught:
            full.read_without_transaction(read)
        assert caught.value.message.startswith(f"the store {full.name} is damaged: {problem} in row ")
        assert caught.value.hint == "gamcli store check"
        with pytest.raises(DamagedRowError, match=re.escape(full.name)), full.reading() as tx:
            read(tx)
