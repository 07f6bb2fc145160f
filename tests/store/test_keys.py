"""API keys in the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import ConflictError, FailedError, NotFoundError, UsageError
from gamcli.model import APIKEY, ApiKeyPolicy, App, AuthType, Key, User
from gamcli.store import Store, Transaction, apps, auth_types, keys, users
from gamcli.store.keys import KeyFilter
from tests.cases import for_each

pytestmark = pytest.mark.both_engines

Trial = Callable[[], AbstractContextManager[Transaction]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TIMES = st.datetimes(timezones=st.just(UTC))
ENDS = st.tuples(TIMES, st.sampled_from(["revoked", "replaced", "invalidated"])) | st.just((None, None))


@pytest.fixture
def four(peopled: Store, key: Key, ana: User, portal: App, now: datetime) -> Store:
    with peopled.writing() as tx:
        users.add(tx, ana._replace(name="bob", guid="bob", email=""))
        auth_types.add(tx, AuthType("x", APIKEY, "", enabled=True, default=False, created_at=now, updated_at=now))
        apps.add(tx, portal._replace(name="intranet", client_id="i" * 32, api_keys=ApiKeyPolicy(auth_type="X")))
        hour = timedelta(hours=1)
        bobs = key._replace(user="bob", user_guid="bob", label="b", expires_at=now + hour, created_at=now + hour)
        keys.add(tx, bobs._replace(id="Kaaaaaaa"))
        intranet = key._replace(app="intranet", client_id="i" * 32, label="a", auth_type="x")
        keys.add(tx, intranet._replace(id="Kaaaaaab", created_at=now - hour, last_used_at=now))
        keys.add(tx, intranet._replace(id="KaB00000", user="bob", user_guid="bob", expires_at=now + 2 * hour))
        keys.record_end(tx, "KaB00000", "revoked", now, "lost")
    return peopled


def ids(tx: Transaction, filters: KeyFilter) -> list[str]:
    return [key.id for key in keys.search(tx, filters)]


KEYS = st.builds(
    Key,
    id=st.text("0123456789ABCabc", min_size=8, max_size=8),
    user=st.just("Ana"),
    user_guid=st.just("6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"),
    app=st.just("Portal"),
    client_id=st.just("c" * 32),
    scopes=st.lists(st.sampled_from(["gam_user_data", "fullcontrol", "user_Área"]), unique=True).map(tuple),
    digest=st.binary(min_size=32, max_size=32),
    created_at=TIMES,
    expires_at=st.none() | TIMES,
    label=TEXTS,
    last_used_at=st.none() | TIMES,
    retires_at=st.none() | TIMES,
    reason=st.none() | TEXTS,
    ended_at=st.none(),
    end=st.none(),
    managed_by=st.none() | TEXTS,
    disabled_at=st.none() | TIMES,
    auth_type=st.none(),
    replaces=st.none(),
    grants=st.just(0),
    last_used_from=st.none(),
)


@given(key=KEYS, end=ENDS)
def test_a_key_comes_back_as_it_was_kept(
    trial: Trial, ana: User, portal: App, key: Key, end: tuple[datetime | None, str | None]
) -> None:
    kept = key._replace(ended_at=end[0], end=end[1])
    with trial() as tx:
        users.add(tx, ana)
        apps.add(tx, portal)
        keys.add(tx, kept)
        assert keys.find(tx, kept.id) == keys.get_by_prefix(tx, kept.id) == kept
        assert keys.find_current(tx, ana.guid, portal.client_id) == kept
        assert list(keys.search(tx, KeyFilter())) == [kept]


def test_a_key_follows_the_names_of_its_user_and_application(peopled: Store, ana: User, portal: App) -> None:
    with peopled.writing() as tx:
        users.save(tx, ana._replace(name="Anna"))
        apps.save(tx, portal._replace(name="Gate"))
        renamed = keys.get_by_prefix(tx, "K1234567")
    assert (renamed.user, renamed.app) == ("Anna", "Gate")


@for_each("prefix", ["K1234567", "K123", "Kaaaaaaa"])
def test_a_key_is_named_by_any_beginning_that_is_its_own(four: Store, prefix: str) -> None:
    with four.reading() as tx:
        assert keys.get_by_prefix(tx, prefix).id.startswith(prefix)


@for_each("prefix", ["Kaaa", "Kaaaaaa"])
def test_a_beginning_of_several_ids_is_refused(four: Store, prefix: str) -> None:
    with four.reading() as tx, pytest.raises(UsageError, match="the ID prefix") as caught:
        keys.get_by_prefix(tx, prefix)
    assert caught.value.hint == "use more characters of the ID"


@for_each("prefix", ["", "k1234567", "K12345678", "Z", "%", "é", "\U0010ffff", "\ud7ff", "K\U0010ffff"])
def test_another_beginning_finds_no_key(four: Store, prefix: str) -> None:
    with four.reading() as tx, pytest.raises(NotFoundError) as caught:
        keys.get_by_prefix(tx, prefix)
    assert (caught.value.message, caught.value.hint) == (f"no key with ID '{prefix}'", "gamcli key list")


def test_the_name_of_a_user_instead_of_a_key_lists_the_keys_of_the_user(peopled: Store, ana: User) -> None:
    for name in (ana.name, ana.email):
        with pytest.raises(NotFoundError) as caught, peopled.reading() as tx:
            keys.get_by_prefix(tx, name)
        assert caught.value.hint == f"gamcli key list --user {ana.name}"


@for_each("prefix", ["K", "K1", "K12", "KaB"])
def test_a_prefix_has_at_least_four_characters(four: Store, prefix: str) -> None:
    with four.reading() as tx, pytest.raises(UsageError, match="is too short"):
        keys.get_by_prefix(tx, prefix)


def test_only_a_whole_id_finds_a_key(four: Store) -> None:
    with four.reading() as tx:
        assert keys.find(tx, "K123456") is None
        assert keys.find(tx, "K1234567") is not None


def test_a_pair_has_one_current_key_the_newest(peopled: Store, key: Key) -> None:
    with peopled.writing() as tx:
        keys.record_end(tx, key.id, "replaced", key.created_at, None)
        keys.add(tx, key._replace(id="K2222222"))
        current = keys.find_current(tx, key.user_guid, key.client_id)
        assert current is not None
        assert current.id == "K2222222"
        assert sorted(ids(tx, KeyFilter())) == ["K1234567", "K2222222"]
        assert list(tx.each("SELECT id FROM key WHERE current = 1")) == [("K2222222",)]


def test_the_file_itself_keeps_a_second_current_key_out(peopled: Store, key: Key) -> None:
    def make_both_current() -> None:
        with peopled.writing() as tx:
            keys.add(tx, key._replace(id="K2222222"))
            tx.run("UPDATE key SET current = 1")

    with pytest.raises(ConflictError, match=r"user_number|key_by_user"):
        make_both_current()


def test_a_pair_without_a_key_has_no_current_one(four: Store, ana: User) -> None:
    with four.reading() as tx:
        assert keys.find_current(tx, ana.guid, "nobody") is None
        assert keys.find_current(tx, "nobody", "i" * 32) is None


def test_a_key_ends_with_its_time_status_and_reason(peopled: Store, key: Key, now: datetime) -> None:
    with peopled.writing() as tx:
        keys.record_end(tx, key.id, "invalidated", now, "scope withdrawn: user_email")
        assert keys.get_by_prefix(tx, key.id) == key._replace(
            ended_at=now, end="invalidated", reason="scope withdrawn: user_email"
        )


def test_a_key_does_not_end_as_anything_else(peopled: Store, key: Key, now: datetime) -> None:
    def end() -> None:
        with peopled.writing() as tx:
            keys.record_end(tx, key.id, "expired", now, None)

    with pytest.raises(FailedError, match=r"(?i)check"):
        end()


@for_each(
    ("filters", "expected"),
    [
        (KeyFilter(), {"K1234567", "Kaaaaaaa", "Kaaaaaab", "KaB00000"}),
        (KeyFilter(user_guid="bob"), {"Kaaaaaaa", "KaB00000"}),
        (KeyFilter(client_id="i" * 32), {"Kaaaaaab", "KaB00000"}),
        (KeyFilter(auth_type="y"), {"K1234567", "Kaaaaaaa"}),
        (KeyFilter(auth_type="X"), {"K1234567", "Kaaaaaaa", "Kaaaaaab", "KaB00000"}),
        (KeyFilter(not_ended=True), {"K1234567", "Kaaaaaaa", "Kaaaaaab"}),
        (KeyFilter(user_guid="bob", client_id="i" * 32), {"KaB00000"}),
        (KeyFilter(user_guid="bob", client_id="i" * 32, not_ended=True), set()),
    ],
)
def test_a_list_shows_the_keys_that_match(four: Store, filters: KeyFilter, expected: set[str]) -> None:
    with four.reading() as tx:
        assert set(ids(tx, filters)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(3599, set()), (3600, {"Kaaaaaaa"}), (7200, {"Kaaaaaaa", "KaB00000"})]
)
def test_keys_that_expire_before_an_instant_are_found(
    four: Store, now: datetime, seconds: int, expected: set[str]
) -> None:
    with four.reading() as tx:
        assert set(ids(tx, KeyFilter(expires_before=now + timedelta(seconds=seconds)))) == expected


@for_each(
    ("sort", "expected"),
    [
        ("id", ["K1234567", "KaB00000", "Kaaaaaaa", "Kaaaaaab"]),
        ("user", ["K1234567", "Kaaaaaab", "KaB00000", "Kaaaaaaa"]),
        ("app", ["KaB00000", "Kaaaaaab", "K1234567", "Kaaaaaaa"]),
        ("label", ["K1234567", "KaB00000", "Kaaaaaab", "Kaaaaaaa"]),
        ("created_at", ["Kaaaaaab", "K1234567", "KaB00000", "Kaaaaaaa"]),
        ("expires_at", ["Kaaaaaaa", "KaB00000", "K1234567", "Kaaaaaab"]),
        ("last_used_at", ["K1234567", "KaB00000", "Kaaaaaaa", "Kaaaaaab"]),
        ("ended_at", ["K1234567", "Kaaaaaaa", "Kaaaaaab", "KaB00000"]),
    ],
)
def test_a_list_is_sorted_by_each_field(four: Store, sort: str, expected: list[str]) -> None:
    with four.reading() as tx:
        assert ids(tx, KeyFilter(sort=sort)) == expected


def test_a_deleted_user_or_application_takes_its_keys_along(four: Store, ana: User) -> None:
    with four.writing() as tx:
        users.delete(tx, ana.guid)
        assert set(ids(tx, KeyFilter())) == {"Kaaaaaaa", "KaB00000"}
        apps.delete(tx, "i" * 32)
        assert ids(tx, KeyFilter()) == ["Kaaaaaaa"]


def test_the_current_keys_of_many_users_are_found_at_once(four: Store, ana: User) -> None:
    with four.reading() as tx:
        found = list(keys.find_current_of_users(tx, [ana.guid]))
        assert found
        assert {each.user_guid for each in found} == {ana.guid}
        assert [keys.find_current(tx, each.user_guid, each.client_id) for each in found] == found
        assert len(list(keys.find_current_of_users(tx, [ana.guid, "bob"]))) > len(found)


def test_those_that_a_manifest_manages_are_found(peopled: Store, key: Key, now: datetime) -> None:
    with peopled.writing() as tx:
        keys.set_managed_by(tx, key.id, "a.toml")
        assert list(keys.find_managed_ids(tx, ["a.toml"])) == [key.id]
        assert keys.find(tx, key.id) == key._replace(managed_by="a.toml")
        keys.record_end(tx, key.id, "revoked", now, None)
        assert list(keys.find_managed_ids(tx, ["a.toml"])) == []
