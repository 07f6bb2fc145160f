"""Facts that are kept ready are as true as those that are read: any change drops them before the next request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gamcli import store
from gamcli.actions import Gam, apps, auth_types, keys, prepared, repository, tokens, users
from gamcli.actions.prepared import Holder, Prepared
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest
from gamcli.store import Store

SECRET = "s" * 40


@pytest.fixture
def asked(gam: Gam) -> TokenRequest:
    """Return a request with the key that ana has for portal."""
    repository.initialise(gam)
    users.create(gam, "ana", {})
    wanted = {"remote_rest": True, "api_keys.enabled": True}
    apps.create(gam, apps.AppWish("portal", wanted, ("gam_user_data",), "c" * 32, Secret(SECRET)))
    key = keys.generate(gam, keys.KeyWish("ana", "portal"))
    return TokenRequest("c" * 32, Secret(SECRET), key.secret, "apikey")


@pytest.fixture
def ready(gam: Gam, asked: TokenRequest) -> Prepared:
    """Return a place that knows the request under the digest `d`, and its holder."""
    found = Prepared()
    assert found.find(gam, b"d") is None
    facts = tokens.facts(gam, asked)
    found.keep(b"d", facts)
    assert facts.user is not None
    found.holder(gam, asked.client_id, facts.user.guid)
    return found


def test_what_is_kept_is_found_without_reading_it_again(
    gam: Gam, asked: TokenRequest, ready: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is what would be read."""
    read = tokens.facts(gam, asked)
    monkeypatch.delattr(Store, "reading")
    assert ready.find(gam, b"d") == read
    assert ready.find(gam, b"another") is None
    assert read.user is not None
    assert ready.holder(gam, asked.client_id, read.user.guid) == Holder(read.app, read.user)


CHANGES: dict[str, Callable[[Gam], Any]] = {
    "key revoked": lambda gam: keys.revoke(gam, [key_of(gam)], "lost"),
    "application disabled": lambda gam: apps.update(gam, "portal", {"enabled": False}),
    "secret rotated": lambda gam: apps.rotate_secret(gam, "portal"),
    "user blocked": lambda gam: users.update(gam, "ana", {"blocked": True}),
    "user deleted": lambda gam: users.delete(gam, "ana", 1),
    "type disabled": lambda gam: auth_types.update(gam, "apikey", {"enabled": False}),
    "another user made": lambda gam: users.create(gam, "bob", {}),
}


def key_of(gam: Gam) -> str:
    """Return the id of the one key there is."""
    with gam.store.reading() as tx:
        return next(store.keys.each(tx, store.keys.KeyFilter())).id


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_by_anybody_drops_what_is_kept(
    gam: Gam, asked: TokenRequest, ready: Prepared, change: Callable[[Gam], Any]
) -> None:
    """Through another connection, as another process would."""
    before = tokens.facts(gam, asked)
    with Store.open(gam.store.path) as other:
        change(replace(gam, store=other))
    assert ready.find(gam, b"d") is None
    assert before.user is not None
    now = ready.holder(gam, asked.client_id, before.user.guid)
    with gam.store.reading() as tx:
        assert now == prepared.holder(tx, asked.client_id, before.user.guid)


def test_grants_drop_nothing(gam: Gam, asked: TokenRequest, ready: Prepared) -> None:
    """They change no facts but the last use of a key, which may lie behind."""
    tokens.exchange(gam, asked)
    assert ready.find(gam, b"d") is not None


def test_the_last_use_of_a_key_is_noted_by_one_request_a_minute(
    gam: Gam, ready: Prepared, forward: Callable[[timedelta], None]
) -> None:
    """The first that finds it old is to write it; those after it find it new."""

    def is_noted() -> bool:
        facts = ready.find(gam, b"d")
        assert facts is not None
        assert facts.now == gam.now()
        return prepared.is_worth_noting(facts.the_key.last_used_at, facts.now)

    assert [is_noted(), is_noted()] == [True, False]
    forward(timedelta(seconds=59))
    assert not is_noted()
    forward(timedelta(seconds=1))
    assert [is_noted(), is_noted()] == [True, False]


def test_there_is_room_for_so_many(gam: Gam, asked: TokenRequest) -> None:
    """One more than fit begin anew: no client fills the memory with requests that differ."""
    found, facts = Prepared(room=2), tokens.facts(gam, asked)
    found.find(gam, b"0")
    for digest in (b"1", b"2", b"3"):
        found.keep(digest, facts)
    assert [found.find(gam, digest) is not None for digest in (b"1", b"2", b"3")] == [False, False, True]
    for guid in ("1", "2", "3"):
        found.holder(gam, asked.client_id, guid)
    assert list(found._holders) == [(asked.client_id, "3")]  # noqa: SLF001 - to see that it is bounded
