"""A store in memory: one shared connection, and no file."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from gamcli import store as nouns
from gamcli.actions import Gam, repository, users
from gamcli.store import Store

pytestmark = pytest.mark.needs_file


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gam]:
    monkeypatch.chdir(tmp_path)
    with Store.in_memory() as made:
        gam = Gam(made, lambda: datetime(2026, 3, 1, tzinfo=UTC), random.Random(62).randbytes, "tester")
        repository.initialise(gam)
        yield gam


def test_a_store_in_memory_makes_no_file(memory: Gam, tmp_path: Path) -> None:
    users.create(memory, "ana", {})
    assert [*tmp_path.iterdir()] == []
    (tmp_path / ":memory:").write_text("mine", encoding="utf-8")
    users.create(memory, "eva", {})
    assert (tmp_path / ":memory:").read_text(encoding="utf-8") == "mine"


def test_two_stores_in_memory_know_nothing_of_each_other(memory: Gam) -> None:
    users.create(memory, "ana", {})
    with Store.in_memory() as other, other.reading() as tx:
        assert nouns.users.find(tx, "ana") is None


def test_a_store_in_memory_is_shared_by_threads(memory: Gam) -> None:
    threads = [
        Thread(target=lambda first=first: [users.create(memory, f"user{first + at}", {}) for at in range(20)])
        for first in (0, 100, 200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with memory.store.reading() as tx:
        assert all(nouns.users.find(tx, f"user{first + at}") for first in (0, 100, 200) for at in range(20))


def test_beside_a_store_in_memory_is_that_store_itself(memory: Gam) -> None:
    with memory.store.open_again(durable=False, timeout=0) as same:
        assert same is memory.store
    users.create(memory, "ana", {})


def test_beside_a_file_is_another_connection_to_it(store: Store) -> None:
    with store.open_again(durable=False, timeout=0) as other:
        assert other is not store
        assert (other.path, other.timeout) == (store.path, 0)
