"""Sessions and their refresh tokens in the store."""

from datetime import datetime, timedelta

import pytest

from gamcli.model import App, Key, User
from gamcli.model.tokens import InitialProperty, RefreshToken, Session, Token
from gamcli.store import Store, Transaction, apps, grant_facts, sessions, tokens, users
from gamcli.store.tokens import NewToken
from gamcli.store.users import RenewedHash

pytestmark = pytest.mark.both_engines

DAY = timedelta(days=1)


@pytest.fixture
def session(ana: User, portal: App) -> Session:
    return Session(
        id=7,
        user_guid=ana.guid,
        client_id=portal.client_id,
        auth_type="local",
        scopes=("gam_user_data", "gam_user_roles"),
        initial_properties=(InitialProperty("Branch", "7"), InitialProperty("Área", "")),
    )


@pytest.fixture
def refresh_token(now: datetime) -> RefreshToken:
    return RefreshToken(session=7, counter=1, token=9, digest=b"r" * 32, expires_at=now + DAY)


@pytest.fixture
def begun(peopled: Store, session: Session, refresh_token: RefreshToken, now: datetime) -> Store:
    with peopled.writing() as tx:
        sessions.add(tx, [session])
        sessions.add_refresh_tokens(tx, [refresh_token])
        tokens.add(tx, [NewToken(9, b"a" * 32, now, None, session, "gam_user_data", session.id)])
    return peopled


def find(tx: Transaction, session: int, counter: int) -> tuple[RefreshToken, Session] | None:
    found = tx.fetch(grant_facts.find_refresh_tokens([(session, counter)]))
    return found[session, counter][:2] if found else None


def token(store: Store) -> Token | None:
    with store.reading() as tx:
        return tokens.find(tx, 9)


def test_a_session_and_its_refresh_token_come_back_as_they_were_kept(
    begun: Store, session: Session, refresh_token: RefreshToken
) -> None:
    with begun.reading() as tx:
        assert find(tx, 7, 1) == (refresh_token, session)
        assert find(tx, 7, 2) is None
        assert find(tx, 8, 1) is None


def test_a_session_may_be_of_a_key_and_carry_nothing(
    peopled: Store, session: Session, refresh_token: RefreshToken, key: Key
) -> None:
    bare = session._replace(key=key.id, scopes=(), initial_properties=())
    with peopled.writing() as tx:
        sessions.add(tx, [bare])
        sessions.add_refresh_tokens(tx, [refresh_token])
        assert find(tx, 7, 1) == (refresh_token, bare)


def test_the_tokens_of_a_session_know_it_and_what_came_with_the_login(begun: Store, session: Session) -> None:
    found = token(begun)
    assert found is not None
    assert (found.key, found.session_row, found.initial_properties) == (None, 7, session.initial_properties)
    assert found.session == "000000000007"


def test_a_refresh_token_is_spent_and_a_session_ends_once(begun: Store, now: datetime) -> None:
    with begun.writing() as tx:
        kept, _ = find(tx, 7, 1) or pytest.fail("it was kept")
        for at in (now, now + DAY):
            sessions.mark_used(tx, [kept], at)
        sessions.revoke(tx, [7], now)
        sessions.revoke(tx, [7], now + DAY)
        assert find(tx, 7, 1) == (
            kept._replace(used_at=now),
            (find(tx, 7, 1) or pytest.fail("it was kept"))[1]._replace(revoked_at=now),
        )
    found = token(begun)
    assert found is not None
    assert (found.ended_at, found.status(now)) == (now, "revoked")


def test_a_new_password_ends_the_logins_of_its_user_alone(
    begun: Store, session: Session, refresh_token: RefreshToken, key: Key, now: datetime
) -> None:
    with begun.writing() as tx:
        for number, other in ((8, {"key": key.id}), (9, {"user_guid": "bob"})):
            sessions.add(tx, [session._replace(id=number, **other)])  # type: ignore[arg-type]
            sessions.add_refresh_tokens(tx, [refresh_token._replace(session=number)])
        sessions.revoke_password_sessions(tx, session.user_guid, now)
        assert [revoked_at(tx, number) for number in (7, 8, 9)] == [now, None, None]


def revoked_at(tx: Transaction, session: int) -> datetime | None:
    found = find(tx, session, 1)
    assert found is not None
    return found[1].revoked_at


def test_a_newer_token_supersedes_the_refresh_tokens_before(begun: Store, session: Session) -> None:
    with begun.writing() as tx:
        for since, superseded in ((9, False), (10, True)):
            tokens.supersede(tx, {(session.client_id, session.user_guid): since})
            found = find(tx, 7, 1)
            assert found is not None
            assert found[0].is_superseded is superseded


@pytest.mark.parametrize("gone", ["user", "app"])
def test_a_session_is_deleted_with_its_user_and_its_application(begun: Store, session: Session, gone: str) -> None:
    with begun.writing() as tx:
        if gone == "user":
            users.delete(tx, session.user_guid)
        else:
            apps.delete(tx, session.client_id)
        assert tx.one("SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM refresh_token)") == (0,)


def test_a_token_without_its_session_is_inactive(begun: Store) -> None:
    with begun.writing() as tx:
        tx.run("DELETE FROM session")
    assert token(begun) is None


def test_ids_are_larger_than_those_of_all_tokens_and_sessions(begun: Store) -> None:
    with begun.writing() as tx:
        assert tx.fetch(tokens.ID_STATE).last_id == 9
        tx.run("UPDATE session SET id = 12")
        assert tx.fetch(tokens.ID_STATE).last_id == 12


def hash_of(name: str) -> str:
    return f"scrypt$2$8$1$AAAA${name}"


def test_a_hash_is_renewed_unless_it_changed(peopled: Store, ana: User) -> None:
    with peopled.writing() as tx:
        users.save(tx, ana._replace(password_hash=hash_of("one")))
        users.replace_password_hashes(
            tx, [RenewedHash(hash_of(after), ana.guid, hash_of("one")) for after in ("two", "three")]
        )
        found = users.find_by_guid(tx, ana.guid)
    assert found is not None
    assert found.password_hash == hash_of("two")


def test_saved_rows_have_the_values_that_were_given(store: Store, now: datetime) -> None:
    texts = ["", "NULL", "{a,b}", 'quote " and \\ backslash', "\u00e9\u2028\U0001f511\n", "a'b"]
    with store.writing() as tx:
        for number, text in enumerate(texts):
            session = Session(number, text, "portal", text, (), key=None, initial_properties=())
            sessions.add(tx, [session, session._replace(id=100 + number, key=text)])
        sessions.add_refresh_tokens(
            tx, [RefreshToken(number, 1, -number, bytes([number, 0, 34, 92]), now) for number in range(3)]
        )
        rows = [*tx.each("SELECT user_guid, auth_type, key FROM session ORDER BY id")]
        digests = [*tx.each("SELECT token, digest FROM refresh_token ORDER BY session")]
    assert rows == [(text, text, None) for text in texts] + [(text, text, text) for text in texts]
    assert digests == [(-number, bytes([number, 0, 34, 92])) for number in range(3)]
