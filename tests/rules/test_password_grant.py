"""The password grant: each rule violated alone and with every other one, and the contents of a grant."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.model import APIKEY, GAMLOCAL, AuthType, TokenPolicy
from gamcli.model.tokens import InitialProperty
from gamcli.rules import grants, password_grant, passwords
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import GrantFacts
from gamcli.rules.passwords import TEST_COST
from tests.cases import for_each

PASSWORD = Secret("correct horse battery staple")
HASH = passwords.hash_password(PASSWORD, bytes, TEST_COST)

Break = Callable[[GrantFacts], GrantFacts]


@pytest.fixture(scope="session")
def login(facts: GrantFacts, auth_type: AuthType) -> GrantFacts:
    assert facts.request is not None
    assert facts.user is not None
    request = facts.request._replace(
        grant=grants.PASSWORD, api_key=NO_SECRET, username="ana", password=PASSWORD, scope="user_email"
    )
    return facts._replace(
        key=None,
        auth_type=auth_type._replace(name="local", type=GAMLOCAL),
        user=facts.user._replace(password_hash=HASH, password_set_at=facts.now),
        request=request,
        password_hash=HASH,
    )


def changed(name: str, **changes: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        record: Any = getattr(facts, name)
        after = record._replace(**changes) if hasattr(record, "_replace") else replace(record, **changes)
        return facts._replace(**{name: after})

    return change


def lacking(name: str) -> Break:
    return lambda facts: facts._replace(**{name: None})  # type: ignore[arg-type]


def unknown_user(facts: GrantFacts) -> GrantFacts:
    return facts._replace(user=None, password_hash=passwords.dummy_hash())


def without_password(facts: GrantFacts) -> GrantFacts:
    return changed("user", password_hash=None)(facts)._replace(password_hash=passwords.dummy_hash())


def expiring(seconds: int) -> Break:
    return lambda facts: changed("user", password_expires_at=facts.now + timedelta(seconds=seconds))(facts)


BREAKS: dict[str, list[Break]] = {
    "client_id_missing": [changed("request", client_id="")],
    "client_unknown": [lacking("app")],
    "client_secret_wrong": [changed("request", client_secret=NO_SECRET), changed("request", client_secret=PASSWORD)],
    "app_disabled": [changed("app", enabled=False)],
    "remote_rest_off": [changed("app", remote_rest=False)],
    "repository_wrong": [changed("request", repository="another")],
    "auth_type_unavailable": [changed("auth_type", enabled=False), lacking("auth_type")],
    "auth_type_wrong": [changed("auth_type", type=APIKEY)],
    "password_wrong": [
        changed("request", password=Secret("wrong")),
        changed("request", password=NO_SECRET),
        unknown_user,
        without_password,
    ],
    "user_inactive": [changed("user", enabled=False)],
    "user_blocked": [changed("user", blocked=True)],
    "password_must_change": [changed("user", password_must_change=True)],
    "password_expired": [expiring(0), expiring(-1)],
    "scope_missing": [lambda facts: changed("app", require_scope=True)(changed("request", scope=" + ")(facts))],
    "scope_unpublished": [
        changed("request", scope="session_initial_prop"),
        changed("request", scope="nonsense"),
        changed("request", scope="user_email+user_Area"),
    ],
}
"""For each rule the ways to break it alone, in the order of the wire; the first combines with all others."""

WAYS = ("wrong", "missing", "of nobody", "of one who has none")

TOGETHER = [pair for pair in combinations(BREAKS, 2) if pair != ("scope_missing", "scope_unpublished")]


def refusal(facts: GrantFacts) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        password_grant.decide(facts)
    return caught.value


def test_the_rules_are_judged_in_the_order_of_the_wire() -> None:
    assert [rule.name for rule in password_grant.PASSWORD_GRANT] == [*BREAKS]


@for_each(("rule", "broken"), [(rule, broken) for rule, ways in BREAKS.items() for broken in ways])
def test_a_broken_rule_refuses_by_its_name(login: GrantFacts, rule: str, broken: Break) -> None:
    error = refusal(broken(login))
    assert error.rule == rule
    assert error.message[-1] != "."
    assert PASSWORD.reveal() not in f"{error.message} {error.hint} {error!r}"


@for_each(("earlier", "later"), TOGETHER)
def test_of_two_broken_rules_the_earlier_one_speaks(login: GrantFacts, earlier: str, later: str) -> None:
    assert refusal(BREAKS[earlier][0](BREAKS[later][0](login))).rule == earlier


@for_each(
    ("rule", "fix"),
    [
        ("auth_type_wrong", "gamcli auth-type list --type GAMLocal"),
        ("password_wrong", None),
        ("password_must_change", "gamcli user set-password ana"),
        ("password_expired", "gamcli user set-password ana"),
        ("scope_missing", None),
        ("scope_unpublished", None),
    ],
)
def test_a_refusal_names_the_command_that_fixes_it(login: GrantFacts, rule: str, fix: str | None) -> None:
    assert refusal(BREAKS[rule][0](login)).hint == fix


@for_each("broken", BREAKS["password_wrong"])
def test_anyone_who_is_refused_for_a_password_is_reported_the_same(login: GrantFacts, broken: Break) -> None:
    assert refusal(broken(login)).message == "incorrect username or password"


@pytest.mark.parametrize("broken", BREAKS["password_wrong"], ids=WAYS)
def test_a_password_is_hashed_once_anyone_who_it_is_of(
    login: GrantFacts, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[passwords.ScryptCost] = []

    def counted(password: Secret, _: bytes, cost: passwords.ScryptCost) -> bytes:
        costs.append(cost)
        return bytes(32) if password == PASSWORD else b"x" * 32

    monkeypatch.setattr(passwords, "_scrypt", counted)
    assert refusal(broken(login)).rule == "password_wrong"
    assert costs == [TEST_COST]


def test_no_password_matches_the_dummy_hash(login: GrantFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_scrypt", lambda *_: bytes(32))
    assert refusal(unknown_user(login)).rule == "password_wrong"
    assert refusal(without_password(login)).rule == "password_wrong"


def test_a_password_is_not_hashed_for_a_client_that_is_not_proven(
    login: GrantFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "verify", lambda *_: pytest.fail("it was hashed"))
    assert refusal(BREAKS["client_secret_wrong"][0](login)).rule == "client_secret_wrong"


def test_a_grant_carries_what_was_asked(login: GrantFacts) -> None:
    given_along = (InitialProperty("Branch", "7"),)
    granted = password_grant.decide(changed("request", initial_properties=given_along)(login))
    assert granted == grants.Grant(
        repository="9d2c6f0e-7a1b-4c3d-8e5f-112233445566",
        key=None,
        app=login.known_app,
        user=login.known_user,
        scopes=("user_email",),
        user_guid=login.known_user.guid,
        auth_type="local",
        initial_properties=given_along,
    )
    assert granted.has_session


@pytest.mark.parametrize(("renewals", "renewal"), [(0, 0), (1, 1), (999, 1)])
def test_the_first_refresh_token_is_for_the_first_renewal(login: GrantFacts, renewals: int, renewal: int) -> None:
    assert password_grant.decide(changed("app", token=TokenPolicy(60, renewals))(login)).renewal_number == renewal


@for_each(
    ("published", "asked", "granted"),
    [
        (("gam_user_data", "gam_user_roles"), "", ("gam_user_data", "gam_user_roles")),
        (("gam_user_data",), " + ", ("gam_user_data",)),
        (("gam_user_data",), "user_city+user_email+user_mail", ("user_email", "user_city")),
        (("fullcontrol",), "user_Area FULLCONTROL", ("fullcontrol", "user_Area")),
        (("gam_user_data", "gam_user_roles"), "FullControl", ("gam_user_data", "gam_user_roles")),
        (("user_team",), "user_team", ("user_team",)),
        ((), "", ()),
    ],
)
def test_a_request_may_ask_for_what_known_application_publishes(
    login: GrantFacts, published: tuple[str, ...], asked: str, granted: tuple[str, ...]
) -> None:
    facts = changed("app", scopes=published)(login._replace(attributes=frozenset({"Area"})))
    assert password_grant.decide(changed("request", scope=asked)(facts)).scopes == granted


def test_where_a_scope_is_required_one_is_enough(login: GrantFacts) -> None:
    assert password_grant.decide(changed("app", require_scope=True)(login)).scopes == ("user_email",)


FINE = {
    "expires later": expiring(1),
    "takes no API keys": lambda facts: changed("app", api_keys=replace(facts.known_app.api_keys, enabled=False))(facts),
    "API keys of another type": lambda facts: changed("app", api_keys=replace(facts.known_app.api_keys, auth_type="x"))(
        facts
    ),
}


@pytest.mark.parametrize("fine", FINE.values(), ids=FINE.keys())
def test_what_breaks_no_rule_is_granted(login: GrantFacts, fine: Break) -> None:
    assert password_grant.decide(fine(login)).user.name == "ana"


@given(st.text(max_size=60))
def test_no_other_password_is_right(login: GrantFacts, text: str) -> None:
    if text != PASSWORD.reveal():
        assert refusal(changed("request", password=Secret(text))(login)).rule == "password_wrong"


def test_the_repr_of_a_grant_shows_no_hash(login: GrantFacts) -> None:
    assert (
        repr(password_grant.decide(login))
        == f"Grant('{login.known_app.name}', '{login.known_user.name}', ('user_email',))"
    )


def test_a_password_that_was_verified_is_not_hashed_again(login: GrantFacts) -> None:
    user = login.known_user
    assert password_grant.is_same_password(user, user)
    assert not password_grant.is_same_password(user, None)
    assert not password_grant.is_same_password(user, user._replace(guid="another"))
    assert not password_grant.is_same_password(user._replace(password_hash=None), user)
    assert not password_grant.is_same_password(user, user._replace(password_hash=None))
    assert password_grant.decide(login._replace(is_password_right=True)).user == user
    with pytest.raises(RefusedError):
        password_grant.decide(login._replace(is_password_right=False))


def test_another_hash_of_the_same_password_is_the_same_password(login: GrantFacts) -> None:
    outdated = passwords.hash_password(PASSWORD, bytes, passwords.SEED_COST)
    before = login.known_user._replace(password_hash=outdated)
    assert password_grant.is_same_password(before, login.known_user)
    later = login.known_user._replace(password_set_at=login.now + timedelta(days=1))
    assert not password_grant.is_same_password(before, later)
