"""Authentication types in the store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamcli.errors import ConflictError, FailedError, NotFoundError
from gamcli.model import APIKEY, GAMLOCAL, ApiKeyPolicy, App, AuthType, Repository
from gamcli.store import Store, Transaction, apps, auth_types, repository
from tests.cases import for_each

Trial = Callable[[], AbstractContextManager[Transaction]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TIMES = st.datetimes(timezones=st.just(UTC))
TYPES = st.builds(
    AuthType,
    name=TEXTS.filter(lambda name: name.casefold() not in ("", "apikey", "local")),
    type=st.sampled_from([APIKEY, GAMLOCAL]),
    description=TEXTS,
    enabled=st.booleans(),
    default=st.just(value=False),
    created_at=TIMES,
    updated_at=TIMES,
    managed_by=st.none() | TEXTS,
)


@pytest.fixture
def three(store: Store, now: datetime) -> Store:
    with store.writing() as tx:
        for place, name in enumerate(("beta", "Alpha", "gamma")):
            at = now - timedelta(hours=place)
            kind = GAMLOCAL if place == 1 else APIKEY
            auth_types.add(tx, AuthType(name, kind, "", enabled=place > 0, default=False, created_at=at, updated_at=at))
        repository.add(tx, Repository("guid", "beta", now, b"k"))
    return store


@given(TYPES)
def test_a_type_comes_back_as_it_was_kept(trial: Trial, auth_type: AuthType) -> None:
    with trial() as tx:
        auth_types.add(tx, auth_type)
        assert auth_types.get(tx, auth_type.name) == auth_type
        after = auth_type._replace(
            description="changed", managed_by="a.toml", enabled=not auth_type.enabled, updated_at=auth_type.created_at
        )
        auth_types.save(tx, after)
        assert auth_types.find(tx, auth_type.name) == after


def test_a_type_is_found_without_regard_to_case(three: Store) -> None:
    with three.reading() as tx:
        assert auth_types.get(tx, "ALPHA").name == "Alpha"


def test_another_name_finds_no_type(three: Store) -> None:
    with three.reading() as tx:
        assert auth_types.find(tx, "") is None
        with pytest.raises(NotFoundError) as caught:
            auth_types.get(tx, "ldap")
    assert caught.value.message == "no authentication type named 'ldap'"
    assert caught.value.hint == "gamcli auth-type list"


def test_names_are_unique_without_regard_to_case(three: Store, now: datetime) -> None:
    def add() -> None:
        with three.writing() as tx:
            auth_types.add(
                tx, AuthType("BETA", APIKEY, "", enabled=True, default=False, created_at=now, updated_at=now)
            )

    with pytest.raises(ConflictError, match="already has this"):
        add()


def test_one_type_is_the_default(three: Store) -> None:
    with three.writing() as tx:
        assert [each.name for each in auth_types.search(tx) if each.default] == ["beta"]
        repository.set_default_auth_type(tx, "ALPHA")
        assert [each.name for each in auth_types.search(tx) if each.default] == ["Alpha"]


@for_each(
    ("kind", "enabled", "sort", "names"),
    [
        (None, None, None, ["Alpha", "beta", "gamma"]),
        (APIKEY, None, None, ["beta", "gamma"]),
        (GAMLOCAL, None, None, ["Alpha"]),
        (None, True, None, ["Alpha", "gamma"]),
        (None, False, None, ["beta"]),
        (GAMLOCAL, False, None, []),
        (None, None, "-name", ["gamma", "beta", "Alpha"]),
        (None, None, "type", ["beta", "gamma", "Alpha"]),
        (None, None, "-type", ["Alpha", "beta", "gamma"]),
        (None, None, "enabled", ["beta", "Alpha", "gamma"]),
        (None, None, "-enabled", ["Alpha", "gamma", "beta"]),
        (None, None, "created_at", ["gamma", "Alpha", "beta"]),
        (None, None, "-created_at", ["beta", "Alpha", "gamma"]),
        (None, None, "updated_at", ["gamma", "Alpha", "beta"]),
        (None, None, "-updated_at", ["beta", "Alpha", "gamma"]),
    ],
)
def test_a_list_shows_the_types_that_match_in_order(
    three: Store,
    kind: str | None,
    enabled: bool | None,  # noqa: FBT001 - a column of the table
    sort: str | None,
    names: list[str],
) -> None:
    with three.reading() as tx:
        assert [each.name for each in auth_types.search(tx, kind=kind, enabled=enabled, sort=sort)] == names


def test_a_type_that_is_needed_is_not_deleted(three: Store, portal: App) -> None:
    with three.writing() as tx:
        apps.add(tx, portal._replace(api_keys=ApiKeyPolicy(auth_type="Alpha")))

    def delete(name: str) -> None:
        with three.writing() as tx:
            auth_types.delete(tx, name)

    for needed in ("beta", "Alpha"):
        with pytest.raises(FailedError, match=r"(?i)foreign key"):
            delete(needed)
    delete("GAMMA")
    with three.reading() as tx:
        assert [each.name for each in auth_types.search(tx)] == ["Alpha", "beta"]
