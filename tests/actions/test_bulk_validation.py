"""Validating the rows of an input file against the store."""

from collections.abc import Iterable

import pytest

from gamcli.actions import Gam, apps, bulk_terms, bulk_validation, keys, users
from gamcli.actions.apps import AppSpec, ScopeEdit
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import BulkTarget, ValidatedInput
from gamcli.actions.keys import KeySpec
from gamcli.actions.problems import ProblemList
from gamcli.errors import ProblemsError

OPEN = {"remote_rest": True, "api_keys.enabled": True}


@pytest.fixture
def world(gam: Gam) -> Gam:
    for name in ("portal", "gate"):
        apps.create(gam, AppSpec(name, OPEN, ("gam_user_data",)))
    for name in ("ana", "bob"):
        users.create(gam, name, {"email": f"{name}@x.org"})
    return gam


def check(gam: Gam, rows: Iterable[KeyRow], there: int = 0) -> ValidatedInput:
    return bulk_validation.validate_rows(gam, ProblemList("f"), rows, BulkTarget(None, "out"), there)


def faults(gam: Gam, *rows: KeyRow) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        check(gam, rows)
    return [str(fault) for fault in caught.value.problems]


def test_valid_rows_are_counted(world: Gam) -> None:
    checked = check(world, [KeyRow(2, "ana", "portal"), KeyRow(3, "ANA@x.org", "gate", expires_in="90d")])
    assert checked.counts == (2, 0, 0, 0, 0)
    with world.store.reading() as tx:
        assert tx.one("SELECT count(*) FROM key") == (0,)


def test_delivered_rows_are_not_validated_again(world: Gam) -> None:
    rows = [KeyRow(2, "gone", "portal"), KeyRow(3, "gone", "gate"), KeyRow(4, "ana", "gate")]
    assert check(world, rows, there=2).counts.rows == 1


def test_the_same_user_under_another_name_is_a_duplicate(world: Gam) -> None:
    same = faults(world, KeyRow(2, "ana", "portal"), KeyRow(9, "ANA@X.ORG", "Portal"))
    assert same == ["f:9: same user and application as in line 2"]


def test_bulk_keys_obey_the_rules_of_single_keys(world: Gam) -> None:
    users.update(world, "bob", {"enabled": False})
    apps.update(world, "gate", {"enabled": False}, ScopeEdit(), None)
    problems = faults(world, KeyRow(2, "bob", "portal"), KeyRow(3, "bob", "gate"), KeyRow(4, "ana", "gate"))
    assert problems == [
        "f:2: user 'bob' is not active; gamcli user enable bob",
        "f:3: application 'gate' is disabled; gamcli app enable gate",
        "f:4: application 'gate' is disabled; gamcli app enable gate",
    ]


def test_an_active_key_for_the_application_is_a_problem(world: Gam) -> None:
    key = keys.generate(world, KeySpec("ana", "gate")).record
    problems = faults(world, KeyRow(2, "ana", "portal"), KeyRow(3, "ana", "gate"))
    assert problems == [f"f:3: user 'ana' already has an active key for application 'gate': {key.id}"]


def test_the_caches_are_bounded(world: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_validation, "MAX_CACHED_USERS", 0)
    monkeypatch.setattr(bulk_terms, "MAX_CACHED_TERMS", 1)
    monkeypatch.setattr(bulk_validation, "GROUP_ROWS", 1)
    rows = [KeyRow(2, "ana", "gate"), KeyRow(3, "bob", "portal"), KeyRow(4, "ana", "portal"), KeyRow(5, "bob", "gate")]
    assert check(world, rows).counts.rows == 4


def test_items_are_grouped_by_size() -> None:
    assert list(bulk_validation.iter_groups(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(bulk_validation.iter_groups([], 2)) == []
