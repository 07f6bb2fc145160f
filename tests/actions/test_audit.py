"""The audit trail: read, proved whole, and checked from an export."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gamcli.actions import Gam, audit, users
from gamcli.actions.audit import AuditHead, AuditSearch, AuditVerification
from gamcli.errors import ProblemsError, StoreAuditLogError
from gamcli.model import AuditEntry

ODD = 'Ñ "\\/\x00\x1f\x7f\x85\u2028\u202e😀'
"""What JSON escapes, may escape, and what we escape for the sake of terminals."""

Trail = Callable[[], list[AuditEntry]]


@pytest.fixture
def lived(gam: Gam) -> Gam:
    for name in ("ana", "zoë"):
        users.create(gam, name, {})
        with gam.store.writing() as tx:
            gam.record(tx, "user.update", ODD, odd=[ODD, 1.5, None])
    return gam


def exported(trail: Trail, **changes: Any) -> list[bytes]:  # noqa: ANN401 - fields of a record
    records = [
        {name: getattr(entry, name) for name in AuditEntry.__slots__} | {"details": json.loads(entry.details)}
        for entry in trail()
    ]
    records[1] |= changes
    return [json.dumps(record).encode() + b"\n" for record in records]


def test_an_audit_log_is_whole_up_to_its_head(lived: Gam, trail: Trail) -> None:
    last = trail()[-1]
    assert audit.read_head(lived) == AuditHead(5, last.hash or "")
    assert audit.verify(lived) == audit.verify(lived, trail()[0].hash) == AuditVerification(5, last.hash or "")


def test_entries_count_without_gaps_and_each_has_its_hash(lived: Gam, trail: Trail) -> None:
    assert [entry.seq for entry in trail()] == [1, 2, 3, 4, 5]
    assert len({entry.hash for entry in trail()}) == 5
    assert lived


@pytest.mark.parametrize("done", ["DELETE FROM audit", "UPDATE audit SET hash = NULL WHERE seq = 5"])
def test_an_audit_log_that_lost_its_end_has_no_head(lived: Gam, done: str) -> None:
    with lived.store.writing() as tx:
        tx.run(done)
    with pytest.raises(StoreAuditLogError, match=r"^entry [15] "):
        audit.read_head(lived)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (AuditSearch(), [1, 2, 3, 4, 5]),
        (AuditSearch(action="user"), [2, 3, 4, 5]),
        (AuditSearch(action="user.create"), [2, 4]),
        (AuditSearch(action="use*"), [2, 3, 4, 5]),
        (AuditSearch(action="use"), []),
        (AuditSearch(action="user", limit=2), [2, 3]),
        (AuditSearch(action="user", limit=2, sort="-seq"), [5, 4]),
        (AuditSearch(limit=0), []),
    ],
    ids=str,
)
def test_an_action_is_found_by_its_noun(lived: Gam, search: AuditSearch, expected: list[int]) -> None:
    with audit.search(lived, search) as found:
        assert [entry.seq for entry in found] == expected


def test_an_export_is_proved_without_the_store(lived: Gam, trail: Trail) -> None:
    assert audit.verify_export("x", exported(trail)) == audit.verify(lived)
    assert audit.verify_export("x", exported(trail), trail()[2].hash) == audit.verify(lived)


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    "changes",
    [{"actor": "eva"}, {"details": {}}, {"seq": 3}, {"hash": 5}, {"target": "\ud800"}, {"hash": None}],
    ids=str,
)
def test_a_changed_export_is_found(trail: Trail, changes: dict[str, Any]) -> None:
    with pytest.raises(StoreAuditLogError, match=r"^entry 2 "):
        audit.verify_export("x", exported(trail, **changes))


@pytest.mark.usefixtures("lived")
def test_an_export_that_was_cut_needs_a_head_to_be_found(trail: Trail) -> None:
    assert audit.verify_export("x", exported(trail)[:3]).entries == 3
    with pytest.raises(StoreAuditLogError, match="ends with entry 3"):
        audit.verify_export("x", exported(trail)[:3], trail()[-1].hash)
    with pytest.raises(StoreAuditLogError, match="entry 1 was removed"):
        audit.verify_export("x", exported(trail)[1:])
    with pytest.raises(StoreAuditLogError, match="entry 1 was removed"):
        audit.verify_export("x", [])


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"{}", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"seq":1}',
     b'{"seq":true,"at":"","actor":"","action":"","target":"","details":{},"hash":""}',
     b'{"seq":2,"at":"","actor":null,"action":"","target":"","details":{},"hash":""}'],
)  # fmt: skip
@pytest.mark.usefixtures("lived")
def test_a_line_that_is_not_an_entry_is_named(trail: Trail, line: bytes) -> None:
    def lines() -> Iterator[bytes]:
        yield exported(trail)[0]
        yield line

    with pytest.raises(ProblemsError) as caught:
        audit.verify_export("trail.jsonl", lines())
    assert [*map(str, caught.value.problems)] == ["trail.jsonl:2: this is no entry of an audit trail"]
