"""Refusals are summed up in the audit log: a few entries every few minutes."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event
from time import sleep
from typing import Any

import pytest

from gamcli.actions import Gam, audit, auth_types, users
from gamcli.rules.credentials import Secret
from gamcli.server.endpoints.refusals import TABLE
from gamcli.server.refusal_counts import COUNTED_RULES, MAX_APPS, RefusalCounts
from gamcli.server.server import Server
from gamcli.store import Store
from gamcli.store.audit import REFUSAL_ACTION, AuditFilter

CLIENT_ID = "portal-0123456789-0123456789-0123"
"""That of the application of these tests."""

Entries = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def read_entries(gam: Gam) -> Callable[[], Entries]:
    def read() -> Entries:
        with audit.search(gam, AuditFilter(action=REFUSAL_ACTION)) as found:
            return [(entry.target, json.loads(entry.details)) for entry in found]

    return read


@pytest.fixture
def summaries(gam: Gam) -> Iterator[RefusalCounts]:
    made = RefusalCounts(gam)
    yield made
    made.close()


def test_refusals_are_written_as_one_entry_an_application(
    gam: Gam, read_entries: Callable[[], Entries], forward: Callable[[timedelta], None]
) -> None:
    with closing(RefusalCounts(gam)) as summaries:
        for _ in range(1000):
            summaries.count("key_unproven", CLIENT_ID)
            summaries.count("client_unknown")
        summaries.count("key_expired", CLIENT_ID)
        forward(timedelta(minutes=2))
        assert read_entries() == []
    when = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T12:02:00Z"}
    assert read_entries() == [
        ("portal", {"client_id": CLIENT_ID, "refused": {"key_unproven": 1000, "key_expired": 1}, **when}),
        ("-", {"refused": {"client_unknown": 1000}, **when}),
    ]
    RefusalCounts(gam).close()
    assert len(read_entries()) == 2
    assert audit.verify(gam).entries == audit.read_head(gam).seq


def test_refusals_are_written_every_few_minutes(
    gam: Gam, read_entries: Callable[[], Entries], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Event()
    real = RefusalCounts._write  # noqa: SLF001 - to know when it has happened

    def keep(this: RefusalCounts) -> None:
        real(this)
        if read_entries():
            written.set()

    monkeypatch.setattr(RefusalCounts, "_write", keep)
    with closing(RefusalCounts(gam, interval=0.01)) as summaries:
        summaries.count("key_unproven", CLIENT_ID)
        assert written.wait(30)
    assert [target for target, _ in read_entries()] == ["portal"]


def test_what_http_refuses_is_no_attempt(gam: Gam, read_entries: Callable[[], Entries]) -> None:
    assert {"path_unknown", "request_slow", "connections_full", "store_busy", "bug"} & COUNTED_RULES == set()
    assert {
        "client_secret_wrong",
        "key_unproven",
        "token_unknown",
        "too_many_failures",
        "scope_beyond",
    } <= COUNTED_RULES
    with closing(RefusalCounts(gam)) as summaries:
        for rule in [*TABLE, "", "no rule"]:
            summaries.count(rule)
    ((target, details),) = read_entries()
    assert (target, sorted(details["refused"])) == ("-", sorted(COUNTED_RULES))


def test_however_many_there_are_the_entries_are_few(gam: Gam, read_entries: Callable[[], Entries]) -> None:
    with closing(RefusalCounts(gam)) as summaries:
        summaries.count("key_unproven", CLIENT_ID)
        for number in range(3 * MAX_APPS):
            summaries.count("key_unproven", f"{number}")
        summaries.count("key_unproven", CLIENT_ID)
    found = read_entries()
    assert len(found) <= MAX_APPS + 1
    assert sum(details["refused"]["key_unproven"] for _, details in found) == 3 * MAX_APPS + 2
    assert found[0][1]["refused"] == {"key_unproven": 2}


def test_a_busy_store_is_retried_later(
    gam: Gam, read_entries: Callable[[], Entries], forward: Callable[[timedelta], None]
) -> None:
    with (
        gam.store.open_again(durable=True, timeout=0) as own,
        closing(RefusalCounts(replace(gam, store=own))) as summaries,
    ):
        summaries.count("key_unproven", CLIENT_ID)
        forward(timedelta(minutes=5))
        with gam.store.writing():
            summaries._write()  # noqa: SLF001 - what the thread does
        summaries.count("key_unproven", CLIENT_ID)
    ((_, details),) = read_entries()
    assert (details["refused"], details["since"]) == ({"key_unproven": 2}, "2026-03-01T12:00:00Z")


@pytest.mark.needs_file
def test_a_store_that_is_gone_stops_nothing(gam: Gam, summaries: RefusalCounts) -> None:
    gam.store.path.unlink()
    summaries.count("key_unproven", CLIENT_ID)
    summaries._write()  # noqa: SLF001 - what the thread does


def test_a_store_in_memory_gets_none(gam: Gam) -> None:
    with Store.in_memory() as store, store.reading() as tx:
        with closing(RefusalCounts(Gam(store, gam.now, gam.entropy, "test"))) as summaries:
            summaries.count("key_unproven", CLIENT_ID)
        assert tx.one("SELECT count(*) FROM audit") == (0,)


def test_what_a_server_refused_is_in_the_audit_log_once_it_has_stopped(
    gam: Gam, server: Server, ask: Callable[..., Any], post: Callable[..., Any], read_entries: Callable[[], Entries]
) -> None:
    auth_types.update(gam, "local", {"enabled": True})
    users.set_password(gam, "ana", Secret("correct horse battery"))
    of_ana = {"api_key": None, "username": "ana", "authentication_type_name": "local"}
    statuses = [
        post(**changes).status
        for changes in (
            {},
            {"api_key": "gamkey_nope"},
            {"client_secret": "wrong"},
            {"client_id": "an-id-that-nobody-has"},
            {**of_ana, "password": "guessed"},
            {**of_ana, "password": "correct horse battery"},
        )
    ]
    assert statuses == [200, 401, 401, 401, 401, 200]
    for path in ("/nope", "/oauth/gam/v2.0/userinfo", "/healthz"):
        ask("GET", path)
    server.stop()
    for _ in range(3000):
        if read_entries():
            break
        sleep(0.01)
    of_nobody, of_portal = sorted(read_entries(), key=lambda entry: entry[0])
    assert (of_portal[0], of_nobody[0]) == ("portal", "-")
    assert of_portal[1]["refused"] == {"key_unproven": 1, "client_secret_wrong": 1, "password_wrong": 1}
    assert of_nobody[1]["refused"] == {"client_unknown": 1, "authorization_missing": 1}
    assert "nobody-has" not in str(read_entries())
