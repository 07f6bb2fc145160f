"""The API key grant: each rule violated alone and with every other one, and the contents of a grant."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import RefusedError
from gamcli.model import GAMLOCAL, ApiKeyPolicy, App, AuthType, Key, TokenPolicy, User
from gamcli.rules import api_key_grant, durations, grants
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import GrantFacts, TokenRequest
from tests.cases import for_each

IN_ORDER = (
    "client_id_missing", "client_unknown", "client_secret_wrong", "app_disabled", "remote_rest_off",
    "repository_wrong", "auth_type_missing",
    "auth_type_unavailable", "auth_type_wrong", "api_keys_off", "key_unproven", "key_expired",
    "key_revoked", "key_replaced", "key_invalidated", "key_disabled", "user_inactive", "user_blocked",
    "scope_beyond",
)  # fmt: skip
"""The rules in the order of the wire."""

Break = Callable[[GrantFacts], GrantFacts]
WRONG, NEW_SECRET = Secret("wrong"), Secret("gamsec_of-portal-after-the-first")


def sent(**parameters: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        assert facts.request is not None
        return facts._replace(request=facts.request._replace(**parameters))  # type: ignore[arg-type]

    return change


def of_app(**settings: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        assert facts.app is not None
        return facts._replace(app=facts.app._replace(**settings))  # type: ignore[arg-type]

    return change


def of_policy(**settings: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        assert facts.app is not None
        return of_app(api_keys=replace(facts.app.api_keys, **settings))(facts)  # type: ignore[arg-type]

    return change


def of_type(**settings: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        assert facts.auth_type is not None
        return facts._replace(auth_type=facts.auth_type._replace(**settings))  # type: ignore[arg-type]

    return change


def of_key(**settings: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        assert facts.key is not None
        return facts._replace(key=facts.key._replace(**settings))  # type: ignore[arg-type]

    return change


def of_user(**settings: object) -> Break:
    def change(facts: GrantFacts) -> GrantFacts:
        assert facts.user is not None
        return facts._replace(user=facts.user._replace(**settings))  # type: ignore[arg-type]

    return change


def lacking(name: str) -> Break:
    return lambda facts: facts._replace(**{name: None})  # type: ignore[arg-type]


def expiring(seconds: int, /, **settings: object) -> Break:
    return lambda facts: of_key(expires_at=facts.now + timedelta(seconds=seconds), **settings)(facts)


def retiring(seconds: int) -> Break:
    return lambda facts: of_key(retires_at=facts.now + timedelta(seconds=seconds))(facts)


def rotated(seconds: int, **changes: object) -> Break:
    def broken(facts: GrantFacts) -> GrantFacts:
        assert facts.app is not None
        until = facts.now + timedelta(seconds=seconds)
        old, new = facts.app.secret_digest, NEW_SECRET.digest()
        after = facts.app._replace(secret_digest=new, retiring_digest=old, retiring_until=until)
        return sent(**changes)(facts._replace(app=after))

    return broken


BREAKS: dict[str, list[Break]] = {
    "client_id_missing": [sent(client_id=""), lacking("request")],
    "client_unknown": [lacking("app")],
    "client_secret_wrong": [
        sent(client_secret=WRONG),
        sent(client_secret=NO_SECRET),
        rotated(0),
        rotated(-1),
        rotated(1, client_secret=WRONG),
        rotated(1, client_secret=NO_SECRET),
    ],
    "app_disabled": [of_app(enabled=False)],
    "remote_rest_off": [of_app(remote_rest=False)],
    "repository_wrong": [sent(repository="00000000-0000-4000-8000-000000000000")],
    "auth_type_missing": [
        lambda facts: sent(authentication_type_name="")(of_type(type=GAMLOCAL, enabled=False)(facts)),
        lambda facts: sent(authentication_type_name="")(of_type(type=GAMLOCAL)(facts)),
    ],
    "auth_type_unavailable": [of_type(enabled=False), lacking("auth_type")],
    "auth_type_wrong": [of_type(type=GAMLOCAL), of_policy(auth_type="another"), of_type(name="another")],
    "api_keys_off": [of_policy(enabled=False)],
    "key_unproven": [
        sent(api_key=WRONG),
        sent(api_key=NO_SECRET),
        sent(username="bob"),
        lacking("key"),
        lacking("user"),
        of_key(client_id="of another application"),
    ],
    "key_expired": [expiring(0), expiring(-1), lambda facts: expiring(-1, retires_at=facts.now)(facts)],
    "key_revoked": [of_key(end="revoked"), expiring(-1, end="revoked")],
    "key_replaced": [retiring(0), of_key(end="replaced"), lambda facts: expiring(0)(retiring(-1)(facts))],
    "key_invalidated": [of_app(scopes=("user_email",)), of_app(scopes=()), of_key(end="invalidated")],
    "key_disabled": [of_key(disabled_at=datetime(2026, 1, 1, tzinfo=UTC))],
    "user_inactive": [of_user(enabled=False)],
    "user_blocked": [of_user(blocked=True)],
    "scope_beyond": [sent(scope="gam_user_roles"), sent(scope="user_email+user_Area"), sent(scope="nonsense")],
}
"""For each rule the ways to break it alone; the first is the one that combines with all others."""

ONE_STATUS = {"key_expired", "key_revoked", "key_replaced"}
"""A key has one status: no two of these can be broken together."""

PAIRS = [pair for pair in combinations(IN_ORDER, 2) if not set(pair) <= ONE_STATUS]


def refusal(facts: GrantFacts) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        api_key_grant.decide(facts)
    return caught.value


def test_the_rules_are_judged_in_the_order_of_the_wire() -> None:
    assert tuple(rule.name for rule in api_key_grant.API_KEY_GRANT) == IN_ORDER
    assert tuple(BREAKS) == IN_ORDER


def test_the_standing_rules_are_those_that_need_nothing_sent() -> None:
    about_the_request = {"client_id_missing", "client_unknown", "client_secret_wrong", "repository_wrong"}
    about_the_request |= {"auth_type_missing", "key_unproven", "scope_beyond"}
    assert [rule.name for rule in api_key_grant.STORE_STATE_RULES] == [
        name for name in IN_ORDER if name not in about_the_request
    ]


@for_each(("rule", "broken"), [(rule, broken) for rule, ways in BREAKS.items() for broken in ways])
def test_a_broken_rule_refuses_by_its_name(facts: GrantFacts, rule: str, broken: Break) -> None:
    error = refusal(broken(facts))
    assert error.rule == rule
    assert error.message
    assert error.message[-1] != "."
    assert error.message.isprintable()


@for_each(("earlier", "later"), PAIRS)
def test_of_two_broken_rules_the_earlier_one_speaks(facts: GrantFacts, earlier: str, later: str) -> None:
    assert refusal(BREAKS[later][0](facts)).rule == later
    assert refusal(BREAKS[earlier][0](BREAKS[later][0](facts))).rule == earlier


@given(st.data())
def test_of_many_broken_rules_the_first_one_speaks(facts: GrantFacts, data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(IN_ORDER), min_size=1))
    names -= set(sorted(names & ONE_STATUS)[1:])
    for name in sorted(names, key=IN_ORDER.index, reverse=True):
        facts = BREAKS[name][0](facts)
    assert refusal(facts).rule == min(names, key=IN_ORDER.index)


@for_each(
    ("rule", "fix"),
    [
        ("client_id_missing", None),
        ("client_unknown", "gamcli app list"),
        ("client_secret_wrong", "gamcli app rotate-secret portal --overlap 24h"),
        ("app_disabled", "gamcli app enable portal"),
        ("remote_rest_off", "gamcli app update portal --remote-rest"),
        ("repository_wrong", None),
        ("auth_type_missing", "send authentication_type_name=apikey"),
        ("auth_type_unavailable", "gamcli auth-type update apikey --enable"),
        ("auth_type_wrong", "gamcli auth-type list --type APIkey"),
        ("api_keys_off", "gamcli app update portal --remote-rest --api-keys"),
        ("key_unproven", "gamcli key show {key}"),
        ("key_expired", "gamcli key generate --user ana --app portal"),
        ("key_revoked", "gamcli key generate --user ana --app portal"),
        ("key_replaced", "gamcli key list --user ana --app portal --status active"),
        ("key_invalidated", "gamcli key generate --user ana --app portal"),
        ("key_disabled", "gamcli key enable K1234567"),
        ("user_inactive", "gamcli user enable ana"),
        ("user_blocked", "gamcli user unblock ana"),
        ("scope_beyond", "gamcli key show {key}"),
    ],
)
def test_a_refusal_names_the_command_that_fixes_it(facts: GrantFacts, rule: str, fix: str | None) -> None:
    fix = fix and fix.format(key=facts.known_key.id)
    assert refusal(BREAKS[rule][0](facts)).hint == fix


def test_an_unknown_key_suggests_inspecting_it(facts: GrantFacts) -> None:
    assert refusal(lacking("key")(facts)).hint == "gamcli key inspect --api-key-file FILE"


def test_an_unknown_authentication_type_is_identified_by_the_name_that_was_sent(facts: GrantFacts) -> None:
    error = refusal(sent(authentication_type_name="ldap")(lacking("auth_type")(facts)))
    assert (error.message, error.hint) == ("authentication type 'ldap' is unknown or disabled", None)


@pytest.mark.parametrize("secret", [{}, {"client_secret": NEW_SECRET}])
def test_two_secrets_are_right_while_the_old_one_retires(facts: GrantFacts, secret: dict[str, Secret]) -> None:
    assert api_key_grant.decide(rotated(1, **secret)(facts)).app.name == "portal"


def test_no_refusal_reports_a_secret(facts: GrantFacts) -> None:
    assert facts.request is not None
    secrets = [facts.request.client_secret.reveal(), facts.request.api_key.reveal(), "wrong"]
    for broken in (broken for ways in BREAKS.values() for broken in ways):
        error = refusal(broken(facts))
        assert not any(secret in f"{error.message} {error.hint} {error!r}" for secret in secrets)


@for_each("username", ["", "ana", "ANA", "ana@example.com", "6f1b4a52-0d0e-4b5e-9c1f-0a1b2c3d4e5f"])
def test_the_owner_may_be_named_in_every_way(facts: GrantFacts, username: str) -> None:
    assert api_key_grant.decide(sent(username=username)(facts)).user == facts.user


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_the_repository_may_be_named_in_any_case(facts: GrantFacts, change: Callable[[str], str]) -> None:
    assert facts.repository is not None
    assert api_key_grant.decide(sent(repository=change(facts.repository.guid))(facts))


FINE = {
    "any type allowed": of_policy(auth_type=None),
    "the allowed type in another case": of_policy(auth_type="APIKEY"),
    "retires later": retiring(1),
    "expires later": expiring(1),
    "never expires": of_key(expires_at=None),
    "wider scopes published": of_app(scopes=("fullcontrol",)),
    "scope required": of_app(require_scope=True),
    "no email": of_user(email=""),
}


@for_each("fine", FINE.values())
def test_what_breaks_no_rule_is_granted(facts: GrantFacts, fine: Break) -> None:
    assert api_key_grant.decide(fine(facts)).key == fine(facts).key


def test_a_grant_carries_the_key_and_its_scopes(facts: GrantFacts, app: App, key: Key, user: User) -> None:
    assert facts.repository is not None
    assert api_key_grant.decide(facts) == grants.Grant(
        repository=facts.repository.guid,
        key=key,
        app=app,
        user=user,
        scopes=("gam_user_data",),
        user_guid=user.guid,
        auth_type="apikey",
    )


@for_each(
    ("minutes", "expires", "retires", "expires_in"),
    [
        (60, None, None, 3600),
        (0, None, None, 0),
        (60, 600, None, 600),
        (60, None, 600, 600),
        (60, 900, 600, 600),
        (60, 600, 900, 600),
        (0, 600, None, 600),
        (0, None, 7, 7),
        (1, 3600, 3600, 60),
        (999_999_999, None, None, 59_999_999_940),
    ],
)
def test_a_token_never_outlives_its_key(
    facts: GrantFacts, minutes: int, expires: int | None, retires: int | None, expires_in: int
) -> None:
    ends = {"expires_at": expires, "retires_at": retires}
    times = {name: None if end is None else facts.now + timedelta(seconds=end) for name, end in ends.items()}
    granted = api_key_grant.decide(of_app(token=TokenPolicy(timeout_minutes=minutes))(of_key(**times)(facts)))
    expected = facts.now + timedelta(seconds=expires_in) if expires_in else None
    assert granted.expires_at(facts.now) == expected
    assert durations.seconds_until(facts.now, expected) == expires_in


@given(st.integers(1, 3_000_000))
def test_the_last_fraction_of_a_second_counts_as_one(facts: GrantFacts, microseconds: int) -> None:
    end = facts.now + timedelta(microseconds=microseconds)
    granted = api_key_grant.decide(of_key(expires_at=end)(facts))
    assert durations.seconds_until(facts.now, end) == max(1, microseconds // 1_000_000)
    assert granted.expires_at(facts.now) == end


def test_the_end_of_the_calendar_is_never(facts: GrantFacts) -> None:
    late = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    granted = api_key_grant.decide(of_key(expires_at=None)(facts._replace(now=late)))
    assert granted.expires_at(late) is None
    assert durations.seconds_until(late, None) == 0


def test_user_ids_stay_hidden_when_the_application_does_not_share_them(facts: GrantFacts) -> None:
    guid = api_key_grant.decide(of_app(share_user_ids=False)(facts)).user_guid
    assert guid not in ("", facts.known_user.guid)


@for_each(
    ("held", "asked", "granted"),
    [
        (("gam_user_data",), "", ("gam_user_data",)),
        (("gam_user_data",), " + ", ("gam_user_data",)),
        (("gam_user_data",), "gam_user_data", ("gam_user_data",)),
        (("gam_user_data",), "user_city+user_email+user_mail", ("user_email", "user_city")),
        (("gam_user_data", "gam_user_roles"), "gam_user_roles", ("gam_user_roles",)),
        (("fullcontrol",), "user_Area FULLCONTROL", ("fullcontrol", "user_Area")),
        (("gam_user_additional_data",), "user_zone user_Area", ("user_Area", "user_zone")),
        (("user_email", "gam_user_data"), "", ("gam_user_data", "user_email")),
        ((), "", ()),
    ],
)
def test_a_request_may_narrow_the_scopes_of_its_key(
    facts: GrantFacts, held: tuple[str, ...], asked: str, granted: tuple[str, ...]
) -> None:
    facts = of_key(scopes=held)(of_app(scopes=("fullcontrol",))(facts._replace(attributes=frozenset({"Area", "zone"}))))
    assert api_key_grant.decide(sent(scope=asked)(facts)).scopes == granted


def test_a_request_for_fullcontrol_gets_all_scopes_of_the_key_and_no_more(facts: GrantFacts) -> None:
    wide = of_app(scopes=("fullcontrol",))(facts)
    assert api_key_grant.decide(sent(scope="FullControl")(wide)).scopes == facts.known_key.scopes
    assert refusal(sent(scope="fullcontrol+session_initial_prop")(wide)).rule == "scope_beyond"


@pytest.mark.parametrize(
    ("allowed", "enabled", "expected"),
    [
        (None, "abc", "c"),
        (None, "ab", "a"),
        (None, "", "c"),
        ("B", "ac", "b"),
        ("login", "abc", "login"),
        ("gone", "abc", None),
    ],
)
def test_a_request_can_name_the_allowed_type_or_any_enabled_one(
    facts: GrantFacts, auth_type: AuthType, allowed: str | None, enabled: str, expected: str | None
) -> None:
    types = [auth_type._replace(name=name, enabled=name in enabled, default=name == "c") for name in "abc"]
    types.insert(0, auth_type._replace(name="login", type=GAMLOCAL, default=False))
    found = api_key_grant.find_auth_type(of_policy(auth_type=allowed)(facts).app, types)
    assert (found and found.name) == expected


def test_the_rule_of_types_needs_no_key(facts: GrantFacts, auth_type: AuthType) -> None:
    fresh = facts._replace(key=None, request=None, auth_type=auth_type)
    assert grants.find_violation([api_key_grant.AUTH_TYPE_WRONG], fresh) is None


def test_without_a_known_repository_any_name_of_it_passes(facts: GrantFacts) -> None:
    unknown = facts._replace(repository=None, request=TokenRequest(repository="x"))
    assert grants.find_violation([grants.REPOSITORY_WRONG], unknown) is None


def test_the_default_policy_takes_no_keys(facts: GrantFacts) -> None:
    assert refusal(of_app(api_keys=ApiKeyPolicy(), remote_rest=False)(facts)).rule == "remote_rest_off"


@pytest.mark.parametrize("held", ["fullcontrol", "gam_user_additional_data"])
def test_an_attribute_that_no_user_carries_is_no_scope(facts: GrantFacts, held: str) -> None:
    wide = of_key(scopes=(held,))(of_app(scopes=(held,))(sent(scope="user_Area")(facts)))
    assert refusal(wide).rule == "scope_beyond"
    assert api_key_grant.decide(wide._replace(attributes=frozenset({"Area"}))).scopes == ("user_Area",)


def test_an_attribute_that_the_key_names_needs_no_carrier(facts: GrantFacts) -> None:
    named = of_key(scopes=("user_Area",))(of_app(scopes=("fullcontrol",))(sent(scope="user_Area")(facts)))
    assert api_key_grant.decide(named).scopes == ("user_Area",)


seconds_or_none = st.none() | st.integers(1, 20)


@given(expires=seconds_or_none, retires=seconds_or_none, old_until=seconds_or_none, later=st.integers(0, 25))
def test_what_is_granted_once_is_granted_alike_until_then(
    facts: GrantFacts, expires: int | None, retires: int | None, old_until: int | None, later: int
) -> None:
    def then(seconds: int | None) -> datetime | None:
        return None if seconds is None else facts.now + timedelta(seconds=seconds)

    asked = of_key(expires_at=then(expires), retires_at=then(retires))(facts)
    asked = asked if old_until is None else rotated(old_until)(asked)
    granted, until = api_key_grant.decide(asked), api_key_grant.decision_expires_at(asked)
    afterwards = asked._replace(now=facts.now + timedelta(seconds=later))
    if until is None or afterwards.now < until:
        assert api_key_grant.decide(afterwards) == granted
    else:
        assert refusal(afterwards).rule in ("key_expired", "key_replaced", "client_secret_wrong")


@pytest.mark.parametrize(
    ("scope", "cause"), [("gam_user_roles", "beyond"), ("user_email+user_Area", "unknown"), ("nonsense", "unknown")]
)
def test_a_refused_scope_is_beyond_those_of_the_key_or_unknown(facts: GrantFacts, scope: str, cause: str) -> None:
    assert refusal(sent(scope=scope)(facts)).cause == cause


def test_a_key_begins_a_session_only_if_a_refresh_token_is_issued(facts: GrantFacts) -> None:
    granted = api_key_grant.decide(facts)
    assert (granted.renewal_number, granted.has_session) == (0, False)
    assert granted._replace(renewal_number=1).has_session
