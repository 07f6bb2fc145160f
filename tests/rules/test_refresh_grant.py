"""The refresh grant: each rule of both kinds of session violated alone and with every other one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest

from gamcli.errors import RefusedError
from gamcli.model import APIKEY, GAMLOCAL, AuthType, TokenPolicy
from gamcli.model.tokens import InitialProperty, RefreshToken, Session
from gamcli.rules import grants, refresh_grant
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import Grant, GrantFacts
from gamcli.rules.refresh_grant import RefreshTokenReuse
from tests.cases import for_each

TOKEN = Secret("a refresh token")
PROPERTIES = (InitialProperty("Branch", "7"),)

Break = Callable[[GrantFacts], GrantFacts]


def changed(name: str, **changes: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        record: Any = getattr(facts, name)
        after = record._replace(**changes) if hasattr(record, "_replace") else replace(record, **changes)
        return facts._replace(**{name: after})

    return change


def lacking(*names: str) -> Break:
    return lambda facts: facts._replace(**dict.fromkeys(names))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def of_key(facts: GrantFacts) -> GrantFacts:
    assert facts.request is not None
    assert facts.key is not None
    session = Session(
        id=7,
        user_guid=facts.key.user_guid,
        client_id=facts.key.client_id,
        auth_type="apikey",
        scopes=("user_email",),
        key=facts.key.id,
        initial_properties=PROPERTIES,
    )
    token = RefreshToken(7, 2, 8, TOKEN.digest(), facts.now + timedelta(days=1))
    sent = facts.request._replace(grant=grants.REFRESH, api_key=NO_SECRET, refresh_token=TOKEN)
    renewable = facts._replace(session=session, refresh_token=token, request=sent)
    return changed("app", token=TokenPolicy(60, 3))(renewable)


@pytest.fixture(scope="session")
def of_password(of_key: GrantFacts, auth_type: AuthType) -> GrantFacts:
    local = auth_type._replace(name="local", type=GAMLOCAL)
    return changed("session", key=None, auth_type="local")(of_key._replace(key=None, auth_type=local))


@pytest.fixture(params=["of_key", "of_password"])
def facts_of_both(request: pytest.FixtureRequest) -> GrantFacts:
    result = request.getfixturevalue(request.param)
    assert isinstance(result, GrantFacts)
    return result


def ending(name: str, field: str, seconds: int) -> Break:
    return lambda facts: changed(name, **{field: facts.now + timedelta(seconds=seconds)})(facts)


def used(facts: GrantFacts) -> GrantFacts:
    return changed("refresh_token", used_at=facts.now)(facts)


PROOF: dict[str, list[Break]] = {
    "client_id_missing": [changed("request", client_id="")],
    "client_unknown": [lacking("app")],
    "client_secret_wrong": [changed("request", client_secret=NO_SECRET)],
    "app_disabled": [changed("app", enabled=False)],
    "remote_rest_off": [changed("app", remote_rest=False)],
    "refresh_unknown": [
        changed("request", refresh_token=Secret("another")),
        changed("request", refresh_token=NO_SECRET),
        changed("session", client_id="another"),
        lacking("refresh_token"),
        lacking("user"),
        lambda facts: changed("session", key="K")(lacking("refresh_token", "user")(facts)),
    ],
}
TYPE: dict[str, list[Break]] = {"auth_type_unavailable": [changed("auth_type", enabled=False), lacking("auth_type")]}
USER: dict[str, list[Break]] = {
    "user_inactive": [changed("user", enabled=False)],
    "user_blocked": [changed("user", blocked=True)],
}
SPENT: dict[str, list[Break]] = {
    "refresh_used": [used],
    "refresh_expired": [ending("refresh_token", "expires_at", 0), ending("refresh_token", "expires_at", -1)],
    "refresh_revoked": [ending("session", "revoked_at", 0), changed("refresh_token", is_superseded=True)],
    "renewals_spent": [changed("app", token=TokenPolicy(60, 1)), changed("app", token=TokenPolicy(60, 0))],
}
OF_KEY: dict[str, list[Break]] = {
    **PROOF,
    **TYPE,
    "auth_type_wrong": [changed("auth_type", type=GAMLOCAL)],
    "api_keys_off": [lambda facts: changed("app", api_keys=replace(facts.known_app.api_keys, enabled=False))(facts)],
    "key_expired": [ending("key", "expires_at", 0)],
    "key_revoked": [changed("key", end="revoked")],
    "key_replaced": [changed("key", end="replaced"), ending("key", "retires_at", 0)],
    "key_invalidated": [changed("app", scopes=())],
    "key_disabled": [ending("key", "disabled_at", 0)],
    **USER,
    **SPENT,
}
OF_PASSWORD: dict[str, list[Break]] = {
    **PROOF,
    **TYPE,
    "auth_type_wrong": [changed("auth_type", type=APIKEY)],
    **USER,
    "password_must_change": [changed("user", password_must_change=True)],
    "password_expired": [ending("user", "password_expires_at", 0)],
    "scope_unpublished": [changed("app", scopes=()), changed("session", scopes=("user_email", "fullcontrol"))],
    **SPENT,
}
"""For each rule the ways to break it alone, in the order in which they are judged."""

BOTH = {"of_key": OF_KEY, "of_password": OF_PASSWORD}
ONE_STATUS = {"key_expired", "key_revoked", "key_replaced"}


def error(facts: GrantFacts) -> tuple[str, bool]:
    try:
        decided = refresh_grant.decide(facts)
    except RefusedError as refused:
        return refused.rule, False
    assert isinstance(decided, RefreshTokenReuse), "granted"
    assert decided.session == 7
    return decided.refusal.rule, True


def test_the_rules_are_judged_in_their_order() -> None:
    assert [rule.name for rule in refresh_grant.KEY_SESSION_RULES] == [*OF_KEY]
    assert [rule.name for rule in refresh_grant.PASSWORD_SESSION_RULES] == [*OF_PASSWORD]


@for_each(
    ("session", "rule", "broken"),
    [(session, rule, broken) for session, rules in BOTH.items() for rule, ways in rules.items() for broken in ways],
)
def test_a_broken_rule_refuses_by_its_name(
    request: pytest.FixtureRequest, session: str, rule: str, broken: Break
) -> None:
    facts = broken(request.getfixturevalue(session))
    assert error(facts) == (rule, rule == "refresh_used")


@for_each(
    ("session", "earlier", "later"),
    [
        (session, *pair)
        for session, rules in BOTH.items()
        for pair in combinations(rules, 2)
        if not set(pair) <= ONE_STATUS
    ],
)
def test_of_two_broken_rules_the_earlier_one_speaks(
    request: pytest.FixtureRequest, session: str, earlier: str, later: str
) -> None:
    facts = BOTH[session][earlier][0](BOTH[session][later][0](request.getfixturevalue(session)))
    unproven = earlier in ("client_id_missing", "client_unknown", "client_secret_wrong", "refresh_unknown")
    assert error(facts) == (earlier, "refresh_used" in (earlier, later) and not unproven)


@for_each(
    ("session", "rule", "fix"),
    [
        ("of_password", "scope_unpublished", "gamcli app update portal --add-scope user_email"),
        ("of_key", "renewals_spent", "gamcli app update portal --token-renewals 2"),
        ("of_key", "refresh_used", None),
        ("of_key", "auth_type_unavailable", "gamcli auth-type update apikey --enable"),
    ],
)
def test_a_refusal_names_the_command_that_fixes_it(
    request: pytest.FixtureRequest, session: str, rule: str, fix: str | None
) -> None:
    facts = BOTH[session][rule][0](request.getfixturevalue(session))
    rules = {each.name: each for each in (*refresh_grant.KEY_SESSION_RULES, *refresh_grant.PASSWORD_SESSION_RULES)}
    assert rules[rule].fix(facts) == fix


def test_a_type_that_is_gone_is_identified_by_its_name(of_password: GrantFacts) -> None:
    with pytest.raises(RefusedError, match="authentication type 'local' is unknown"):
        refresh_grant.decide(lacking("auth_type")(of_password))


def test_a_session_goes_on_with_its_scopes_and_properties(facts_of_both: GrantFacts) -> None:
    sent = changed("request", scope="fullcontrol", initial_properties=(InitialProperty("a", "b"),))(facts_of_both)
    granted = refresh_grant.decide(sent)
    assert isinstance(granted, Grant)
    assert (granted.scopes, granted.initial_properties) == (("user_email",), PROPERTIES)
    assert (granted.renewal_number, granted.used_refresh_token, granted.key) == (
        3,
        facts_of_both.refresh_token,
        facts_of_both.key,
    )
    assert (granted.user.name, granted.has_session) == ("ana", True)
    assert granted.auth_type == ("local" if facts_of_both.key is None else "apikey")


def test_with_the_last_renewal_comes_no_refresh_token(facts_of_both: GrantFacts) -> None:
    granted = refresh_grant.decide(changed("app", token=TokenPolicy(60, 2))(facts_of_both))
    assert isinstance(granted, Grant)
    assert (granted.renewal_number, granted.has_session) == (0, True)


def test_a_renewed_token_never_outlives_its_key(of_key: GrantFacts) -> None:
    granted = refresh_grant.decide(ending("key", "retires_at", 60)(of_key))
    assert isinstance(granted, Grant)
    assert granted.expires_at(of_key.now) == of_key.now + timedelta(seconds=60)


def test_a_narrow_session_of_a_wide_key_stays_narrow(of_key: GrantFacts) -> None:
    granted = refresh_grant.decide(changed("key", scopes=("gam_user_data", "gam_user_roles"))(of_key))
    assert isinstance(granted, Grant)
    assert granted.scopes == ("user_email",)
