"""The journal of requests."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gamcli.errors import ConflictError, FailedError
from gamcli.server.dev.journal import Journal, JournalFile, JournalRecord, journal_record
from gamcli.server.request_log import LogEntry, format_json
from gamcli.server.transport.messages import Request, partial_request
from tests.cases import for_each

LINE = LogEntry("2026-03-01T12:00:00Z", "ab-1", "GET", "/healthz", 200, 0.1, "", "", "", "", "", "")
ENTRY = JournalRecord(**asdict(LINE))
OTHER = replace(ENTRY, path="/else", status=404, rule="path_unknown")


def test_a_journal_is_a_list_of_records() -> None:
    journal = Journal()
    assert len(journal) == 0
    journal.add(ENTRY)
    journal.add(OTHER)
    assert [*journal] == journal[:] == [ENTRY, OTHER]
    assert journal[-1].status == 404
    assert repr(journal) == f"Journal:\n{format_json(ENTRY)}\n{format_json(OTHER)}"
    journal.clear()
    assert [*journal] == []


def test_who_reads_a_journal_sees_it_as_it_was() -> None:
    journal = Journal()
    journal.add(ENTRY)
    for _ in journal:
        journal.add(OTHER)
    assert len(journal) == 2


def test_a_journal_may_be_a_file_with_a_record_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for _ in range(2):
        journal = JournalFile(path)
        journal.add(ENTRY)
        journal.add(OTHER)
        assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
            asdict(ENTRY),
            asdict(OTHER),
        ]
        journal.close()


def test_no_other_file_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "seed.toml"
    path.write_text("[app.shop]\n", encoding="utf-8")
    with pytest.raises(ConflictError, match="is not a journal"):
        JournalFile(path)
    assert path.read_text(encoding="utf-8") == "[app.shop]\n"
    path.write_text("", encoding="utf-8")
    JournalFile(path).close()


@pytest.mark.parametrize("name", ["missing/journal", ".", "a\0b"])
def test_a_journal_that_cannot_be_written_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(FailedError, match="cannot write the journal"):
        JournalFile(f"{tmp_path}/{name}")


def test_a_full_disk_stops_nobody() -> None:
    journal = JournalFile("/dev/full")
    journal.add(ENTRY)
    journal.close()


@for_each(
    ("query", "body", "grant"),
    [
        ("", b"grant_type=password&api_key=secret", "api_key"),
        ("", b"username=ana&password=secret&grant_type=Password", "password"),
        ("", b"grant_type=refresh_token&refresh_token=secret", "refresh_token"),
        ("grant_type=refresh_token&refresh_token=secret", b"", "refresh_token"),
        ("", b"grant_type=secret", ""),
        ("", b"\xff\0=%", ""),
        ("", b"", ""),
    ],
)
def test_a_record_reports_which_grant_was_asked_for(query: str, body: bytes, grant: str) -> None:
    record = journal_record(LINE, Request("POST", "/oauth/gam/v2.0/access_token", query, {}, body))
    assert record.grant == grant
    assert "secret" not in repr(record)


def test_what_is_no_request_asks_for_no_grant() -> None:
    assert journal_record(LINE, partial_request("")) == ENTRY
