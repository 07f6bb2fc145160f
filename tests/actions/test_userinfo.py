"""Cached claims are as true as what is read: any change counts for the next request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gamcli.actions import Gam, apps, issuance, userinfo, users
from gamcli.actions.userinfo import ClaimsCache
from gamcli.errors import RefusedError, StoreUnusableError
from gamcli.rules import grants
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from tests.actions.test_grant_cache import CHANGES

pytestmark = pytest.mark.both_engines

Claims = dict[str, object]


class Bearer:
    """A client with one token, which counts how often its claims were built."""

    def __init__(self, gam: Gam, secret: Secret) -> None:
        self.gam, self.secret = gam, secret
        self.cache = ClaimsCache[Claims]()
        self.built = 0

    def ask(self) -> Claims:
        (result,) = userinfo.load_claims(self.gam, [self.secret], self.cache, self._build)
        if isinstance(result.response, RefusedError):
            raise result.response
        return result.response

    def _build(self, claims: Claims) -> Claims:
        self.built += 1
        return claims


@pytest.fixture
def bearer(gam: Gam, asked: TokenRequest) -> Bearer:
    found = Bearer(gam, issuance.exchange(gam, asked).secret)
    assert found.ask() == found.ask() == userinfo.userinfo(gam, found.secret)
    assert found.built == 1
    return found


def change_elsewhere(gam: Gam, name: str) -> None:
    with gam.store.open_again(durable=True, timeout=5) as other:
        CHANGES[name][0](replace(gam, store=other))


@pytest.mark.both_engines
@pytest.mark.parametrize("name", ["key revoked", "application disabled", "user blocked", "user deleted"])
def test_claims_end_with_what_ends_the_token(bearer: Bearer, name: str) -> None:
    change_elsewhere(bearer.gam, name)
    with pytest.raises(RefusedError):
        bearer.ask()


def test_claims_are_those_after_a_change(bearer: Bearer) -> None:
    with bearer.gam.store.open_again(durable=True, timeout=5) as other:
        users.update(replace(bearer.gam, store=other), "ana", {"first_name": "Ana"})
    assert bearer.ask()["first_name"] == "Ana"


def test_grants_of_others_let_claims_be_returned_again(bearer: Bearer, asked: TokenRequest) -> None:
    issuance.exchange(bearer.gam, asked)
    with bearer.gam.store.open_again(durable=True, timeout=5) as other:
        issuance.exchange(replace(bearer.gam, store=other), asked)
    assert bearer.ask() == bearer.ask()
    assert bearer.built == 1


@pytest.mark.both_engines
def test_a_token_that_a_newer_one_superseded_is_refused(bearer: Bearer, asked: TokenRequest) -> None:
    apps.update(bearer.gam, "portal", {"one_token_per_user": True})
    assert bearer.ask()
    with bearer.gam.store.open_again(durable=True, timeout=5) as other:
        issuance.exchange(replace(bearer.gam, store=other), asked)
    with pytest.raises(RefusedError, match="revoked"):
        bearer.ask()


@pytest.mark.both_engines
def test_a_token_of_a_session_is_read_again_although_nothing_was_audited(gam: Gam, asked: TokenRequest) -> None:
    apps.update(gam, "portal", {"token.renewals": 1})
    issued = issuance.exchange(gam, asked)
    bearer = Bearer(gam, issued.secret)
    assert bearer.ask()
    renewal = asked._replace(grant=grants.REFRESH, refresh_token=issued.refresh_token)
    with gam.store.open_again(durable=True, timeout=5) as other:
        issuance.exchange(replace(gam, store=other), renewal)
        assert bearer.ask()
        with pytest.raises(RefusedError, match="already used"):
            issuance.exchange(replace(gam, store=other), renewal)
    with pytest.raises(RefusedError, match="revoked"):
        bearer.ask()


@pytest.mark.both_engines
def test_any_token_is_read_again_after_seconds(bearer: Bearer, forward: Callable[[timedelta], None]) -> None:
    with bearer.gam.store.open_again(durable=True, timeout=5) as other, other.writing() as tx:
        tx.run("UPDATE token SET revoked_at = 1")  # no action does so without an audit entry
    forward(userinfo.READ_AGAIN_AFTER - timedelta(microseconds=1))
    assert bearer.ask()
    forward(timedelta(microseconds=1))
    with pytest.raises(RefusedError, match="revoked"):
        bearer.ask()


def test_a_token_returns_claims_until_it_expires(bearer: Bearer, forward: Callable[[timedelta], None]) -> None:
    forward(timedelta(hours=1) - timedelta(microseconds=1))
    assert bearer.ask()
    forward(timedelta(microseconds=1))
    with pytest.raises(RefusedError, match="expired"):
        bearer.ask()
    forward(-timedelta(hours=2))
    with pytest.raises(RefusedError, match="expired"):
        bearer.ask()


@pytest.mark.needs_file
def test_a_store_that_was_removed_is_reported(bearer: Bearer) -> None:
    bearer.gam.store.path.rename(bearer.gam.store.path.with_suffix(".away"))
    with pytest.raises(StoreUnusableError):
        bearer.ask()


def test_each_token_of_a_turn_gets_its_own_response(gam: Gam, bearer: Bearer) -> None:
    unknown = Secret(bearer.secret.reveal()[:-1] + ("a" if bearer.secret.reveal()[-1] != "a" else "b"))
    secrets = [unknown, bearer.secret, Secret("no token"), bearer.secret]
    results = userinfo.load_claims(gam, secrets, ClaimsCache[Claims](), lambda claims: claims)
    rules = [each.response.rule if isinstance(each.response, RefusedError) else "" for each in results]
    assert rules == ["token_unknown", "", "token_unknown", ""]
    assert [each.token is None for each in results] == [True, False, True, False]


def test_the_cache_of_claims_is_bounded(gam: Gam, asked: TokenRequest) -> None:
    cache = ClaimsCache[Claims](max_entries=2)
    secrets = [issuance.exchange(gam, asked).secret for _ in range(3)]
    results = userinfo.load_claims(gam, secrets, cache, lambda claims: claims)
    assert len({each.response["guid"] for each in results}) == 1  # type: ignore[index]
    assert (len(cache.responses), len(cache.clients), len(cache.users)) == (2, 1, 1)
