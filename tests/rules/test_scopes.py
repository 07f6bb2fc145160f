"""The scope table, and how scopes are split, named, ordered and covered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import UsageError
from gamcli.rules import scopes
from tests.cases import for_each

IN_ORDER = (
    "gam_user_data", "gam_user_additional_data", "gam_user_roles", "session_initial_prop", "session_application_data",
    "fullcontrol", "user_guid", "user_username", "user_email", "user_first_name", "user_last_name",
    "user_external_id", "user_birthday", "user_gender", "user_url_image", "user_url_profile", "user_phone",
    "user_address", "user_city", "user_state", "user_post_code", "user_language", "user_timezone",
)  # fmt: skip

ATTRIBUTES = ("user_Area", "user_zone")
NAMES = st.sampled_from([*IN_ORDER, *ATTRIBUTES])


def is_attribute(name: str) -> bool:
    return f"user_{name}" in ATTRIBUTES


def test_the_table_is_in_the_order_of_the_wire() -> None:
    assert list(scopes.TABLE) == list(IN_ORDER)


def test_every_scope_says_what_it_reveals() -> None:
    assert all(name == scope.name and scope.claims and scope.description for name, scope in scopes.TABLE.items())


@for_each(
    ("scope", "claims"),
    [
        ("user_email", ("email", "verified_email")),
        ("user_guid", ("guid",)),
        ("gam_user_roles", ("roles",)),
        ("gam_user_additional_data", ("attributes",)),
        ("session_initial_prop", ("initial_properties",)),
        ("session_application_data", ("application_data",)),
    ],
)
def test_a_narrow_scope_reveals_its_own_claims(scope: str, claims: tuple[str, ...]) -> None:
    assert scopes.TABLE[scope].claims == claims


def test_fullcontrol_reveals_what_all_others_reveal_together() -> None:
    others = {claim for scope in scopes.TABLE.values() if scope.name != "fullcontrol" for claim in scope.claims}
    assert set(scopes.TABLE["fullcontrol"].claims) == others


@for_each(
    ("text", "names"),
    [
        ("", []),
        ("++ \t", []),
        ("user_email", ["user_email"]),
        ("user_email+gam_user_roles", ["user_email", "gam_user_roles"]),
        ("user_email gam_user_roles\nuser_city", ["user_email", "gam_user_roles", "user_city"]),
        (" +user_email+ + user_email+", ["user_email"]),
        ("user_mail+user_email", ["user_email"]),
        ("gam_session_initial_prop", ["session_initial_prop"]),
        ("gam_session_app_data+session_app_data", ["session_application_data"]),
        ("FullControl", ["fullcontrol"]),
        ("FULLCONTROL+fullcontrol", ["fullcontrol"]),
        ("user_Area+user_area", ["user_Area", "user_area"]),
    ],
)
def test_scopes_are_split_at_plus_and_blanks_into_canonical_names(text: str, names: list[str]) -> None:
    assert scopes.split(text) == names


@given(st.text(alphabet="+ \taBuserE_%", max_size=40))
def test_splitting_twice_is_splitting_once(text: str) -> None:
    names = scopes.split(text)
    assert scopes.split(scopes.join(names)) == names


@given(st.lists(NAMES))
def test_ordered_scopes_stand_once_each_in_the_order_of_the_table(names: list[str]) -> None:
    assert scopes.sort_scopes(names) == tuple(name for name in [*IN_ORDER, *ATTRIBUTES] if name in names)


@given(st.lists(NAMES))
def test_parse_reads_what_join_writes(names: list[str]) -> None:
    assert scopes.parse([scopes.join(names)], is_attribute) == scopes.sort_scopes(names)
    assert scopes.parse(names, is_attribute) == scopes.sort_scopes(names)


@for_each(
    ("word", "hint"),
    [
        ("user_emial", "did you mean user_email? To list all: gamcli scope list"),
        ("GAM_USER_DATE", "did you mean gam_user_data? To list all: gamcli scope list"),
        ("session_app_dat", "did you mean session_application_data? To list all: gamcli scope list"),
        ("qqq", "gamcli scope list"),
        ("user_", "did you mean user_email? To list all: gamcli scope list"),
        ("user_nobody_has_it", "gamcli scope list"),
        ("Area", "gamcli scope list"),
    ],
)
def test_an_unknown_scope_is_refused_with_the_nearest_name(word: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        scopes.parse(["user_guid", word], is_attribute)
    assert caught.value.message == f"unknown scope '{word}'"
    assert caught.value.hint == hint


@for_each(
    ("scope", "attribute"),
    [("user_Area", "Area"), ("user_email", None), ("gam_user_data", None), ("USER_Area", None), ("Area", None)],
)
def test_a_user_scope_that_is_not_a_field_stands_for_an_attribute(scope: str, attribute: str | None) -> None:
    assert scopes.attribute_id(scope) == attribute


COVERED_BY = {
    "gam_user_data": {name for name in IN_ORDER if name.startswith("user_")},
    "gam_user_additional_data": set(ATTRIBUTES),
    "fullcontrol": {*IN_ORDER, *ATTRIBUTES},
}


@given(NAMES, NAMES)
def test_a_scope_is_covered_by_itself_and_by_the_wider_ones_alone(expected: str, published: str) -> None:
    covered = expected == published or expected in COVERED_BY.get(published, ())
    assert scopes.is_allowed(expected, [published]) is covered


@given(st.lists(NAMES), st.lists(NAMES))
def test_what_is_beyond_is_each_scope_that_nothing_published_covers(expected: list[str], published: list[str]) -> None:
    beyond = scopes.find_disallowed(expected, published)
    assert list(beyond) == [name for name in expected if not any(scopes.is_allowed(name, [wide]) for wide in published)]


@for_each("word", ["nonsense", "user_", "USER_Area", "gam_user"])
def test_what_is_no_scope_is_covered_by_nothing_wider(word: str) -> None:
    assert scopes.find_disallowed([word], ["fullcontrol", "gam_user_additional_data", "gam_user_data"]) == (word,)
