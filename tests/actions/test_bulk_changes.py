"""A change of many keys or users on PostgreSQL: what it costs in round trips does not depend on their number."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from gamcli.actions import Gam, apps, audit, bulk_issue, bulk_validation, keys, repository, users
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import BulkTarget
from gamcli.actions.problems import ProblemList
from gamcli.store import Store
from gamcli.store import keys as store_keys
from gamcli.store.keys import KeyFilter
from gamcli.store.postgres.database import PostgresStore
from gamcli.store.postgres.url import parse_url
from tests.actions.conftest import count_round_trips

FEW, MANY = 3, 60
"""Keys of the first and of the second application."""

WANTED = {"remote_rest": True, "api_keys.enabled": True}
APPS = {"small": FEW, "large": MANY}


@pytest.fixture
def estate(postgres_url: str, now: datetime) -> Iterator[Gam]:
    with Store.create(parse_url(postgres_url)) as store:
        gam = Gam(store, lambda: now, os.urandom, "test")
        repository.initialise(gam)
        create_users(gam, "u", MANY)
        for name, count in APPS.items():
            apps.create(gam, apps.AppSpec(name, WANTED, ("gam_user_data",)))
            for number in range(count):
                keys.generate(gam, keys.KeySpec(f"u{number}", name))
        yield gam
        audit.verify(gam)


def create_users(gam: Gam, prefix: str, count: int, **settings: str) -> None:
    names = (f"{prefix}{number}" for number in range(count))
    rows = (users.UserRow(0, name, None, {"email": f"{name}@example.com", **settings}) for name in names)
    users.create_all(gam, ProblemList("users.csv"), rows, users.ExistingUsers.UPDATE)


def revoke_all(gam: Gam, app: str, count: int) -> None:
    keys.revoke_all(gam, keys.KeySearch(app=app), None, count)


def withdraw_scope(gam: Gam, app: str, count: int) -> None:
    apps.update(gam, app, {}, apps.ScopeEdit(remove=("gam_user_data",)), count)


def delete(gam: Gam, app: str, count: int) -> None:
    apps.delete(gam, app, count)


@pytest.mark.parametrize("change", [revoke_all, withdraw_scope, delete])
def test_keys_are_invalidated_together(estate: Gam, change: Callable[[Gam, str, int], None], tmp_path: Path) -> None:
    assert isinstance(estate.store, PostgresStore)
    tasks = [partial(change, estate, app, count) for app, count in APPS.items()]
    few, many = (count_round_trips(estate.store, tmp_path / "trace", task) for task in tasks)
    assert few == many


def test_users_of_a_file_are_saved_together(estate: Gam, tmp_path: Path) -> None:
    assert isinstance(estate.store, PostgresStore)
    for name in ("Ana", "Bob"):  # created, then updated
        tasks = [partial(create_users, estate, f"{count}-", count, first_name=name) for count in (FEW, MANY)]
        few, many = (count_round_trips(estate.store, tmp_path / "trace", task) for task in tasks)
        assert few == many


def issue_keys(gam: Gam, app: str, count: int, *, only_missing: bool = False) -> None:
    rows = [KeyRow(number, f"u{number}", app) for number in range(count)]
    digest = f"{app} {count} {only_missing}".encode()
    target = BulkTarget(bulk_issue.find_batch(gam, digest), "keys.csv", only_missing=only_missing)
    validated = bulk_validation.validate_rows(gam, ProblemList("keys.csv"), rows, target, 0)
    assert validated.counts.rows == (0 if only_missing else count)
    bulk_issue.issue_keys(gam, bulk_issue.start_run(gam, validated, digest, "keys.csv"), lambda _: None)


def test_keys_of_a_file_are_issued_together(estate: Gam, tmp_path: Path) -> None:
    assert isinstance(estate.store, PostgresStore)
    counts = {"first": FEW, "few": FEW, "many": MANY}  # the first input also asks for the types of columns
    for name in counts:
        apps.create(estate, apps.AppSpec(name, WANTED, ("gam_user_data",)))
    for only_missing in (False, True):
        tasks = [partial(issue_keys, estate, *each, only_missing=only_missing) for each in counts.items()]
        _, few, many = (count_round_trips(estate.store, tmp_path / "trace", task) for task in tasks)
        assert few == many


def test_a_list_costs_one_round_trip(estate: Gam, tmp_path: Path) -> None:
    assert isinstance(estate.store, PostgresStore)
    with estate.store.reading() as tx:
        assert (
            count_round_trips(estate.store, tmp_path / "trace", lambda: list(store_keys.search(tx, KeyFilter()))) == 1
        )
