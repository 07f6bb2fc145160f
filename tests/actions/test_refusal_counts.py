"""What the endpoint refused, summed up for the audit trail."""

import json
from collections.abc import Callable
from datetime import timedelta

from gamcli.actions import Gam, apps, refusal_counts
from gamcli.actions.changes import CreateResult
from gamcli.model import App, AuditEntry
from gamcli.store import audit

Trail = Callable[[], list[AuditEntry]]


def test_each_application_has_an_entry_and_all_others_have_one(
    gam: Gam, portal: CreateResult[App], trail: Trail, forward: Callable[[timedelta], object]
) -> None:
    since, before = gam.now(), len(trail())
    forward(timedelta(minutes=5))
    known = portal.record.client_id
    refusal_counts.record_refusal_counts(
        gam, {known: {"key_unproven": 3, "key_expired": 1}, "": {"client_unknown": 9}}, since
    )
    entries = trail()[before:]
    assert [(entry.action, entry.target) for entry in entries] == [
        (audit.REFUSAL_ACTION, "portal"),
        (audit.REFUSAL_ACTION, "-"),
    ]
    when = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T12:05:00Z"}
    assert [json.loads(entry.details) for entry in entries] == [
        {"client_id": known, "refused": {"key_unproven": 3, "key_expired": 1}, **when},
        {"refused": {"client_unknown": 9}, **when},
    ]


def test_an_application_that_is_gone_is_nobody(gam: Gam, portal: CreateResult[App], trail: Trail) -> None:
    apps.delete(gam, "portal", None, yes=True)
    refusal_counts.record_refusal_counts(gam, {portal.record.client_id: {"key_unproven": 1}}, gam.now())
    assert trail()[-1].target == "-"
    assert portal.record.client_id not in trail()[-1].details


def test_what_stands_for_the_state_does_not_move(gam: Gam, trail: Trail) -> None:
    with gam.store.reading() as tx:
        before = audit.load_last_change(tx)
    refusal_counts.record_refusal_counts(gam, {"": {"client_unknown": 1}}, gam.now())
    with gam.store.reading() as tx:
        assert audit.load_last_change(tx) == before
        assert audit.verify(tx).seq == len(trail())
