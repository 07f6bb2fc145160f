"""Fields of users, and how changes apply to them."""

from datetime import datetime, timedelta

import pytest

from gamcli.errors import UsageError
from gamcli.model import User
from gamcli.rules import users
from gamcli.rules.scopes import FIELD_LABELS
from tests.cases import for_each

GUID = "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"
LIMITS = {
    "first_name": 60,
    "last_name": 60,
    "external_id": 100,
    "url_image": 2048,
    "url_profile": 2048,
    "phone": 254,
    "address": 254,
    "city": 254,
    "state": 254,
    "post_code": 254,
    "language": 254,
    "timezone": 254,
    "custom_info": 2048,
}


def test_a_new_user_has_a_name_a_guid_and_empty_fields(now: datetime) -> None:
    made = users.create("ana", GUID, {}, now)
    assert made == User(guid=GUID, name="ana", created_at=now, updated_at=now)
    assert (made.enabled, made.blocked, made.verified_email, made.gender) == (True, False, False, "N")
    assert (made.email, made.roles, made.attributes, made.password_hash) == ("", (), {}, None)


def test_fields_are_laid_over_the_deproblems(now: datetime) -> None:
    given = {
        **{field: f"my {field}" for field in LIMITS},
        "email": "ana@example.com",
        "birthday": "1990-02-28",
        "gender": "F",
        "roles": ("operator", "admin"),
        "attributes": {"Area": "north", "langs": ["es", "en"], "CompanyID": {"GX": "GeneXus"}},
    }
    made = users.create("ana", GUID, given, now)
    assert {field: getattr(made, field) for field in given} == given


def test_the_name_of_a_new_user_is_checked(now: datetime) -> None:
    with pytest.raises(UsageError, match="the name of a user is too long: 61 characters"):
        users.create("x" * 61, GUID, {}, now)


@for_each(("field", "longest"), LIMITS.items())
def test_texts_have_their_lengths(user: User, now: datetime, field: str, longest: int) -> None:
    assert users.apply_changes(user, {field: "x" * longest}, now)
    with pytest.raises(UsageError, match=f"the {FIELD_LABELS[field]} is too long: {longest + 1:,} characters"):
        users.apply_changes(user, {field: "x" * (longest + 1)}, now)


@for_each("field", [*LIMITS, "email", "birthday", "gender"])
def test_texts_are_printable(user: User, now: datetime, field: str) -> None:
    with pytest.raises(UsageError, match=f"the {FIELD_LABELS[field]} contains"):
        users.apply_changes(user, {field: "a\x1b[2Jb"}, now)


@for_each(
    ("field", "value"),
    [
        ("email", "ana"),
        ("email", "ana@"),
        ("email", "@example.com"),
        ("email", "a b@example.com"),
        ("email", "a@b@example.com"),
        ("birthday", "28/02/1990"),
        ("birthday", "1990-02-30"),
        ("birthday", "19900228"),
        ("birthday", "1990-W09-3"),
        ("gender", "X"),
        ("gender", "f"),
    ],
)
def test_email_birthday_and_gender_have_their_forms(user: User, now: datetime, field: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"invalid {field}") as caught:
        users.apply_changes(user, {field: value}, now)
    assert caught.value.hint


@for_each(("field", "value"), [("email", ""), ("birthday", ""), ("email", "a@b"), ("birthday", "2000-02-29")])
def test_email_and_birthday_may_be_emptied(user: User, now: datetime, field: str, value: str) -> None:
    assert getattr(users.apply_changes(user, {field: value}, now), field) == value


def test_an_email_of_more_than_a_hundred_characters_is_refused(user: User, now: datetime) -> None:
    assert users.apply_changes(user, {"email": "a@" + "b" * 98}, now)
    with pytest.raises(UsageError, match="the email is too long: 101 characters"):
        users.apply_changes(user, {"email": "a@" + "b" * 99}, now)


@for_each("role", ["", " x", "a+b", "a\nb", "x" * 255])
def test_a_role_is_like_a_name_without_plus(user: User, now: datetime, role: str) -> None:
    with pytest.raises(UsageError, match="role"):
        users.apply_changes(user, {"roles": ("operator", role)}, now)


