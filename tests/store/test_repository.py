"""The repository in the store."""

from datetime import datetime

import pytest

from gamcli.errors import ConflictError, FailedError, StoreMissingError
from gamcli.model import APIKEY, AuthType, Repository
from gamcli.store import Store, auth_types, repository


def initialise(store: Store, now: datetime, guid: str = "guid") -> None:
    with store.writing() as tx:
        auth_types.add(
            tx, AuthType(f"Of {guid}", APIKEY, "", enabled=True, default=False, created_at=now, updated_at=now)
        )
        repository.add(tx, Repository(guid, f"of {guid}", now, b"k"))


def test_a_store_has_no_repository_before_init(store: Store) -> None:
    with store.reading() as tx:
        assert repository.find(tx) is None
        with pytest.raises(StoreMissingError, match="not initialized") as caught:
            repository.get(tx)
    assert caught.value.hint == "gamcli init"


def test_the_repository_comes_back_as_it_was_kept(store: Store, now: datetime) -> None:
    initialise(store, now)
    with store.reading() as tx:
        assert repository.find(tx) == repository.get(tx) == Repository("guid", "Of guid", now, b"k")


def test_a_store_has_one_repository(store: Store, now: datetime) -> None:
    initialise(store, now)
    with pytest.raises(ConflictError, match="already has this"):
        initialise(store, now, "second")
    with store.reading() as tx:
        assert [each.name for each in auth_types.search(tx)] == ["Of guid"]


def test_the_default_type_is_one_that_exists(store: Store, now: datetime) -> None:
    initialise(store, now)

    def name_another() -> None:
        with store.writing() as tx:
            repository.set_default_auth_type(tx, "nothing")

    with pytest.raises(FailedError, match=r"(?i)foreign key"):
        name_another()
