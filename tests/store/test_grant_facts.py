"""What the store holds about many token requests, asked at once."""

from datetime import datetime

import pytest

from gamcli.model import App, AuthType, Key, User
from gamcli.model.tokens import RefreshToken, Session
from gamcli.store import Store, apps, auth_types, grant_facts, keys, sessions, users
from gamcli.store.queries import with_asked


def test_keys_are_found_with_their_users(peopled: Store, key: Key, ana: User, portal: App) -> None:
    bob = ana._replace(name="bob", guid="bob", email="")
    other = key._replace(id="K7654321", user_guid="bob", user="bob")
    with peopled.writing() as tx:
        users.add(tx, bob)
        keys.add(tx, other)
        found = tx.fetch(grant_facts.find_keys(["K7654321", "unknown1", key.id, "00000000"]))
    assert found == {key.id: (key, ana), other.id: (other._replace(app=portal.name), bob)}


def test_an_unknown_key_reads_as_much_as_a_known_one(peopled: Store, key: Key) -> None:
    """The query reads another key and its user, so that the response time does not show which IDs exist."""
    with peopled.reading() as tx:
        rows = []
        for key_id in (key.id, "00000000", "zzzzzzzz"):
            with_clause, values = with_asked("id", [(key_id,)])
            rows.append([*tx.each(with_clause + grant_facts._KEYS, values)])  # noqa: SLF001 - the query itself
        assert [len(each) for each in rows] == [1, 1, 1]
        assert [each[0][1] for each in rows] == [key.id] * 3
        assert tx.fetch(grant_facts.find_keys(["00000000", "zzzzzzzz"])) == {}


def test_without_any_key_none_is_found(store: Store) -> None:
    with store.reading() as tx:
        assert tx.fetch(grant_facts.find_keys(["K1234567"])) == {}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 512])
def test_what_is_asked_is_repeated_up_to_a_power_of_two(store: Store, count: int) -> None:
    with_clause, values = with_asked("id, part", [(number, "x") for number in range(count)])
    with store.reading() as tx:
        rows = [*tx.each(f"{with_clause}SELECT id, part FROM asked ORDER BY id", values)]
    assert len(rows) in (1, 2, 4, 8, 64, 512)
    assert set(rows) == {(number, "x") for number in range(count)}


def test_refresh_tokens_are_found_with_their_sessions_keys_and_users(
    peopled: Store, key: Key, ana: User, now: datetime
) -> None:
    login = Session(7, ana.guid, key.client_id, "local", ("gam_user_data",))
    by_key = login._replace(id=8, key=key.id)
    tokens = [RefreshToken(each.id, 1, 9, b"r" * 32, now) for each in (login, by_key)]
    with peopled.writing() as tx:
        sessions.add(tx, [login, by_key])
        sessions.add_refresh_tokens(tx, tokens)
        found = tx.fetch(grant_facts.find_refresh_tokens([(8, 1), (7, 1), (7, 2), (9, 1)]))
        assert {place: each[:4] for place, each in found.items()} == {
            (7, 1): (tokens[0], login, ana, None),
            (8, 1): (tokens[1], by_key, ana, key),
        }
        # An authentication type that was deleted and created again may be written in another case.
        assert [each.auth_type and each.auth_type.name for each in found.values()] == [None, None]
        auth_types.add(
            tx, AuthType("Local", "GAMLocal", "", enabled=True, default=False, created_at=now, updated_at=now)
        )
        (stored,) = tx.fetch(grant_facts.find_refresh_tokens([(8, 1)])).values()
        assert stored.auth_type is not None
        assert stored.auth_type.name == "Local"
        tx.run("DELETE FROM auth_type WHERE fold = 'local'")
        tx.run("DELETE FROM key")
        tx.run("DELETE FROM user")
        assert tx.fetch(grant_facts.find_refresh_tokens([(8, 1)])) == {(8, 1): (tokens[1], by_key, None, None, None)}


def test_users_are_found_by_name_email_and_guid(peopled: Store, ana: User) -> None:
    with peopled.reading() as tx:
        for asked in (ana.name.lower(), ana.email.lower(), ana.guid):
            assert tx.fetch(grant_facts.find_users(["nobody", asked])) == [ana]
        assert tx.fetch(grant_facts.find_users_by_guid([ana.guid, ana.name.lower()])) == {ana.guid: ana}


def test_clients_are_applications_with_the_named_or_the_default_type(store: Store, portal: App) -> None:
    with store.writing() as tx:
        apps.add(tx, portal)
        asked = [(portal.client_id, "apikey"), (portal.client_id, ""), ("unknown", "other")]
        assert tx.fetch(grant_facts.find_clients(asked)) == {}  # before `gamcli init`


def test_attributes_are_used_if_some_user_has_them(peopled: Store, ana: User) -> None:
    with peopled.writing() as tx:
        users.save(tx, ana._replace(attributes={"team": "one"}))
        assert tx.fetch(grant_facts.find_used_attributes(["team", "Team", "area"])) == {"team"}
