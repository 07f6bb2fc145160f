"""Issuing many keys at once."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from gamcli.actions import Gam, apps, audit, bulk_issue, bulk_validation, keys, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.bulk_issue import DeliveredKey
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import BulkTarget, ValidatedInput
from gamcli.actions.keys import KeySearch, KeySpec
from gamcli.actions.problems import ProblemList
from gamcli.errors import ConflictError
from gamcli.model import AuditEntry, Key
from gamcli.rules.credentials import NO_SECRET

pytestmark = pytest.mark.both_engines

OPEN = {"remote_rest": True, "api_keys.enabled": True, "api_keys.timeout_hours": 2}
COUNT = 7


@pytest.fixture
def town(gam: Gam, monkeypatch: pytest.MonkeyPatch) -> Gam:
    monkeypatch.setattr(bulk_issue, "CHUNK_ROWS", 3)
    apps.create(gam, AppSpec("portal", OPEN, ("gam_user_data",)))
    for number in range(COUNT):
        users.create(gam, f"u{number}", {})
    return gam


def begun(gam: Gam, there: int = 0) -> ValidatedInput:
    rows = [KeyRow(line, f"u{(line * 5) % COUNT}", "portal", label=f"l{line}") for line in range(2, COUNT + 2)]
    batch = bulk_issue.find_batch(gam, b"digest")
    target = BulkTarget(batch, batch.output if batch else "out")
    checked = bulk_validation.validate_rows(gam, ProblemList("f"), rows, target, there)
    return bulk_issue.start_run(gam, checked, b"digest", "/out")


def make(gam: Gam) -> list[DeliveredKey]:
    found: list[DeliveredKey] = []
    bulk_issue.issue_keys(gam, begun(gam), found.extend)
    return found


def all_keys(gam: Gam) -> dict[str, Key]:
    with keys.search(gam, KeySearch()) as found:
        return {key.id: key for key in found}


def test_bulk_keys_are_in_input_order_and_equal_to_single_keys(town: Gam) -> None:
    single = keys.generate(town, KeySpec("u0", "portal", label="x")).record
    keys.revoke(town, [single.id], None)
    made, kept = make(town), all_keys(town)
    assert [(each.row, each.user) for each in made] == [(row, f"u{((row + 1) * 5) % COUNT}") for row in range(1, 8)]
    assert all(each.secret.matches(kept[each.id].digest) for each in made)
    of_u0 = next(each for each in made if each.user == "u0")
    found = kept[of_u0.id]
    assert found == single._replace(id=found.id, digest=found.digest, label=found.label)
    assert (of_u0.expires_at, of_u0.terms.scopes) == (found.expires_at, "gam_user_data")
    assert found.expires_at == town.now() + timedelta(hours=2)


def test_each_chunk_is_one_audit_entry(town: Gam, audit_log: Callable[[], list[AuditEntry]]) -> None:
    made = make(town)
    entries = [entry for entry in audit_log() if entry.action == "key.generate"]
    details = [json.loads(entry.details) for entry in entries]
    assert [each["lines"] for each in details] == [[2, 4], [5, 7], [8, 8]]
    assert [each["made"] for each in details] == [3, 3, 1]
    assert [each["beginning"] for each in details] == [made[at].id[:4] for at in (0, 3, 6)]
    assert not any("gamkey_" in entry.details for entry in entries)


@pytest.mark.parametrize(("behind", "expected"), [((), 0), ((1,), 2)])
def test_rows_are_validated_again_only_after_a_change(
    town: Gam, monkeypatch: pytest.MonkeyPatch, behind: Sequence[int], expected: int
) -> None:
    checks: list[int] = []
    real = bulk_issue.revalidate_chunk

    def counted(*arguments: Any) -> Any:  # noqa: ANN401 - what it takes and returns
        checks.append(1)
        return real(*arguments)

    monkeypatch.setattr("gamcli.actions.bulk_issue.revalidate_chunk", counted)

    def meanwhile(made: Sequence[DeliveredKey]) -> None:
        audit.record_refusal_counts(town, {"": {"client_unknown": 1}}, town.now())
        if made[0].row in behind:
            users.create(town, "eva", {})

    bulk_issue.issue_keys(town, begun(town), meanwhile)
    assert len(checks) == expected


def test_delivered_keys_are_recognised_row_by_row(town: Gam) -> None:
    made = make(town)
    batch = bulk_issue.find_batch(town, b"digest")
    assert batch is not None
    assert batch.delivered == COUNT
    right = [(each.id, each.secret) for each in made]

    def count(rows: Sequence[tuple[str, object]]) -> int:
        return bulk_issue.count_delivered(town, batch, rows)  # type: ignore[arg-type]

    assert count(right) == COUNT
    assert count(right[:2]) == 2
    assert count([*right[:4], (right[4][0], NO_SECRET), *right[5:]]) == 4
    assert count([right[0], right[4]]) == 1
    assert count([("", NO_SECRET)]) == 0
    users.delete(town, made[2].user, 1)
    assert count(right) == COUNT  # what is gone cannot be proven, and was made all the same


def test_a_batch_that_another_run_has_started_is_refused(town: Gam) -> None:
    first = begun(town)
    checked = first._replace(batch=None)
    with pytest.raises(ConflictError, match="another run of the same input has started"):
        bulk_issue.start_run(town, checked, b"digest", "/other")
    begun(town)
    with pytest.raises(ConflictError, match="another run of the same input has started"):
        bulk_issue.issue_keys(town, first, lambda _: None)
    assert all_keys(town) == {}


def test_an_id_prefix_that_is_taken_is_drawn_again(town: Gam, monkeypatch: pytest.MonkeyPatch) -> None:
    beginnings = iter(["Taken", "Taken", "Free"])
    key = keys.generate(town, KeySpec("u0", "portal")).record
    keys.revoke(town, [key.id], None)
    drawn = {"Taken": key.id[:4], "Free": "Free"}
    monkeypatch.setattr(bulk_issue, "CHUNK_ROWS", 100)
    monkeypatch.setattr(bulk_issue, "mint_api_key_id_prefix", lambda _: drawn[next(beginnings)])
    assert {each.id[:4] for each in make(town)} == {"Free"}


@pytest.mark.parametrize("end", ["used", "ended"])
def test_a_key_used_or_revoked_after_validation_gets_no_new_secret(town: Gam, end: str) -> None:
    def lose(_: Sequence[DeliveredKey]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bulk_issue.issue_keys(town, begun(town), lose)
    run = begun(town)
    assert run.counts.renewed == 3
    with town.store.writing() as tx:
        tx.run(
            "UPDATE key SET last_used_at = 7" if end == "used" else "UPDATE key SET ended_at = 7, end_status='revoked'"
        )
    with pytest.raises(ConflictError, match="used or revoked"):
        bulk_issue.issue_keys(town, run, lose)


def test_an_input_is_validated_again_when_the_store_has_changed(town: Gam) -> None:
    run = begun(town)
    made: list[DeliveredKey] = []

    def deliver(some: Sequence[DeliveredKey]) -> None:
        made.extend(some)
        if len(made) == 3:
            apps.update(town, "portal", {"api_keys.timeout_hours": 0})
        elif len(made) == 6:
            keys.generate(town, KeySpec("u5", "portal"))

    with pytest.raises(ConflictError, match="line 8 is no longer valid: user 'u5' already has an active key"):
        bulk_issue.issue_keys(town, run, deliver)
    assert [each.expires_at is None for each in made] == [False] * 3 + [True] * 3
    keys.revoke_all(town, KeySearch("u5"), None, 1)
    run = begun(town, there=6)
    users.delete(town, "u5", None)
    with pytest.raises(ConflictError, match="line 8 is no longer valid: user 'u5' was deleted"):
        bulk_issue.issue_keys(town, run, deliver)
