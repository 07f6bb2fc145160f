"""Users in the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import ConflictError, NotFoundError
from gamcli.model import User
from gamcli.store import Store, Transaction, users
from gamcli.store.users import UserFilter
from tests.cases import for_each

pytestmark = pytest.mark.both_engines

Trial = Callable[[], AbstractContextManager[Transaction]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TIMES = st.datetimes(timezones=st.just(UTC))
ROLES = st.lists(st.text("abcÅ日 ", min_size=1, max_size=5), unique=True).map(tuple)
ATTRIBUTES = st.dictionaries(
    st.text("abc._-", min_size=1), TEXTS | st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS), max_size=3
)
FIELDS = (
    "email", "first_name", "last_name", "external_id", "birthday", "gender", "url_image", "url_profile", "phone",
    "address", "city", "state", "post_code", "language", "timezone", "custom_info",
)  # fmt: skip
USERS = st.builds(
    User,
    guid=st.uuids().map(str),
    name=TEXTS.filter(bool),
    created_at=TIMES,
    updated_at=TIMES,
    verified_email=st.booleans(),
    roles=ROLES,
    attributes=ATTRIBUTES,
    enabled=st.booleans(),
    blocked=st.booleans(),
    managed_by=st.none() | TEXTS,
    password_hash=st.sampled_from([None, "scrypt$2$8$1$AAAA$+/==", "scrypt-nfc$16384$8$1$AA==$AAAA"]),
    password_set_at=st.none() | TIMES,
    password_must_change=st.booleans(),
    password_expires_at=st.none() | TIMES,
    **dict.fromkeys(FIELDS, TEXTS),
)


@pytest.fixture
def three(store: Store, ana: User) -> Store:
    with store.writing() as tx:
        for place, name in enumerate(("bob", "Ana", "cleo")):
            at = datetime(2026, 1, 3 - place, tzinfo=UTC)
            user = ana._replace(name=name, guid=f"{place}", email=f"{9 - place}@x.org", created_at=at, updated_at=at)
            user = user._replace(first_name=f"{place}", last_name=f"{9 - place}", external_id=f"{place}")
            user = user._replace(enabled=place > 0, blocked=place > 1, roles=("admin", "op")[: place + 1])
            users.add(tx, user._replace(attributes={"Area": "north"} if place else {"zone": ["a", "b"]}))
    return store


def names(tx: Transaction, filters: UserFilter) -> list[str]:
    return [user.name for user in users.search(tx, filters)]


@given(USERS, USERS)
def test_a_user_comes_back_as_kept(trial: Trial, user: User, after: User) -> None:
    with trial() as tx:
        users.add(tx, user)
        assert users.find_by_guid(tx, user.guid) == user
        after = after._replace(guid=user.guid)
        users.save(tx, after)
        assert list(users.search(tx, UserFilter())) == [after]
        assert users.get(tx, after.name) == after


@pytest.mark.parametrize("name", ["Ana", "ANA", "ana@x.org", "Ana@X.org", "6F1B4A52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"])
def test_a_user_is_found_by_name_email_and_guid(peopled: Store, ana: User, name: str) -> None:
    with peopled.reading() as tx:
        assert users.find(tx, name) == users.get(tx, name) == ana


@pytest.mark.parametrize("name", ["", "an", "x.org", "%", "6f1b4a52"])
def test_another_name_finds_nobody(peopled: Store, name: str) -> None:
    with peopled.reading() as tx:
        assert users.find(tx, name) is None
        with pytest.raises(NotFoundError) as caught:
            users.get(tx, name)
    assert (caught.value.message, caught.value.hint) == (
        f"no user named '{name}'",
        "did you mean Ana? To list all: gamcli user list" if name == "an" else "gamcli user list",
    )


def test_users_without_email_are_not_found_by_the_empty_name(store: Store, ana: User) -> None:
    with store.writing() as tx:
        for number in range(2):
            users.add(tx, ana._replace(name=f"user {number}", guid=f"{number}", email=""))
        assert users.find(tx, "") is None


@pytest.mark.parametrize(
    "other", [{"name": "ANA"}, {"email": "ANA@X.ORG"}, {"guid": "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"}]
)
def test_names_emails_and_guids_are_unique(peopled: Store, ana: User, other: dict[str, str]) -> None:
    second = ana._replace(**{"name": "second", "email": "", "guid": "2", **other})  # type: ignore[arg-type]

    def add() -> None:
        with peopled.writing() as tx:
            users.add(tx, second)

    with pytest.raises(ConflictError, match="already has this"):
        add()


@for_each(
    ("filters", "expected"),
    [
        (UserFilter(), ["Ana", "bob", "cleo"]),
        (UserFilter(enabled=True), ["Ana", "cleo"]),
        (UserFilter(enabled=False), ["bob"]),
        (UserFilter(blocked=True), ["cleo"]),
        (UserFilter(blocked=False, enabled=True), ["Ana"]),
        (UserFilter(role="op"), ["Ana", "cleo"]),
        (UserFilter(role="o"), []),
        (UserFilter(attribute="Area"), ["Ana", "cleo"]),
        (UserFilter(attribute="area"), []),
        (UserFilter(attribute="Area", role="admin", blocked=True), ["cleo"]),
    ],
)
def test_a_list_shows_the_users_that_match(three: Store, filters: UserFilter, expected: list[str]) -> None:
    with three.reading() as tx:
        assert names(tx, filters) == expected


@for_each(
    ("sort", "expected"),
    [
        ("name", ["Ana", "bob", "cleo"]),
        ("email", ["cleo", "Ana", "bob"]),
        ("guid", ["bob", "Ana", "cleo"]),
        ("first_name", ["bob", "Ana", "cleo"]),
        ("last_name", ["cleo", "Ana", "bob"]),
        ("external_id", ["bob", "Ana", "cleo"]),
        ("created_at", ["cleo", "Ana", "bob"]),
        ("updated_at", ["cleo", "Ana", "bob"]),
    ],
)
def test_a_list_is_sorted_by_each_field_in_both_directions(three: Store, sort: str, expected: list[str]) -> None:
    with three.reading() as tx:
        assert names(tx, UserFilter(sort=sort)) == expected
        assert names(tx, UserFilter(sort=f"-{sort}")) == expected[::-1]


def test_who_carries_an_attribute_is_known(peopled: Store, ana: User) -> None:
    with peopled.writing() as tx:
        assert not users.is_attribute_used(tx, "Area")
        users.save(tx, ana._replace(attributes={"Area": "north", "zone": []}))
        assert [users.is_attribute_used(tx, name) for name in ("Area", "zone", "area", "")] == [
            True,
            True,
            False,
            False,
        ]
        users.save(tx, ana._replace(attributes={"zone": []}))
        assert [users.is_attribute_used(tx, name) for name in ("Area", "zone")] == [False, True]
        users.delete(tx, ana.guid)
        assert not users.is_attribute_used(tx, "zone")


def test_a_deleted_user_is_gone(three: Store) -> None:
    with three.writing() as tx:
        users.delete(tx, "1")
        assert names(tx, UserFilter()) == ["bob", "cleo"]


def test_users_are_found_by_many_texts_at_once(peopled: Store, ana: User) -> None:
    with peopled.reading() as tx:
        for text in ("ANA", "Ana@X.org", ana.guid.upper()):
            assert list(users.find_by_names(tx, [text, "bob", "bob@x.org"])) == [ana]
        assert {each.guid for each in users.find_by_names(tx, ["ana", ana.email])} == {ana.guid}
        assert list(users.find_by_names(tx, [f"user{number}" for number in range(600)])) == []


def test_those_whom_a_manifest_manages_are_found(three: Store) -> None:
    with three.writing() as tx:
        bob = users.get(tx, "bob")
        users.save(tx, bob._replace(managed_by="a.toml"))
        assert [each.name for each in users.find_managed(tx, ["a.toml", "b.toml"])] == ["bob"]
        assert list(users.find_managed(tx, ["b.toml"])) == []
        assert list(users.find_managed(tx, [])) == []


def test_an_email_that_is_released_may_be_taken(peopled: Store, ana: User) -> None:
    with peopled.writing() as tx:
        users.release_emails(tx, [ana.guid])
        users.add(tx, ana._replace(guid="b", name="bob"))
        users.save(tx, ana._replace(email="new@x.org"))
        assert [users.get(tx, email).name for email in ("new@x.org", ana.email)] == [ana.name, "bob"]