@pytest.mark.parametrize("attribute", ["Area", "a.b-c_1", "x" * 60])
def test_an_attribute_has_an_id_of_plain_characters(user: User, now: datetime, attribute: str) -> None:
    assert users.apply_changes(user, {"attributes": {attribute: "x"}}, now).attributes == {attribute: "x"}


@for_each("attribute", ["", "a b", "a+b", "x" * 61, "é", "a\n"])
def test_another_attribute_id_is_refused(user: User, now: datetime, attribute: str) -> None:
    with pytest.raises(UsageError, match="invalid attribute ID") as caught:
        users.apply_changes(user, {"attributes": {attribute: "x"}}, now)
    assert caught.value.message.isprintable()


@for_each(
    ("attribute", "flag"),
    [
        ("email", "--email"),
        ("City", "--city"),
        ("FIRST_NAME", "--first-name"),
        ("mail", "--email"),
        ("Mail", "--email"),
    ],
)
def test_an_attribute_does_not_take_the_name_of_a_field(user: User, now: datetime, attribute: str, flag: str) -> None:
    with pytest.raises(UsageError, match="is a field of every user") as caught:
        users.apply_changes(user, {"attributes": {attribute: "x"}}, now)
    assert caught.value.hint == flag


def test_the_values_of_an_attribute_have_short_printable_ids(user: User, now: datetime) -> None:
    for value_id in ("", "x" * 61, "a\n"):
        with pytest.raises(UsageError, match="ID"):
            users.apply_changes(user, {"attributes": {"Area": {value_id: "x"}}}, now)


@for_each("content", ["x" * 2049, ["fine", "x" * 2049], "a\x00b", ["a\nb"]])
def test_the_texts_of_an_attribute_are_printable_and_bounded(
    user: User, now: datetime, content: str | list[str]
) -> None:
    with pytest.raises(UsageError, match="attribute Area"):
        users.apply_changes(user, {"attributes": {"Area": content}}, now)


def test_a_change_is_dated_and_what_is_not_named_stays(user: User, now: datetime) -> None:
    later = now + timedelta(days=1)
    assert users.apply_changes(user, {"city": "Montevideo"}, later) == user._replace(
        city="Montevideo", updated_at=later
    )


@pytest.mark.parametrize("changes", [{}, {"email": "ana@example.com"}, {"roles": (), "blocked": False}])
def test_a_change_to_what_is_there_already_returns_the_user_itself(
    user: User, now: datetime, changes: users.Changes
) -> None:
    assert users.apply_changes(user, changes, now + timedelta(days=1)) is user


@for_each(
    ("changes", "verified"),
    [
        ({"email": "new@example.com"}, False),
        ({"email": "new@example.com", "verified_email": True}, True),
        ({"city": "Salto"}, True),
        ({"email": "ana@example.com", "city": "Salto"}, True),
        ({"verified_email": False}, False),
    ],
)
def test_a_new_email_is_not_verified_until_someone_says_so(
    user: User,
    now: datetime,
    changes: users.Changes,
    verified: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert users.apply_changes(user._replace(verified_email=True), changes, now).verified_email is verified


def test_a_password_expires_after_its_lifetime_or_never(now: datetime) -> None:
    assert users.password_expiry(now, timedelta(days=90)) == now + timedelta(days=90)
    assert users.password_expiry(now, None) is None
    with pytest.raises(UsageError, match="lifetime of a password"):
        users.password_expiry(now, timedelta(0))
    assert users.password_expiry(now, now + timedelta(days=1)) == now + timedelta(days=1)
    with pytest.raises(UsageError, match="cannot expire in the past: 2026-03-01 12:00Z"):
        users.password_expiry(now, now)


def test_a_guid_is_in_lower_case_and_complete() -> None:
    assert users.parse_guid(GUID.upper()) == GUID
    with pytest.raises(UsageError, match="invalid GUID '6f1b4a52'"):
        users.parse_guid(GUID[:8])
