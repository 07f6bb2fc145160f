"""The audit log: reading, verifying, exports, and refusal counts."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from gamcli.actions import Gam, apps, audit, users
from gamcli.actions.audit import AuditVerification
from gamcli.actions.changes import CreateResult
from gamcli.errors import ProblemsError, StoreAuditLogError
from gamcli.model import App, AuditEntry
from gamcli.store import audit as audit_table
from gamcli.store.audit import AuditFilter
from gamcli.store.hash_chain import ChainHead

ODD = 'Ñ "\\/\x1f\x7f\x85\u2028\u202e😀'
"""Characters that JSON must or may escape, and those that we escape for terminals."""

ReadAuditLog = Callable[[], list[AuditEntry]]


@pytest.fixture
def changed_users(gam: Gam) -> Gam:
    for name in ("ana", "zoë"):
        users.create(gam, name, {})
        with gam.store.writing() as tx:
            gam.record(tx, "user.update", ODD, odd=[f"\0{ODD}", 1.5, None])
    return gam


def export(audit_log: ReadAuditLog, **changes: Any) -> list[bytes]:  # noqa: ANN401 - fields of a record
    records = [
        {name: getattr(entry, name) for name in AuditEntry._fields} | {"details": json.loads(entry.details)}
        for entry in audit_log()
    ]
    records[1] |= changes
    return [json.dumps(record).encode() + b"\n" for record in records]


def test_the_head_verifies_the_whole_audit_log(changed_users: Gam, audit_log: ReadAuditLog) -> None:
    last = audit_log()[-1]
    assert audit.read_head(changed_users) == ChainHead(5, last.hash or "")
    assert (
        audit.verify(changed_users)
        == audit.verify(changed_users, audit_log()[0].hash)
        == AuditVerification(5, last.hash or "")
    )


def test_entries_are_numbered_without_gaps_and_each_has_a_hash(changed_users: Gam, audit_log: ReadAuditLog) -> None:
    assert [entry.seq for entry in audit_log()] == [1, 2, 3, 4, 5]
    assert len({entry.hash for entry in audit_log()}) == 5
    assert changed_users


@pytest.mark.parametrize("sql", ["DELETE FROM audit", "UPDATE audit SET hash = NULL WHERE seq = 5"])
def test_an_audit_log_without_its_last_entry_has_no_head(changed_users: Gam, sql: str) -> None:
    with changed_users.store.writing() as tx:
        tx.run(sql)
    with pytest.raises(StoreAuditLogError, match=r"^entry [15] "):
        audit.read_head(changed_users)


@pytest.mark.parametrize(
    ("filters", "limit", "expected"),
    [
        (AuditFilter(), None, [1, 2, 3, 4, 5]),
        (AuditFilter(action="user"), None, [2, 3, 4, 5]),
        (AuditFilter(action="user.create"), None, [2, 4]),
        (AuditFilter(action="use*"), None, [2, 3, 4, 5]),
        (AuditFilter(action="use"), None, []),
        (AuditFilter(action="user"), 2, [2, 3]),
        (AuditFilter(action="user", sort="-seq"), 2, [5, 4]),
        (AuditFilter(), 0, []),
    ],
    ids=str,
)
def test_an_action_is_found_by_its_noun(
    changed_users: Gam, filters: AuditFilter, limit: int | None, expected: list[int]
) -> None:
    with audit.search(changed_users, filters, limit) as entries:
        assert [entry.seq for entry in entries] == expected


def test_an_export_is_verified_without_the_store(changed_users: Gam, audit_log: ReadAuditLog) -> None:
    assert audit.verify_export("x", export(audit_log)) == audit.verify(changed_users)
    assert audit.verify_export("x", export(audit_log), audit_log()[2].hash) == audit.verify(changed_users)


@pytest.mark.usefixtures("changed_users")
@pytest.mark.parametrize(
    "changes",
    [{"actor": "eva"}, {"details": {}}, {"seq": 3}, {"hash": 5}, {"target": "\ud800"}, {"hash": None}],
    ids=str,
)
def test_a_changed_export_fails_verification(audit_log: ReadAuditLog, changes: dict[str, Any]) -> None:
    with pytest.raises(StoreAuditLogError, match=r"^entry 2 "):
        audit.verify_export("x", export(audit_log, **changes))


@pytest.mark.usefixtures("changed_users")
def test_only_a_known_head_reveals_a_truncated_export(audit_log: ReadAuditLog) -> None:
    assert audit.verify_export("x", export(audit_log)[:3]).entries == 3
    with pytest.raises(StoreAuditLogError, match="the last entry is 3"):
        audit.verify_export("x", export(audit_log)[:3], audit_log()[-1].hash)
    with pytest.raises(StoreAuditLogError, match="entry 1 was removed"):
        audit.verify_export("x", export(audit_log)[1:])
    with pytest.raises(StoreAuditLogError, match="entry 1 was removed"):
        audit.verify_export("x", [])


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"{}", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"seq":1}',
     b'{"seq":true,"at":"","actor":"","action":"","target":"","details":{},"hash":""}',
     b'{"seq":2,"at":"","actor":null,"action":"","target":"","details":{},"hash":""}',
     b'{"seq":2,"seq":2,"at":"","actor":"","action":"","target":"","details":{},"hash":""}',
     b'{"seq":2,"at":"","actor":"","action":"","target":"","details":{},"hash":"","note":1}',
     b'{"seq":2,"at":"","actor":"","action":"","target":"","details":{"a":{"b":1,"b":2}},"hash":""}',
     b'{"seq":2,"at":"","actor":"","action":"","target":"","details":{"a":NaN},"hash":""}'],
)  # fmt: skip
@pytest.mark.usefixtures("changed_users")
def test_a_line_that_is_not_an_entry_is_reported(audit_log: ReadAuditLog, line: bytes) -> None:
    def lines() -> Iterator[bytes]:
        yield export(audit_log)[0]
        yield line

    with pytest.raises(ProblemsError) as caught:
        audit.verify_export("log.jsonl", lines())
    assert [*map(str, caught.value.problems)] == ["log.jsonl:2: not an audit entry"]


def test_refusals_are_counted_per_application_and_once_for_unknown_clients(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog, forward: Callable[[timedelta], object]
) -> None:
    since, before = gam.now(), len(audit_log())
    forward(timedelta(minutes=5))
    known = portal.record.client_id
    audit.record_refusal_counts(gam, {known: {"key_unproven": 3, "key_expired": 1}, "": {"client_unknown": 9}}, since)
    entries = audit_log()[before:]
    assert [(entry.action, entry.target) for entry in entries] == [
        (audit_table.REFUSAL_ACTION, "portal"),
        (audit_table.REFUSAL_ACTION, "-"),
    ]
    when = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T12:05:00Z"}
    assert [json.loads(entry.details) for entry in entries] == [
        {"client_id": known, "refused": {"key_unproven": 3, "key_expired": 1}, **when},
        {"refused": {"client_unknown": 9}, **when},
    ]


def test_refusals_of_a_deleted_application_name_no_application(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog
) -> None:
    apps.delete(gam, "portal", None, yes=True)
    audit.record_refusal_counts(gam, {portal.record.client_id: {"key_unproven": 1}}, gam.now())
    assert audit_log()[-1].target == "-"
    assert portal.record.client_id not in audit_log()[-1].details


def test_refusal_counts_are_not_changes_of_the_store(gam: Gam, audit_log: ReadAuditLog) -> None:
    with gam.store.reading() as tx:
        before = audit_table.load_last_change(tx)
    audit.record_refusal_counts(gam, {"": {"client_unknown": 1}}, gam.now())
    with gam.store.reading() as tx:
        assert audit_table.load_last_change(tx) == before
        assert audit_table.verify(tx).seq == len(audit_log())
