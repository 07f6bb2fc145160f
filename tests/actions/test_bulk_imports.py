"""Importing many keys at once, among rows that issue new ones."""

import json
from collections.abc import Callable, Sequence

import pytest

from gamcli.actions import Gam, apps, audit_history, bulk_issue, bulk_validation, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.audit_history import HistorySubject
from gamcli.actions.bulk_issue import DeliveredKey
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import BulkTarget
from gamcli.actions.keys import KeySpec
from gamcli.actions.problems import ProblemList
from gamcli.errors import ConflictError, ProblemsError
from gamcli.model import AuditEntry
from gamcli.rules.credentials import NO_SECRET, Secret, api_key_lookup_id
from gamcli.store import batches
from gamcli.store.audit import AuditFilter

pytestmark = pytest.mark.both_engines

OPEN = {"remote_rest": True, "api_keys.enabled": True}
LEGACY = [Secret(f"legacy key number {number:04}") for number in range(6)]


@pytest.fixture
def town(gam: Gam, monkeypatch: pytest.MonkeyPatch) -> Gam:
    monkeypatch.setattr(bulk_issue, "CHUNK_ROWS", 3)
    apps.create(gam, AppSpec("portal", OPEN, ("gam_user_data",)))
    for number in range(6):
        users.create(gam, f"u{number}", {})
    return gam


def rows_of(*, requests: bool = False) -> list[KeyRow]:
    """Return six rows, of which every second one imports a key."""
    return [
        KeyRow(
            line, f"u{line - 2}", "portal", request_id=f"r{line}" if requests else "",
            api_key=LEGACY[line - 2] if line % 2 else NO_SECRET,
        )
        for line in range(2, 8)
    ]  # fmt: skip


def run(
    gam: Gam, rows: Sequence[KeyRow], there: int = 0, deliver: Callable[[Sequence[DeliveredKey]], None] | None = None
) -> list[DeliveredKey]:
    batch, found = bulk_issue.find_batch(gam, b"digest"), list[DeliveredKey]()
    target = BulkTarget(batch, "out")
    checked = bulk_validation.validate_rows(gam, ProblemList("f"), rows, target, there)
    bulk_issue.issue_keys(gam, bulk_issue.start_run(gam, checked, b"digest", "out"), deliver or found.extend)
    return found


def problems_of(gam: Gam, *rows: KeyRow) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        run(gam, rows)
    return [str(problem) for problem in caught.value.problems]


def test_imported_and_new_keys_come_in_the_order_of_the_rows(
    town: Gam, audit_log: Callable[[], list[AuditEntry]]
) -> None:
    made = run(town, rows_of())
    assert [each.user for each in made] == [f"u{number}" for number in range(6)]
    for each, legacy in zip(made, LEGACY, strict=True):
        is_imported = each.row % 2 == 0
        assert (each.secret == NO_SECRET, each.id == api_key_lookup_id(legacy)) == (is_imported, is_imported)
        assert (legacy if is_imported else each.secret).matches(keys.show(town, each.id).digest)
    entries = [(entry.action, json.loads(entry.details)["made"]) for entry in audit_log() if "batch" in entry.target]
    assert entries == [("key.generate", 2), ("key.import", 1), ("key.generate", 1), ("key.import", 2)]
    with audit_history.search(town, HistorySubject(key=made[1].id), AuditFilter()) as life:
        assert [entry.action for entry in life] == ["key.import"]
    with town.store.reading() as tx:
        assert sorted(audit_history.find_imported_keys(tx)) == sorted(each.id for each in made if each.row % 2 == 0)
    batch = bulk_issue.find_batch(town, b"digest")
    assert batch is not None
    assert bulk_issue.count_delivered(town, batch, [(each.id, each.secret) for each in made]) == 6


@pytest.mark.parametrize("requests", [False, True])
def test_a_run_that_was_interrupted_before_it_delivered_imports_nothing_twice(town: Gam, *, requests: bool) -> None:
    def fail(_: Sequence[DeliveredKey]) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(town, rows_of(requests=requests), deliver=fail)
    made = run(town, rows_of(requests=requests))
    batch = bulk_issue.find_batch(town, b"digest")
    assert batch is not None
    with town.store.reading() as tx:
        prefixes = {part.id_prefix for part in batches.load_parts(tx, batch)}
    assert len(prefixes) == 3  # two of new keys, one of all imported keys
    assert [each.secret == NO_SECRET for each in made] == [False, True, False, True, False, True]
    assert all(LEGACY[each.row - 1].matches(keys.show(town, each.id).digest) for each in made if each.row % 2 == 0)


def test_a_used_row_is_not_imported_again_for_another_batch(town: Gam) -> None:
    existing = keys.generate(town, KeySpec("u0", "portal", api_key=LEGACY[0])).record.id
    same = f"this API key already exists: key {existing} of u0 for portal"
    assert problems_of(town, KeyRow(2, "u0", "portal", api_key=LEGACY[0])) == [
        f"f:2: {same}",
        f"f:2: user 'u0' already has an active key for application 'portal': {existing}",
    ]
    assert problems_of(town, KeyRow(2, "u1", "portal", api_key=LEGACY[0])) == [f"f:2: {same}"]


def test_a_key_is_imported_by_one_row_only(town: Gam) -> None:
    rows = (KeyRow(2, "u0", "portal", api_key=LEGACY[0]), KeyRow(9, "u1", "portal", api_key=LEGACY[0]))
    assert problems_of(town, *rows) == ["f:9: same API key as in line 2"]


def test_a_key_that_cannot_be_imported_is_a_problem_that_does_not_show_it(town: Gam) -> None:
    (problem,) = problems_of(town, KeyRow(2, "u0", "portal", api_key=Secret("short")))
    assert problem == "f:2: the API key has 5 characters; use 20 to 2,048 printable ASCII characters on one line"


def test_a_key_that_is_imported_during_the_run_is_a_conflict(town: Gam) -> None:
    def meanwhile(made: Sequence[DeliveredKey]) -> None:
        if made[0].row == 1:
            users.create(town, "eva", {})
            keys.generate(town, KeySpec("eva", "portal", api_key=LEGACY[5]))

    with pytest.raises(ConflictError, match="line 7 is no longer valid: this API key already exists"):
        run(town, rows_of(), deliver=meanwhile)
