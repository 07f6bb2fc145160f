"""A cached grant counts until anything is changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gamcli import store
from gamcli.actions import Gam, apps, auth_types, issuance, keys, users
from gamcli.actions.grant_cache import BoundedCache, CachedGrant, GrantCache
from gamcli.actions.issuance import GrantAttempt, IssuedToken
from gamcli.errors import RefusedError
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey

Forward = Callable[[timedelta], object]


@pytest.fixture
def cache(gam: Gam, asked: TokenRequest) -> GrantCache:
    found = GrantCache()
    assert isinstance(issue(gam, asked, found), IssuedToken)
    return found


def issue(gam: Gam, asked: TokenRequest, cache: GrantCache, digest: bytes = b"digest") -> IssuedToken | RefusedError:
    with gam.store.writing() as tx:
        return issuance.Turn(gam, [GrantAttempt(asked, digest=digest)], cache).issue_tokens(tx)[0]


CHANGES: dict[str, tuple[Callable[[Gam], Any], str]] = {
    "key revoked": (lambda gam: keys.revoke(gam, [key_of(gam)], "lost"), "key_revoked"),
    "application disabled": (lambda gam: apps.update(gam, "portal", {"enabled": False}), "app_disabled"),
    "secret rotated": (lambda gam: apps.rotate_secret(gam, "portal"), "client_secret_wrong"),
    "user blocked": (lambda gam: users.update(gam, "ana", {"blocked": True}), "user_blocked"),
    "user deleted": (lambda gam: users.delete(gam, "ana", 1), "key_unproven"),
    "type disabled": (lambda gam: auth_types.update(gam, "apikey", {"enabled": False}), "auth_type_unavailable"),
    "another user created": (lambda gam: users.create(gam, "bob", {}), ""),
}


def key_of(gam: Gam) -> str:
    with gam.store.reading() as tx:
        return next(store.keys.search(tx, store.keys.KeyFilter())).id


@pytest.mark.parametrize("digest", [b"digest", b""], ids=["grant cached", "application cached"])
def test_a_change_after_a_turn_was_planned_counts_for_it(
    gam: Gam, asked: TokenRequest, cache: GrantCache, digest: bytes
) -> None:
    turn = issuance.Turn(gam, [GrantAttempt(asked, digest=digest)], cache)
    apps.update(gam, "portal", {"enabled": False})
    with gam.store.open_again(durable=True, timeout=5) as node:
        (outcome,) = turn.issue_tokens(node.begin(turn.queries))
        node.commit()
    assert isinstance(outcome, RefusedError)
    assert outcome.rule == "app_disabled"


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_by_another_process_counts_for_the_next_request(
    gam: Gam, asked: TokenRequest, cache: GrantCache, name: str
) -> None:
    change, rule = CHANGES[name]
    with gam.store.open_again(durable=True, timeout=5) as other:
        change(replace(gam, store=other))
    outcome = issue(gam, asked, cache)
    assert (outcome.rule if isinstance(outcome, RefusedError) else "") == rule
    assert (cache.find_grant(b"digest", gam.now()) is None) == bool(rule)


def test_issuing_tokens_keeps_the_cached_grants(gam: Gam, asked: TokenRequest, cache: GrantCache) -> None:
    before = cache.find_grant(b"digest", gam.now())
    issuance.exchange(gam, asked)
    assert issue(gam, asked, cache).grant is before  # type: ignore[union-attr]


def test_a_cached_grant_ends_with_its_key(gam: Gam, asked: TokenRequest, forward: Forward) -> None:
    key = keys.generate(gam, keys.KeySpec("ana", "portal", expires_in=timedelta(minutes=5), replace=True))
    assert key.secret is not None
    cache, request = GrantCache(), asked._replace(api_key=key.secret)
    assert isinstance(issue(gam, request, cache), IssuedToken)
    forward(timedelta(minutes=5) - timedelta(microseconds=1))
    assert cache.find_grant(b"digest", gam.now()) is not None
    forward(timedelta(microseconds=1))
    assert cache.find_grant(b"digest", gam.now()) is None
    outcome = issue(gam, request, cache)
    assert isinstance(outcome, RefusedError)
    assert outcome.rule == "key_expired"
    forward(-timedelta(minutes=6))
    assert cache.find_grant(b"digest", gam.now()) is None


def test_the_last_use_of_a_key_is_recorded_once_a_minute(
    gam: Gam, asked: TokenRequest, cache: GrantCache, issued: IssuedKey, forward: Forward
) -> None:
    def last_use() -> timedelta | None:
        issue(gam, asked, cache)
        used_at = keys.show(gam, issued.record.id).last_used_at
        return None if used_at is None else gam.now() - used_at

    def grants() -> int:
        return keys.show(gam, issued.record.id).grants

    assert (last_use(), grants()) == (timedelta(0), 1)
    forward(timedelta(seconds=59))
    assert (last_use(), grants()) == (timedelta(seconds=59), 1)
    forward(timedelta(seconds=1))
    assert (last_use(), grants()) == (timedelta(0), 4)  # the cache had one already


def test_counts_that_wait_for_a_minute_are_written_with_the_next_grant_of_any_key(
    gam: Gam, asked: TokenRequest, cache: GrantCache, issued: IssuedKey, forward: Forward
) -> None:
    users.create(gam, "bob", {})
    other = keys.generate(gam, keys.KeySpec("bob", "portal"))
    assert other.secret is not None
    for _ in range(4):
        issue(gam, asked, cache)
    forward(timedelta(minutes=1))
    assert keys.show(gam, issued.record.id).grants == 1
    issue(gam, asked._replace(api_key=other.secret), cache, b"other")
    assert [keys.show(gam, each.record.id).grants for each in (issued, other)] == [5, 1]


def test_a_change_of_the_store_loses_no_counts(
    gam: Gam, asked: TokenRequest, cache: GrantCache, issued: IssuedKey
) -> None:
    for city in "abc":
        issue(gam, asked, cache)
        issue(gam, asked, cache)
        users.update(gam, "ana", {"city": city})
    issuance.save_key_uses(gam, cache)
    assert keys.show(gam, issued.record.id).grants == 7


@pytest.mark.parametrize("undo", ["clear", "roll_back"])
def test_grants_that_were_not_committed_are_not_counted(
    gam: Gam, asked: TokenRequest, cache: GrantCache, issued: IssuedKey, forward: Forward, undo: str
) -> None:
    issue(gam, asked, cache)
    for minutes in (0, 1):  # the second time, what was counted before is written too
        forward(timedelta(minutes=minutes))
        for _ in range(3):
            tx = gam.store.begin()
            issuance.Turn(gam, [GrantAttempt(asked, digest=b"digest")], cache).issue_tokens(tx)
            gam.store.rollback()
            (cache.clear if undo == "clear" else cache.key_uses.roll_back)()
    issue(gam, asked, cache)
    issuance.save_key_uses(gam, cache)
    assert keys.show(gam, issued.record.id).grants == 3


def test_a_key_that_expires_between_the_plan_and_the_decision_is_refused(
    gam: Gam, asked: TokenRequest, cache: GrantCache, forward: Forward
) -> None:
    key = keys.generate(gam, keys.KeySpec("ana", "portal", expires_in=timedelta(hours=1), replace=True))
    asked = asked._replace(api_key=key.secret)
    forward(timedelta(minutes=59))
    assert isinstance(issue(gam, asked, cache), IssuedToken)
    turn = issuance.Turn(gam, [GrantAttempt(asked, digest=b"digest")], cache)
    forward(timedelta(minutes=1))
    with gam.store.writing() as tx:
        (outcome,) = turn.issue_tokens(tx)
    assert isinstance(outcome, RefusedError)
    assert outcome.rule == "key_expired"


def test_a_cached_grant_is_valid_from_its_decision_until_it_expires(gam: Gam, asked: TokenRequest) -> None:
    grant = issue(gam, asked, GrantCache())
    assert isinstance(grant, IssuedToken)
    now, minute = gam.now(), timedelta(minutes=1)
    lasting, ending = (CachedGrant(asked, grant.grant, now, end) for end in (None, now + minute))
    assert [each.is_valid(now - minute) for each in (lasting, ending)] == [False, False]
    assert [each.is_valid(now) for each in (lasting, ending)] == [True, True]
    assert [ending.is_valid(now + minutes * minute) for minutes in (1, 2)] == [False, False]


def test_a_cache_drops_its_oldest_entry() -> None:
    found = BoundedCache[str, int](2)
    for name in "abbc":
        found[name] = ord(name)
    assert list(found) == ["b", "c"]
    found.update({"d": 1, "e": 2, "f": 3})
    assert found == {"e": 2, "f": 3}


def test_unknown_clients_do_not_fill_the_memory(gam: Gam, asked: TokenRequest) -> None:
    cache = GrantCache(max_entries=2)
    for number in range(4):
        with gam.store.writing() as tx:
            attempt = GrantAttempt(asked._replace(client_id=f"unknown{number}"))
            issuance.Turn(gam, [attempt], cache).issue_tokens(tx)
    assert len(cache.clients) == 2
