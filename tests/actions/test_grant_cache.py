"""What is kept ready is as true as what is read: any change drops it before the next request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gamcli import store
from gamcli.actions import Gam, apps, auth_types, grant_cache, issuance, keys, repository, tokens, users
from gamcli.actions.grant_cache import AppAndUser, GrantCache
from gamcli.errors import RefusedError, StoreUnusableError
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import Grant, TokenRequest
from gamcli.rules.keys import should_record_use
from gamcli.store import Store

SECRET = "s" * 40
Claims = dict[str, object]


@pytest.fixture
def asked(gam: Gam) -> TokenRequest:
    repository.initialise(gam)
    users.create(gam, "ana", {})
    wanted = {"remote_rest": True, "api_keys.enabled": True}
    apps.create(gam, apps.AppSpec("portal", wanted, ("gam_user_data",), "c" * 32, Secret(SECRET)))
    key = keys.generate(gam, keys.KeySpec("ana", "portal"))
    return TokenRequest("c" * 32, Secret(SECRET), key.secret, "apikey")


def decided(gam: Gam, asked: TokenRequest) -> issuance.GrantDecision:
    return issuance.decide(gam, asked)


@pytest.fixture
def ready(gam: Gam, asked: TokenRequest) -> GrantCache[Claims]:
    found: GrantCache[Claims] = GrantCache()
    assert found.find_grant(b"d", gam.now()) is None
    found.add_grant(b"d", decided(gam, asked))
    found.find_app_and_user(gam, asked.client_id, users.show(gam, "ana").guid)
    return found


def invalidate(gam: Gam, ready: GrantCache[Claims]) -> None:
    with gam.store.writing() as tx:
        ready.invalidate(tx)


def test_what_is_kept_is_found_without_reading_it_again(
    gam: Gam, asked: TokenRequest, ready: GrantCache[Claims], monkeypatch: pytest.MonkeyPatch
) -> None:
    again = decided(gam, asked)
    app, user = apps.show(gam, "portal"), users.show(gam, "ana")
    monkeypatch.delattr(Store, "reading")
    assert ready.find_grant(b"d", gam.now()) == again
    assert ready.find_grant(b"another", gam.now()) is None
    assert ready.find_app_and_user(gam, asked.client_id, user.guid) == AppAndUser(app, user)


CHANGES: dict[str, Callable[[Gam], Any]] = {
    "key revoked": lambda gam: keys.revoke(gam, [key_of(gam)], "lost"),
    "application disabled": lambda gam: apps.update(gam, "portal", {"enabled": False}),
    "secret rotated": lambda gam: apps.rotate_secret(gam, "portal"),
    "user blocked": lambda gam: users.update(gam, "ana", {"blocked": True}),
    "user deleted": lambda gam: users.delete(gam, "ana", 1),
    "type disabled": lambda gam: auth_types.update(gam, "apikey", {"enabled": False}),
    "another user made": lambda gam: users.create(gam, "bob", {}),
}
REFUSING = [*CHANGES][:-1]


def key_of(gam: Gam) -> str:
    with gam.store.reading() as tx:
        return next(store.keys.search(tx, store.keys.KeyFilter())).id


def elsewhere(gam: Gam, name: str) -> None:
    with Store.open(gam.store.path) as other:
        CHANGES[name](replace(gam, store=other))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_by_anybody_drops_what_is_kept(
    gam: Gam, asked: TokenRequest, ready: GrantCache[Claims], name: str
) -> None:
    guid = users.show(gam, "ana").guid
    elsewhere(gam, name)
    invalidate(gam, ready)
    assert ready.find_grant(b"d", gam.now()) is None
    now = ready.find_app_and_user(gam, asked.client_id, guid)
    with gam.store.reading() as tx:
        assert now == grant_cache.load_app_and_user(tx, asked.client_id, guid)


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_decided_before_a_change_is_decided_again(gam: Gam, ready: GrantCache[Claims], name: str) -> None:
    found = ready.find_grant(b"d", gam.now())
    assert found is not None
    elsewhere(gam, name)
    with gam.store.writing() as tx:
        if name in REFUSING:
            with pytest.raises(RefusedError):
                issuance.issue_token(gam, tx, found)
        else:
            assert issuance.issue_token(gam, tx, found).grant.user.name == "ana"


def test_what_is_decided_while_a_change_is_made_is_decided_again(
    gam: Gam, asked: TokenRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Store.reading
    changes = ["user blocked"]

    def changing(opened: Store) -> Any:  # noqa: ANN401 - as reading
        if changes:
            elsewhere(gam, changes.pop())
        return reading(opened)

    before = decided(gam, asked)
    monkeypatch.setattr(Store, "reading", changing)
    with pytest.raises(RefusedError, match="blocked"):
        issuance.decide(gam, asked)
    with gam.store.writing() as tx, pytest.raises(RefusedError, match="blocked"):
        issuance.issue_token(gam, tx, before)


def test_grants_drop_nothing(gam: Gam, asked: TokenRequest, ready: GrantCache[Claims]) -> None:
    issuance.exchange(gam, asked)
    invalidate(gam, ready)
    assert ready.find_grant(b"d", gam.now()) is not None


def test_what_is_kept_ends_with_the_key(gam: Gam, asked: TokenRequest, forward: Callable[[timedelta], None]) -> None:
    key = keys.generate(gam, keys.KeySpec("ana", "portal", expires_in=timedelta(minutes=5), replace=True))
    found: GrantCache[Claims] = GrantCache()
    found.add_grant(b"d", decided(gam, asked_with(asked, key.secret)))
    forward(timedelta(minutes=5) - timedelta(microseconds=1))
    assert found.find_grant(b"d", gam.now()) is not None
    forward(timedelta(microseconds=1))
    assert found.find_grant(b"d", gam.now()) is None
    forward(-timedelta(minutes=6))
    assert found.find_grant(b"d", gam.now()) is None


def asked_with(asked: TokenRequest, key: Secret | None) -> TokenRequest:
    assert key is not None
    return replace(asked, api_key=key)


def test_the_last_use_of_a_key_is_noted_by_one_request_a_minute(
    gam: Gam, ready: GrantCache[Claims], forward: Callable[[timedelta], None]
) -> None:
    def is_noted() -> bool:
        found = ready.find_grant(b"d", gam.now())
        assert found is not None
        assert isinstance(found.result, Grant)
        assert found.result.key is not None
        return should_record_use(found.result.key.last_used_at, gam.now())

    assert [is_noted(), is_noted()] == [True, False]
    forward(timedelta(seconds=59))
    assert not is_noted()
    forward(timedelta(seconds=1))
    assert [is_noted(), is_noted()] == [True, False]


class Bearer:
    """A client with one token, which counts how often its claims were built."""

    def __init__(self, gam: Gam, secret: Secret) -> None:
        self.gam, self.secret = gam, secret
        self.known: GrantCache[Claims] = GrantCache()
        self.made = 0

    def ask(self, *, look: bool = True) -> Claims:
        if look:
            self.known.check_version(self.gam)
        try:
            return tokens.cached_userinfo(self.gam, self.secret, self.known, self._make)
        finally:
            self.known.forget_version()

    def _make(self, result: Claims) -> Claims:
        self.made += 1
        return result


@pytest.fixture
def bearer(gam: Gam, asked: TokenRequest) -> Bearer:
    found = Bearer(gam, issuance.exchange(gam, asked).secret)
    assert found.ask() == found.ask() == tokens.userinfo(gam, found.secret)
    assert found.made == 1
    return found


def test_claims_are_reported_again_without_reading_them(bearer: Bearer, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bearer.ask()
    bearer.known.check_version(bearer.gam)
    monkeypatch.delattr(Store, "reading")
    monkeypatch.delattr(Store, "read_without_transaction")
    for _ in range(3):
        assert tokens.cached_userinfo(bearer.gam, bearer.secret, bearer.known, bearer._make) == before
    assert bearer.made == 1


def test_without_a_look_claims_are_reported_by_what_is_read(bearer: Bearer) -> None:
    other = Bearer(bearer.gam, bearer.secret)
    assert other.ask(look=False)
    elsewhere(bearer.gam, "user blocked")
    for each in (bearer, other):
        with pytest.raises(RefusedError, match="blocked"):
            each.ask(look=False)


@pytest.mark.parametrize("name", [name for name in REFUSING if name not in ("secret rotated", "type disabled")])
def test_claims_end_with_what_ends_the_token(bearer: Bearer, name: str) -> None:
    elsewhere(bearer.gam, name)
    with pytest.raises(RefusedError):
        bearer.ask()


def test_claims_are_those_after_a_change(bearer: Bearer) -> None:
    with Store.open(bearer.gam.store.path) as other:
        users.update(replace(bearer.gam, store=other), "ana", {"first_name": "Ana"})
    assert bearer.ask()["first_name"] == "Ana"


def test_grants_of_others_let_claims_be_reported_again(bearer: Bearer, asked: TokenRequest) -> None:
    issuance.exchange(bearer.gam, asked)
    with Store.open(bearer.gam.store.path) as other:
        issuance.exchange(replace(bearer.gam, store=other), asked)
    assert bearer.ask() == bearer.ask()
    assert bearer.made == 1


def test_a_token_that_a_newer_one_ended_reports_no_more(bearer: Bearer, asked: TokenRequest) -> None:
    apps.update(bearer.gam, "portal", {"one_token_per_user": True})
    assert bearer.ask()
    with Store.open(bearer.gam.store.path) as other:
        issuance.exchange(replace(bearer.gam, store=other), asked)
    with pytest.raises(RefusedError, match="revoked"):
        bearer.ask()


def test_a_token_reports_until_it_expires(bearer: Bearer, forward: Callable[[timedelta], None]) -> None:
    forward(timedelta(hours=1) - timedelta(microseconds=1))
    assert bearer.ask()
    forward(timedelta(microseconds=1))
    with pytest.raises(RefusedError, match="expired"):
        bearer.ask()
    forward(-timedelta(hours=2))
    with pytest.raises(RefusedError, match="expired"):
        bearer.ask()


def test_a_store_that_was_taken_away_is_reported(bearer: Bearer) -> None:
    bearer.gam.store.path.rename(bearer.gam.store.path.with_suffix(".away"))
    with pytest.raises(StoreUnusableError):
        bearer.ask()


def test_there_is_room_for_so_many(gam: Gam, asked: TokenRequest) -> None:
    found: GrantCache[Claims] = GrantCache(max_entries=2)
    ready = decided(gam, asked)
    for digest in (b"1", b"2", b"3"):
        found.add_grant(digest, ready)
    assert [found.find_grant(digest, gam.now()) is not None for digest in (b"1", b"2", b"3")] == [False, True, True]
    for guid in ("1", "2", "3"):
        found.find_app_and_user(gam, asked.client_id, guid)
    assert list(found._apps_and_users) == [(asked.client_id, guid) for guid in ("2", "3")]  # noqa: SLF001 - to see that it is bounded
    for _ in range(3):
        tokens.cached_userinfo(gam, issuance.exchange(gam, asked).secret, found, lambda claims: claims)
    assert len(found._claims) == 2  # noqa: SLF001 - as above
