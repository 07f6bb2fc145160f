"""Password and refresh grants: how sessions start, continue and end."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamcli import store
from gamcli.actions import Gam, apps, auth_types, issuance, keys, repository, tokens, userinfo, users
from gamcli.actions.apps import AppSpec, ScopeEdit
from gamcli.actions.changes import CreateResult
from gamcli.actions.grant_cache import GrantCache
from gamcli.actions.grant_facts import MAX_ATTRIBUTES
from gamcli.actions.issuance import GrantAttempt, IssuedToken, VerifiedPassword
from gamcli.actions.tokens import TokenSearch
from gamcli.errors import RefusedError
from gamcli.model import App, User
from gamcli.model.token_ids import format_token_id
from gamcli.model.tokens import InitialProperty, Token
from gamcli.rules import grants, passwords
from gamcli.rules.credentials import NO_SECRET, Secret, parse_refresh_token
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey
from gamcli.rules.passwords import TEST_COST, ScryptCost
from gamcli.store import Store
from tests.conftest import START

pytestmark = pytest.mark.both_engines

PASSWORD = Secret("correct horse battery staple")
PROPERTIES = (InitialProperty("Branch", "7"), InitialProperty("Área", ""))
TOLD = [{"Id": "Branch", "Value": "7"}, {"Id": "Área", "Value": ""}]

Forward = Callable[[timedelta], datetime]
Spend = Callable[[Secret], IssuedToken]


@pytest.fixture
def login(gam: Gam, portal: CreateResult[App], ana: User) -> TokenRequest:
    assert portal.secret is not None
    auth_types.update(gam, "local", {"enabled": True})
    apps.update(gam, "portal", {"token.renewals": 2}, ScopeEdit(add=("session_initial_prop",)))
    users.set_password(gam, ana.name, PASSWORD)
    return TokenRequest(
        client_id=portal.record.client_id,
        client_secret=portal.secret,
        grant=grants.PASSWORD,
        authentication_type_name="local",
        username="ana",
        password=PASSWORD,
        initial_properties=PROPERTIES,
    )


@pytest.fixture
def spend(gam: Gam, login: TokenRequest) -> Spend:
    return lambda token: issuance.exchange(gam, renewing(login, token))


def renewing(asked: TokenRequest, token: Secret) -> TokenRequest:
    return TokenRequest(asked.client_id, asked.client_secret, grant=grants.REFRESH, refresh_token=token)


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(RefusedError) as caught:
        ask()
    return caught.value.rule


def kept(gam: Gam, issued: IssuedToken) -> Token:
    return tokens.show(gam, issued.id)


def status(gam: Gam, issued: IssuedToken) -> str:
    return kept(gam, issued).status(gam.now())


def test_a_password_is_exchanged_for_a_token_that_reads_claims(gam: Gam, login: TokenRequest) -> None:
    issued = issuance.exchange(gam, login)
    token = kept(gam, issued)
    assert (token.user, token.app, token.key, token.session) == ("ana", "portal", None, format_token_id(token.row))
    assert issued.grant.scopes == ("gam_user_data", "gam_user_roles", "session_initial_prop")
    claims = userinfo.userinfo(gam, issued.secret)
    assert (claims["username"], claims["roles"]) == ("ana", ["operator"])
    assert claims["initial_properties"] == TOLD
    assert apps.show(gam, "portal").grants == 1
    with tokens.search(gam, TokenSearch(user="ana")) as found:
        assert [each.id for each in found] == [issued.id]


@pytest.mark.parametrize("username", ["ana", "ANA", "Ana@Example.com"])
def test_a_user_logs_in_by_name_or_email(gam: Gam, login: TokenRequest, username: str) -> None:
    assert issuance.exchange(gam, login._replace(username=username)).grant.user.name == "ana"


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({"authentication_type_name": "ldap"}, "auth_type_unavailable"),
        ({"username": ""}, "password_wrong"),
        ({"username": "bob"}, "password_wrong"),
        ({"username": "bea"}, "password_wrong"),
        ({"password": NO_SECRET}, "password_wrong"),
        ({"scope": "user_nothing"}, "scope_unpublished"),
    ],
)
def test_a_login_that_breaks_a_rule_is_refused(
    gam: Gam, login: TokenRequest, sent: dict[str, object], rule: str
) -> None:
    users.create(gam, "bea", {})
    assert refused(lambda: issuance.exchange(gam, login._replace(**sent))) == rule  # type: ignore[arg-type]
    with tokens.search(gam, TokenSearch()) as found:
        assert list(found) == []


def test_a_password_that_must_change_or_has_expired_is_no_good(gam: Gam, login: TokenRequest, forward: Forward) -> None:
    users.set_password(gam, "ana", PASSWORD, must_change=True)
    assert refused(lambda: issuance.exchange(gam, login)) == "password_must_change"
    users.set_password(gam, "ana", PASSWORD, expires=timedelta(days=1))
    assert issuance.exchange(gam, login)
    forward(timedelta(days=1))
    assert refused(lambda: issuance.exchange(gam, login)) == "password_expired"


def test_a_session_is_renewed_as_often_as_its_application_allows(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    issued = [issuance.exchange(gam, login)]
    for _ in range(2):
        issued.append(spend(issued[-1].refresh_token))
    assert [each.refresh_token.reveal()[:3] for each in issued] == ["001", "002", ""]
    assert {kept(gam, each).session for each in issued} == {issued[0].id}
    assert {each.grant.scopes for each in issued} == {issued[0].grant.scopes}
    for each in issued:
        assert userinfo.userinfo(gam, each.secret)["initial_properties"] == TOLD


def test_without_renewals_there_is_no_refresh_token(gam: Gam, login: TokenRequest) -> None:
    apps.update(gam, "portal", {"token.renewals": 0})
    issued = issuance.exchange(gam, login)
    assert issued.refresh_token == NO_SECRET
    assert kept(gam, issued).session is not None


def test_a_second_use_ends_the_session(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    first, other = issuance.exchange(gam, login), issuance.exchange(gam, login)
    second = spend(first.refresh_token)
    assert refused(lambda: spend(first.refresh_token)) == "refresh_used"
    assert [status(gam, each) for each in (first, second, other)] == ["revoked", "revoked", "active"]
    assert refused(lambda: spend(second.refresh_token)) == "refresh_revoked"
    assert refused(lambda: userinfo.userinfo(gam, second.secret)) == "token_revoked"
    assert spend(other.refresh_token)


def test_a_second_use_ends_the_session_whatever_else_is_wrong(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    first = issuance.exchange(gam, login)
    second = spend(first.refresh_token)
    users.update(gam, "ana", {"blocked": True})
    assert refused(lambda: spend(first.refresh_token)) == "user_blocked"
    users.update(gam, "ana", {"blocked": False})
    assert refused(lambda: spend(second.refresh_token)) == "refresh_revoked"


def test_a_client_that_proves_nothing_ends_no_session(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    first = issuance.exchange(gam, login)
    second = spend(first.refresh_token)
    other = apps.create(gam, AppSpec("other", {"remote_rest": True, "token.renewals": 2}))
    assert other.secret is not None
    thief = login._replace(client_id=other.record.client_id, client_secret=other.secret)
    unproven = login._replace(client_secret=NO_SECRET)
    guess = Secret(first.refresh_token.reveal()[:15] + "0" * 24)
    assert refused(lambda: issuance.exchange(gam, renewing(unproven, first.refresh_token))) == "client_secret_wrong"
    assert refused(lambda: issuance.exchange(gam, renewing(thief, first.refresh_token))) == "refresh_unknown"
    assert refused(lambda: issuance.exchange(gam, renewing(thief, second.refresh_token))) == "refresh_unknown"
    assert refused(lambda: spend(guess)) == "refresh_unknown"
    assert spend(second.refresh_token)


@pytest.mark.parametrize("text", ["", "x", "001" + "0" * 36, "001" + "z" * 36])
def test_what_is_no_refresh_token_is_unknown(spend: Spend, text: str) -> None:
    assert refused(lambda: spend(Secret(text))) == "refresh_unknown"


def test_a_refresh_token_is_valid_for_thirty_days(
    gam: Gam, login: TokenRequest, spend: Spend, forward: Forward
) -> None:
    issued = issuance.exchange(gam, login)
    forward(timedelta(days=30) - timedelta(seconds=1))
    issued = spend(issued.refresh_token)
    forward(timedelta(days=30))
    assert refused(lambda: spend(issued.refresh_token)) == "refresh_expired"


def test_fewer_renewals_than_before_count_at_once(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    second = spend(issuance.exchange(gam, login).refresh_token)
    apps.update(gam, "portal", {"token.renewals": 1})
    assert refused(lambda: spend(second.refresh_token)) == "renewals_spent"
    apps.update(gam, "portal", {"token.renewals": 2})
    assert spend(second.refresh_token).refresh_token == NO_SECRET


def test_one_token_a_user_ends_the_sessions_before(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    apps.update(gam, "portal", {"one_token_per_user": True})
    first, second = issuance.exchange(gam, login), issuance.exchange(gam, login)
    assert refused(lambda: spend(first.refresh_token)) == "refresh_revoked"
    third = spend(second.refresh_token)
    assert [status(gam, each) for each in (first, second, third)] == ["revoked", "revoked", "active"]
    assert spend(third.refresh_token)


def test_a_new_password_ends_the_sessions_of_the_old_one(
    gam: Gam, login: TokenRequest, asked: TokenRequest, spend: Spend
) -> None:
    by_password, by_key = issuance.exchange(gam, login), issuance.exchange(gam, asked)
    users.set_password(gam, "ana", Secret("hunter2"))
    assert [status(gam, each) for each in (by_password, by_key)] == ["revoked", "active"]
    assert refused(lambda: spend(by_password.refresh_token)) == "refresh_revoked"
    assert spend(by_key.refresh_token)


def test_who_revokes_a_token_ends_its_session(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    first = issuance.exchange(gam, login)
    second = spend(first.refresh_token)
    assert tokens.revoke(gam, first.id).is_changed
    assert status(gam, second) == "revoked"
    assert refused(lambda: spend(second.refresh_token)) == "refresh_revoked"


def disable_app(gam: Gam) -> object:
    return apps.update(gam, "portal", {"enabled": False})


def disable_type(gam: Gam) -> object:
    return auth_types.update(gam, "local", {"enabled": False})


def disable_user(gam: Gam) -> object:
    return users.update(gam, "ana", {"enabled": False})


def withdraw(gam: Gam) -> object:
    return apps.update(gam, "portal", {}, ScopeEdit(remove=("gam_user_roles",)))


def delete_user(gam: Gam) -> object:
    return users.delete(gam, "ana", None)


def delete_app(gam: Gam) -> object:
    return apps.delete(gam, "portal", None)


ENDS: dict[str, tuple[Callable[[Gam], object], str, str]] = {
    "application disabled": (disable_app, "app_disabled", "token_app_disabled"),
    "type disabled": (disable_type, "auth_type_unavailable", ""),
    "user disabled": (disable_user, "user_inactive", "token_user_inactive"),
    "scope withdrawn": (withdraw, "scope_unpublished", ""),
    "user deleted": (delete_user, "refresh_unknown", "token_unknown"),
    "application deleted": (delete_app, "client_unknown", "token_unknown"),
}


@pytest.mark.parametrize(("end", "next_rule", "rule"), ENDS.values(), ids=ENDS.keys())
def test_a_session_goes_on_while_what_it_stands_on_stands(
    gam: Gam, login: TokenRequest, spend: Spend, end: Callable[[Gam], object], next_rule: str, rule: str
) -> None:
    issued = issuance.exchange(gam, login)
    end(gam)
    assert refused(lambda: spend(issued.refresh_token)) == next_rule
    if rule:
        assert refused(lambda: userinfo.userinfo(gam, issued.secret)) == rule
    else:
        assert userinfo.userinfo(gam, issued.secret)


def test_what_was_deleted_is_not_back_with_another_of_the_same_id(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    issued = issuance.exchange(gam, login)
    apps.delete(gam, "portal", None)
    wanted = {"remote_rest": True, "token.renewals": 2}
    scopes = ("gam_user_data+gam_user_roles+session_initial_prop",)
    apps.create(gam, AppSpec("portal", wanted, scopes, login.client_id, login.client_secret))
    assert refused(lambda: userinfo.userinfo(gam, issued.secret)) == "token_unknown"
    assert refused(lambda: spend(issued.refresh_token)) == "refresh_unknown"
    with gam.store.reading() as tx:
        assert tx.one("SELECT 1 FROM refresh_token") is None


def test_a_key_begins_a_session_where_renewals_are_allowed(
    gam: Gam, asked: TokenRequest, issued: IssuedKey, spend: Spend, forward: Forward
) -> None:
    first = issuance.exchange(gam, asked._replace(scope="user_email", initial_properties=()))
    forward(timedelta(hours=1))
    second = spend(first.refresh_token)
    assert (kept(gam, second).key, kept(gam, second).scopes) == (issued.record.id, ("user_email",))
    assert (second.grant.key is not None, second.refresh_token.reveal()[:3]) == (True, "002")
    assert keys.show(gam, issued.record.id).last_used_at == gam.now()
    assert apps.show(gam, "portal").grants == 2
    keys.revoke(gam, [issued.record.id], None)
    assert refused(lambda: spend(second.refresh_token)) == "key_revoked"
    assert refused(lambda: userinfo.userinfo(gam, second.secret)) == "token_revoked"


def test_without_renewals_a_key_begins_no_session(gam: Gam, asked: TokenRequest) -> None:
    assert kept(gam, issuance.exchange(gam, asked)).session is None
    with gam.store.reading() as tx:
        assert tx.one("SELECT 1 FROM session") is None


def test_a_hash_of_other_parameters_is_renewed_by_a_login(
    gam: Gam, login: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = users.show(gam, "ana")
    assert before.password_hash is not None
    monkeypatch.setattr(passwords, "CURRENT_COST", ScryptCost(4, 8, 1))
    first = issuance.exchange(gam, login)
    after = users.show(gam, "ana")
    assert after.password_hash is not None
    assert after.password_hash.startswith("scrypt$4$8$1$")
    assert after._replace(password_hash=before.password_hash) == before
    assert issuance.exchange(gam, login)
    assert users.show(gam, "ana").password_hash == after.password_hash
    assert status(gam, first) == "active"


Outcome = IssuedToken | RefusedError


def issue_turn(gam: Gam, *attempts: GrantAttempt, cache: GrantCache | None = None) -> list[Outcome]:
    with gam.store.writing() as tx:
        return issuance.Turn(gam, attempts, cache).issue_tokens(tx)


def issue_verified(gam: Gam, request: TokenRequest, password: VerifiedPassword) -> IssuedToken:
    (outcome,) = issue_turn(gam, GrantAttempt(request, password=password))
    if isinstance(outcome, RefusedError):
        raise outcome
    return outcome


def test_a_password_that_changes_while_it_is_hashed_is_no_good(gam: Gam, login: TokenRequest, forward: Forward) -> None:
    verified = issuance.verify_password(gam, login)
    forward(timedelta(microseconds=1))
    users.set_password(gam, "ana", Secret("hunter2"))
    assert refused(lambda: issue_verified(gam, login, verified)) == "password_wrong"
    assert issuance.exchange(gam, login._replace(password=Secret("hunter2")))


def test_a_user_who_is_deleted_while_the_password_is_hashed_is_no_more(gam: Gam, login: TokenRequest) -> None:
    verified = issuance.verify_password(gam, login)
    users.delete(gam, "ana", None)
    assert refused(lambda: issue_verified(gam, login, verified)) == "password_wrong"


def test_two_logins_at_once_may_both_make_the_hash_again(
    gam: Gam, login: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "CURRENT_COST", ScryptCost(4, 8, 1))
    verified = [issuance.verify_password(gam, login) for _ in range(2)]
    issue_verified(gam, login, verified[0])
    first = users.show(gam, "ana").password_hash
    assert issue_verified(gam, login, verified[1])
    assert users.show(gam, "ana").password_hash == first


def test_of_two_renewals_in_a_turn_one_is_granted(gam: Gam, login: TokenRequest, spend: Spend) -> None:
    issued = issuance.exchange(gam, login)
    attempt = GrantAttempt(renewing(login, issued.refresh_token))
    first, second = issue_turn(gam, attempt, attempt)
    assert isinstance(first, IssuedToken)
    assert isinstance(second, RefusedError)
    assert second.rule == "refresh_used"
    assert [status(gam, each) for each in (issued, first)] == ["revoked", "revoked"]
    assert refused(lambda: spend(first.refresh_token)) == "refresh_revoked"


def rules_of(outcomes: list[Outcome]) -> list[str]:
    return [each.rule if isinstance(each, RefusedError) else "granted" for each in outcomes]


def test_a_session_that_is_revoked_earlier_in_a_turn_is_not_renewed(
    gam: Gam, login: TokenRequest, spend: Spend
) -> None:
    first = issuance.exchange(gam, login)
    second = spend(first.refresh_token)
    reuse, renewal = (GrantAttempt(renewing(login, each.refresh_token)) for each in (first, second))
    assert rules_of(issue_turn(gam, reuse, renewal)) == ["refresh_used", "refresh_revoked"]


def test_a_newer_token_of_the_same_turn_supersedes_a_refresh_token(gam: Gam, login: TokenRequest) -> None:
    apps.update(gam, "portal", {"one_token_per_user": True})
    earlier = issuance.exchange(gam, login)
    again = GrantAttempt(login, password=issuance.verify_password(gam, login))
    outcomes = issue_turn(gam, again, GrantAttempt(renewing(login, earlier.refresh_token)), again)
    assert rules_of(outcomes) == ["granted", "refresh_revoked", "granted"]
    assert [status(gam, each) for each in outcomes if isinstance(each, IssuedToken)] == ["revoked", "active"]


def test_of_many_who_renew_at_once_one_succeeds(gam: Gam, login: TokenRequest) -> None:
    racers, rounds = 4, 5
    barrier = Barrier(racers)

    def race(token: Secret) -> str:
        with gam.store.open_again(durable=True, timeout=5) as own:
            mine = replace(gam, store=own)
            barrier.wait()
            try:
                return issuance.exchange(mine, renewing(login, token)).id
            except RefusedError as no:
                return no.rule

    for _ in range(rounds):
        issued = issuance.exchange(gam, login)
        with ThreadPoolExecutor(racers) as pool:
            told = [*pool.map(race, [issued.refresh_token] * racers)]
        won = [each for each in told if not each.startswith("refresh_")]
        assert len(won) == 1, told
        assert set(told) - set(won) <= {"refresh_used", "refresh_revoked"}
        assert "refresh_used" in told
        assert tokens.show(gam, won[0]).status(gam.now()) == "revoked"


def test_a_session_never_has_the_id_of_another(gam: Gam, login: TokenRequest) -> None:
    first = issuance.exchange(gam, login)
    with gam.store.writing() as tx:
        tx.run("DELETE FROM token")
    early = replace(gam, now=lambda: START - timedelta(days=1))
    second = issuance.exchange(early, login)
    one, other = (parse_refresh_token(each.refresh_token) for each in (first, second))
    assert one is not None
    assert other is not None
    assert one[0] < other[0] <= one[0] + 64  # a database has a number for each of 64 connections


@pytest.mark.needs_file
def test_a_login_counts_the_reads_that_each_login_needs(gam: Gam, login: TokenRequest) -> None:
    token = issuance.exchange(gam, login).refresh_token.reveal()
    counts = []
    for guess in (token[:15] + "0" * 24, "001" + "0" * 36):
        asked: list[str] = []
        gam.store._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]  # noqa: SLF001 - every statement
        assert refused(lambda guess=guess: issuance.exchange(gam, renewing(login, Secret(guess)))) == "refresh_unknown"  # type: ignore[misc]
        counts.append(len(asked))
        gam.store._connection.set_trace_callback(None)  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    assert counts[0] == counts[1]


@dataclass
class Line:
    """What a test knows of a session: its refresh tokens in their order, and whether it has ended."""

    issued: list[IssuedToken]
    is_over: bool = False


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=14))
def test_a_session_has_one_good_refresh_token_at_most(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    with Store.create(tmp_path_factory.mktemp("lines") / "gam.db") as opened:
        gam = Gam(opened, lambda: START, os.urandom, "tester")
        login = began(gam)
        lines = [Line([issuance.exchange(gam, login)]) for _ in range(3)]
        for which, place in steps:
            line = lines[which]
            token = line.issued[min(place, len(line.issued) - 1)]
            is_newest = token is line.issued[-1]
            asked = renewing(login, token.refresh_token)
            if is_newest and not line.is_over:
                line.issued.append(issuance.exchange(gam, asked))
            else:
                assert refused(lambda asked=asked: issuance.exchange(gam, asked)).startswith("refresh_")  # type: ignore[misc]
                line.is_over = line.is_over or not is_newest
        for line in lines:
            expected = "revoked" if line.is_over else "active"
            assert {status(gam, each) for each in line.issued} == {expected}
            assert unused(gam, line.issued[0]) == 1


def unused(gam: Gam, issued: IssuedToken) -> object:
    asked = "SELECT count(*) FROM refresh_token WHERE session = ? AND used_at IS NULL"
    with gam.store.reading() as tx:
        row = tx.one(asked, kept(gam, issued).session_row)
    return row and row[0]


def began(gam: Gam) -> TokenRequest:
    repository.initialise(gam)
    auth_types.update(gam, "local", {"enabled": True})
    made = apps.create(gam, AppSpec("portal", {"remote_rest": True, "token.renewals": 999}, ("gam_user_data",)))
    assert made.secret is not None
    users.create(gam, "ana", {})
    users.set_password(gam, "ana", PASSWORD, TEST_COST)
    return TokenRequest(
        made.record.client_id, made.secret, authentication_type_name="local", username="ana", grant=grants.PASSWORD,
        password=PASSWORD,
    )  # fmt: skip


def test_a_store_keeps_digests_alone(gam: Gam, login: TokenRequest) -> None:
    issued = issuance.exchange(gam, login)
    place = parse_refresh_token(issued.refresh_token)
    assert place is not None
    with gam.store.reading() as tx:
        stored = tx.fetch(store.grant_facts.find_refresh_tokens([place]))[place]
    token = stored.token
    assert issued.refresh_token.matches(token.digest)
    assert issued.refresh_token.reveal()[15:] not in repr(token)


@pytest.mark.needs_file
def test_a_request_looks_at_few_of_the_scopes_that_it_names_and_at_once(gam: Gam, login: TokenRequest) -> None:
    named = "+".join(f"user_a{number}" for number in range(MAX_ATTRIBUTES + 100))
    for client_id in ("0" * 32, login.client_id):
        asked: list[str] = []
        gam.store._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]  # noqa: SLF001 - every statement
        with pytest.raises(RefusedError):
            issuance.exchange(gam, login._replace(client_id=client_id, scope=named))
        gam.store._connection.set_trace_callback(None)  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        (look,) = [each for each in asked if "user_attribute" in each]
        assert f"'a{MAX_ATTRIBUTES - 1}'" in look
        assert f"'a{MAX_ATTRIBUTES}'" not in look


CHANGES: dict[str, tuple[Callable[[Gam], object], str, str, str]] = {
    "application disabled": (
        lambda gam: apps.update(gam, "portal", {"enabled": False}),
        "app_disabled",
        "app_disabled",
        "app_disabled",
    ),
    "application deleted": (
        lambda gam: apps.delete(gam, "portal", 1),
        "client_unknown",
        "client_unknown",
        "client_unknown",
    ),
    "secret rotated": (
        lambda gam: apps.rotate_secret(gam, "portal"),
        "client_secret_wrong",
        "client_secret_wrong",
        "client_secret_wrong",
    ),
    "remote REST off": (
        lambda gam: apps.update(gam, "portal", {"remote_rest": False}),
        "remote_rest_off",
        "remote_rest_off",
        "remote_rest_off",
    ),
    "user blocked": (
        lambda gam: users.update(gam, "ana", {"blocked": True}),
        "user_blocked",
        "user_blocked",
        "user_blocked",
    ),
    "user disabled": (
        lambda gam: users.update(gam, "ana", {"enabled": False}),
        "user_inactive",
        "user_inactive",
        "user_inactive",
    ),
    "user deleted": (lambda gam: users.delete(gam, "ana", 1), "key_unproven", "password_wrong", "refresh_unknown"),
    "password changed": (
        lambda gam: users.set_password(gam, "ana", Secret("hunter2")),
        "",
        "password_wrong",
        "refresh_revoked",
    ),
    "password expired": (
        lambda gam: users.set_password(gam, "ana", PASSWORD, must_change=True),
        "",
        "password_wrong",
        "password_must_change",
    ),
    "type for keys disabled": (
        lambda gam: auth_types.update(gam, "apikey", {"enabled": False}),
        "auth_type_unavailable",
        "",
        "",
    ),
    "type for passwords disabled": (
        lambda gam: auth_types.update(gam, "local", {"enabled": False}),
        "",
        "auth_type_unavailable",
        "auth_type_unavailable",
    ),
    "API keys off": (lambda gam: apps.update(gam, "portal", {"api_keys.enabled": False}), "api_keys_off", "", ""),
    "scope withdrawn": (
        lambda gam: apps.update(gam, "portal", {}, ScopeEdit(remove=("gam_user_data",)), accept=1),
        "key_invalidated",
        "scope_unpublished",
        "scope_unpublished",
    ),
    "renewals reduced": (lambda gam: apps.update(gam, "portal", {"token.renewals": 0}), "", "", "renewals_spent"),
    "another user created": (lambda gam: users.create(gam, "bob", {}), "", "", ""),
}
"""Each change, and the rules that refuse the API key, password and refresh grant after it."""


@pytest.mark.parametrize("name", CHANGES)
def test_no_token_is_issued_after_a_change_was_acknowledged(
    gam: Gam, login: TokenRequest, issued: IssuedKey, name: str
) -> None:
    assert issued.secret is not None
    scope = "gam_user_data"
    client = TokenRequest(login.client_id, login.client_secret)
    by_key = client._replace(api_key=issued.secret, authentication_type_name="apikey")
    by_password = login._replace(scope=scope)
    refreshing = renewing(login, issuance.exchange(gam, by_password).refresh_token)
    attempts = [
        GrantAttempt(by_key, digest=b"digest"),
        GrantAttempt(by_password, password=issuance.verify_password(gam, by_password)),
        GrantAttempt(refreshing),
    ]
    caches = [GrantCache() for _ in attempts]
    assert rules_of(issue_turn(gam, attempts[0], cache=caches[0])) == ["granted"]
    assert caches[0].find_grant(b"digest", gam.now()) is not None
    change, *rules = CHANGES[name]
    with gam.store.open_again(durable=True, timeout=5) as other:
        change(replace(gam, store=other))
    for attempt, cache, rule in zip(attempts, caches, rules, strict=True):
        assert rules_of(issue_turn(gam, attempt, cache=cache)) == [rule or "granted"]


def test_a_password_is_not_hashed_again_after_a_change(
    gam: Gam, login: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = issuance.verify_password(gam, login)
    users.create(gam, "bob", {})
    monkeypatch.delattr(passwords, "verify")
    assert issue_verified(gam, login, verified).grant.user.name == "ana"


def test_an_application_created_again_does_not_revive_a_grant(gam: Gam, login: TokenRequest) -> None:
    verified = issuance.verify_password(gam, login)
    apps.delete(gam, "portal", None)
    spec = AppSpec("portal", {"remote_rest": True}, ("gam_user_data",), login.client_id)
    apps.create(gam, spec)
    assert refused(lambda: issue_verified(gam, login, verified)) == "client_secret_wrong"


def test_a_password_that_expires_while_it_is_hashed_is_refused(gam: Gam, login: TokenRequest, forward: Forward) -> None:
    users.set_password(gam, "ana", PASSWORD, expires=timedelta(days=1))
    verified = issuance.verify_password(gam, login)
    forward(timedelta(days=1))
    assert refused(lambda: issue_verified(gam, login, verified)) == "password_expired"
