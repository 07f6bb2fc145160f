"""The claims of userinfo: which scopes grant them, and which tokens may read them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.model import App, User
from gamcli.model.tokens import InitialProperty, Token
from gamcli.rules import claims, scopes
from gamcli.rules.claims import UserinfoFacts
from gamcli.rules.credentials import Secret
from tests.cases import for_each

IN_ORDER = (
    "guid", "username", "email", "verified_email", "first_name", "last_name", "external_id", "birthday", "gender",
    "url_image", "url_profile", "phone", "address", "city", "state", "post_code", "language", "timezone",
    "application_data", "CustomInfo", "roles", "attributes", "initial_properties",
)  # fmt: skip
BASIC = IN_ORDER[:18]
TOKEN = Secret("the token")
KEY = b"k" * 32


@pytest.fixture(scope="session")
def full_user(user: User) -> User:
    own = ("guid", "username", "email", "verified_email", "birthday", "gender")
    texts = {field: f"the {field}" for field in BASIC if field not in own}
    return user._replace(
        **texts,  # type: ignore[arg-type]
        verified_email=True,
        custom_info="the custom info",
        birthday="1990-02-28",
        gender="F",
        roles=("operator", "admin"),
        attributes={"zone": "north", "langs": ["es", "en"], "none": [], "CompanyID": {"GX": "GeneXus"}},
    )


@pytest.fixture(scope="session")
def bearer(now: datetime, app: App, full_user: User) -> UserinfoFacts:
    token = Token(
        row=1,
        user=full_user.name,
        user_guid=full_user.guid,
        app=app.name,
        client_id=app.client_id,
        key="K1234567",
        scopes=("user_email",),
        digest=TOKEN.digest(),
        issued_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return UserinfoFacts(now=now, secret=TOKEN, token=token, app=app, user=full_user, pairwise_key=KEY)


def test_the_repr_of_facts_hides_the_token_and_the_pairwise_key(bearer: UserinfoFacts) -> None:
    assert bearer.user is not None
    assert bearer.user.name in repr(bearer)
    assert TOKEN.reveal() not in repr(bearer)
    assert repr(KEY) not in repr(bearer)


EXPECTED: dict[str, tuple[str, ...]] = {
    "gam_user_data": (*BASIC, "CustomInfo"),
    "gam_user_additional_data": ("attributes",),
    "gam_user_roles": ("roles",),
    "session_initial_prop": ("initial_properties",),
    "session_application_data": ("application_data",),
    "fullcontrol": IN_ORDER,
    **{f"user_{field}": (field,) for field in BASIC if field not in ("email", "verified_email")},
    "user_email": ("email", "verified_email"),
    "user_zone": ("attributes",),
    "user_nobody_has_it": (),
}


@for_each(("scope", "revealed"), EXPECTED.items())
def test_a_scope_reveals_exactly_its_claims(full_user: User, app: App, scope: str, revealed: tuple[str, ...]) -> None:
    assert tuple(claims.build_claims(full_user, app, [scope], KEY)) == revealed


def test_every_scope_of_the_table_is_tried() -> None:
    assert set(scopes.TABLE) < set(EXPECTED)


@given(st.lists(st.sampled_from(list(EXPECTED))))
def test_several_scopes_reveal_what_each_reveals(full_user: User, app: App, granted: list[str]) -> None:
    revealed = {claim for scope in granted for claim in EXPECTED[scope]}
    assert tuple(claims.build_claims(full_user, app, granted, KEY)) == tuple(
        claim for claim in IN_ORDER if claim in revealed
    )


def test_the_claims_hold_what_is_known_of_the_user(full_user: User, app: App) -> None:
    assert claims.build_claims(full_user, app, iter(["fullcontrol"]), KEY) == {
        "guid": full_user.guid,
        "username": "ana",
        "email": "ana@example.com",
        "verified_email": True,
        "first_name": "the first_name",
        "last_name": "the last_name",
        "external_id": "the external_id",
        "birthday": "1990-02-28",
        "gender": "F",
        "url_image": "the url_image",
        "url_profile": "the url_profile",
        "phone": "the phone",
        "address": "the address",
        "city": "the city",
        "state": "the state",
        "post_code": "the post_code",
        "language": "the language",
        "timezone": "the timezone",
        "application_data": "",
        "CustomInfo": "the custom info",
        "roles": ["operator", "admin"],
        "attributes": [
            {"Id": "zone", "IsMultiValue": False, "Value": "north"},
            {
                "Id": "langs",
                "IsMultiValue": True,
                "MultiValues": [{"Id": "1", "Value": "es"}, {"Id": "2", "Value": "en"}],
            },
            {"Id": "none", "IsMultiValue": True, "MultiValues": []},
            {"Id": "CompanyID", "IsMultiValue": True, "MultiValues": [{"Id": "GX", "Value": "GeneXus"}]},
        ],
        "initial_properties": [],
    }


def test_empty_texts_are_empty_and_an_empty_birthday_is_left_out(user: User, app: App) -> None:
    error = claims.build_claims(user, app, ["fullcontrol"], KEY)
    assert set(IN_ORDER) - set(error) == {"birthday"}
    assert (error["city"], error["roles"], error["attributes"], error["gender"]) == ("", [], [], "N")


def test_the_scope_of_one_attribute_reveals_that_one(full_user: User, app: App) -> None:
    assert claims.build_claims(full_user, app, ["user_zone", "user_Langs"], KEY) == {
        "attributes": [{"Id": "zone", "IsMultiValue": False, "Value": "north"}]
    }


def test_one_attribute_stands_where_all_of_them_would(full_user: User, app: App) -> None:
    assert list(claims.build_claims(full_user, app, ["session_initial_prop", "user_zone"], KEY)) == [
        "attributes",
        "initial_properties",
    ]


def test_all_attributes_are_reported_once(full_user: User, app: App) -> None:
    wide = claims.build_claims(full_user, app, ["gam_user_additional_data"], KEY)
    assert claims.build_claims(full_user, app, ["gam_user_additional_data", "user_zone"], KEY) == wide


def test_ids_are_hidden_from_an_application_that_does_not_share_them(full_user: User, app: App) -> None:
    closed = app._replace(share_user_ids=False)
    error = claims.build_claims(full_user, closed, ["user_city"], KEY)
    assert error.pop("city") == full_user.city
    assert error == {"guid": "", "external_id": claims.public_guid(full_user, closed, KEY)}
    assert full_user.guid not in str(error)


def test_a_pairwise_id_is_stable_and_differs_by_user_and_application(full_user: User, app: App) -> None:
    assert claims.public_guid(full_user, app, KEY) == full_user.guid
    app = app._replace(share_user_ids=False)
    again = full_user._replace(name="renamed", external_id="new"), app._replace(name="renamed")
    others = [(full_user._replace(guid="another"), app), (full_user, app._replace(client_id="another"))]
    pairwise = claims.public_guid(full_user, app, KEY)
    assert claims.public_guid(*again, KEY) == pairwise == str(UUID(pairwise))
    assert claims.public_guid(full_user, app, b"another" * 5) != pairwise
    assert len({pairwise, *(claims.public_guid(*other, KEY) for other in others)}) == 3


def of_token(bearer: UserinfoFacts, **settings: object) -> UserinfoFacts:
    assert bearer.token is not None
    return bearer._replace(token=bearer.token._replace(**settings))  # type: ignore[arg-type]


def of_user(bearer: UserinfoFacts, **settings: object) -> UserinfoFacts:
    assert bearer.user is not None
    return bearer._replace(user=bearer.user._replace(**settings))  # type: ignore[arg-type]


def without_app(bearer: UserinfoFacts) -> UserinfoFacts:
    assert bearer.app is not None
    return bearer._replace(app=bearer.app._replace(enabled=False))


BREAKS: dict[str, Callable[[UserinfoFacts], UserinfoFacts]] = {
    "token_unknown": lambda bearer: bearer._replace(secret=Secret("another")),
    "token_expired": lambda bearer: of_token(bearer, expires_at=bearer.now),
    "token_revoked": lambda bearer: of_token(bearer, ended_at=bearer.now),
    "token_app_disabled": without_app,
    "token_user_blocked": lambda bearer: of_user(bearer, blocked=True),
    "token_user_inactive": lambda bearer: of_user(bearer, enabled=False),
}
"""For each rule of userinfo what breaks it, in the order of the wire."""


def refusal(bearer: UserinfoFacts) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        claims.decide(bearer)
    return caught.value


def test_a_good_token_reads_the_claims_of_its_scopes(bearer: UserinfoFacts) -> None:
    assert claims.decide(bearer) == {"email": "ana@example.com", "verified_email": True}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_rule_refuses_by_its_name(bearer: UserinfoFacts, rule: str) -> None:
    error = refusal(BREAKS[rule](bearer))
    assert error.rule == rule
    assert TOKEN.reveal() not in error.message


@pytest.mark.parametrize(("earlier", "later"), list(combinations(BREAKS, 2)))
def test_of_two_broken_rules_the_earlier_one_speaks(bearer: UserinfoFacts, earlier: str, later: str) -> None:
    assert refusal(BREAKS[earlier](BREAKS[later](bearer))).rule == earlier


@pytest.mark.parametrize("missing", ["token", "app", "user"])
def test_a_token_of_which_anything_is_gone_is_unknown(bearer: UserinfoFacts, missing: str) -> None:
    assert refusal(bearer._replace(**{missing: None})).rule == "token_unknown"  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", ["expires_at", "ended_at"])
@pytest.mark.parametrize("microseconds", [None, 1])
def test_a_token_that_expires_later_or_never_can_be_used(
    bearer: UserinfoFacts, ends: str, microseconds: int | None
) -> None:
    end = None if microseconds is None else bearer.now + timedelta(microseconds=microseconds)
    assert claims.decide(of_token(bearer, **{ends: end}))


@pytest.mark.parametrize("scope", ["session_initial_prop", "fullcontrol"])
def test_the_properties_of_a_login_are_reported_as_they_were_given(bearer: UserinfoFacts, app: App, scope: str) -> None:
    assert bearer.token is not None
    given_along = (InitialProperty("Branch", "7"), InitialProperty("Area", ""))
    token = bearer.token._replace(scopes=(scope,), initial_properties=given_along)
    error = claims.decide(bearer._replace(token=token, app=app._replace(scopes=(scope,))))
    assert error["initial_properties"] == [{"Id": "Branch", "Value": "7"}, {"Id": "Area", "Value": ""}]
    hidden = claims.decide(bearer._replace(token=bearer.token._replace(initial_properties=given_along)))
    assert "initial_properties" not in hidden


def test_a_scope_that_was_withdrawn_reveals_nothing_more(bearer: UserinfoFacts, app: App) -> None:
    assert bearer.token is not None
    token = bearer.token._replace(key=None, scopes=("gam_user_roles", "user_email"))
    held = {("gam_user_roles", "gam_user_data"): 3, ("gam_user_data",): 2, ("gam_user_roles",): 1, (): 0}
    for published, number in held.items():
        read = claims.decide(bearer._replace(token=token, app=app._replace(scopes=published)))
        assert len(read) == number
        assert ("roles" in read) == ("gam_user_roles" in published)
