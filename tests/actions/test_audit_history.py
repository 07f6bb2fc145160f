"""The life of a key, a user and an application in the audit log."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from gamcli.actions import Gam, apps, audit_history, bulk_issue, bulk_validation, keys, rotation, users
from gamcli.actions.audit_history import HistorySubject
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import BulkTarget
from gamcli.actions.keys import KeySpec
from gamcli.actions.problems import ProblemList
from gamcli.errors import NotFoundError
from gamcli.store.audit import AuditFilter

DAY = timedelta(days=1)


def history(gam: Gam, **subject: str) -> list[tuple[str, str]]:
    with audit_history.search(gam, HistorySubject(**subject), AuditFilter()) as entries:
        return [(entry.action, entry.target) for entry in entries]


def issue_in_bulk(gam: Gam, *pairs: tuple[str, str]) -> dict[str, str]:
    rows = [KeyRow(line, *pair) for line, pair in enumerate(pairs, 2)]
    validated = bulk_validation.validate_rows(gam, ProblemList("f"), rows, BulkTarget(None, "out"), 0)
    found: dict[str, str] = {}
    run = bulk_issue.start_run(gam, validated, b"digest", "out")
    bulk_issue.issue_keys(gam, run, lambda made: found.update((key.user, key.id) for key in made))
    return found


@pytest.mark.usefixtures("portal", "ana")
def test_a_key_is_followed_from_issue_to_revocation(gam: Gam) -> None:
    first = keys.generate(gam, KeySpec("ana", "portal")).record.id
    rotated = rotation.rotate(gam, first, DAY)
    assert rotated
    second = rotated.record.id
    keys.revoke(gam, [second], "leaked")
    users.update(gam, "ana", {"city": "Salto"})
    assert history(gam, key=first) == [("key.generate", first), ("key.rotate", second)]
    assert history(gam, key=second) == [("key.rotate", second), ("key.revoke", second)]


@pytest.mark.usefixtures("portal", "ana")
def test_what_suspends_a_key_is_part_of_its_life_until_its_user_is_deleted(gam: Gam) -> None:
    users.update(gam, "ana", {"blocked": True}, "block")
    users.update(gam, "ana", {"blocked": False}, "unblock")
    key_id = keys.generate(gam, KeySpec("ana", "portal")).record.id
    users.update(gam, "ana", {"blocked": True}, "block")
    apps.update(gam, "portal", {"enabled": False})
    users.delete(gam, "ana", 1)
    users.create(gam, "ana", {})
    users.update(gam, "ana", {"blocked": True}, "block")
    assert history(gam, key=key_id) == [
        ("key.generate", key_id),
        ("user.block", "ana"),
        ("app.update", "portal"),
        ("user.delete", "ana"),
    ]


@pytest.mark.usefixtures("portal", "ana")
def test_each_key_of_a_bulk_run_is_found(gam: Gam) -> None:
    users.create(gam, 'bob "the" né', {})
    found = issue_in_bulk(gam, ("ana", "portal"), ('bob "the" né', "portal"))
    keys.revoke(gam, [found["ana"]], None)
    assert history(gam, key=found["ana"]) == [("key.generate", "batch 1"), ("key.revoke", found["ana"])]
    assert history(gam, key=found['bob "the" né']) == [("key.generate", "batch 1")]
    assert history(gam, user='BOB "the" né') == [("user.create", 'bob "the" né'), ("key.generate", "batch 1")]
    users.delete(gam, 'bob "the" né', 1)
    assert history(gam, key=found['bob "the" né'])[1:] == [("user.delete", 'bob "the" né')]
    assert [action for action, _ in history(gam, app="portal")][-2:] == ["key.generate", "key.revoke"]


def test_a_renamed_user_keeps_the_life(gam: Gam) -> None:
    users.create(gam, "eva", {})
    with gam.store.writing() as tx:
        gam.record(tx, "user.rename", "evita", None, name=["eva", "evita"])
        gam.record(tx, "user.update", "evita", None, city=["", "Salto"])
        gam.record(tx, "user.update", "other", None, city=["", "eva"])
    expected = [("user.create", "eva"), ("user.rename", "evita"), ("user.update", "evita")]
    assert history(gam, user="eva") == history(gam, user="evita") == expected


@pytest.mark.usefixtures("portal", "ana")
def test_subjects_and_filters_are_combined(gam: Gam) -> None:
    keys.generate(gam, KeySpec("ana", "portal"))
    assert [action for action, _ in history(gam, user="ana", app="portal")] == ["key.generate"]
    with audit_history.search(gam, HistorySubject(app="portal"), AuditFilter(action="app")) as entries:
        assert {entry.action for entry in entries} == {"app.create"}


def test_a_key_that_was_never_there_is_not_found(gam: Gam) -> None:
    with pytest.raises(NotFoundError, match="no key 'zzzzzzzz' in the audit log"):
        history(gam, key="zzzzzzzz")


@pytest.mark.usefixtures("portal", "ana")
def test_details_are_json_values(gam: Gam) -> None:
    first = keys.generate(gam, KeySpec("ana", "portal", expires_in=90 * DAY)).record.id
    rotation.rotate(gam, first, 7 * DAY)
    with audit_history.search(gam, HistorySubject(key=first), AuditFilter(action="key.rotate")) as entries:
        details = json.loads(next(entries).details)
    assert (details["overlap"], details["replaces"]) == ("7d", first)
    with pytest.raises(TypeError), gam.store.writing() as tx:
        gam.record(tx, "key.update", "x", None, value=Path("x"))


@pytest.mark.usefixtures("portal", "ana")
def test_a_name_that_neither_exists_nor_is_in_the_log_is_not_found(gam: Gam) -> None:
    with pytest.raises(NotFoundError, match="no user named 'anna'") as raised:
        history(gam, user="anna")
    assert raised.value.hint == "did you mean ana? To list all: gamcli user list"
    with pytest.raises(NotFoundError, match="no application named 'port'"):
        history(gam, app="port")
    users.delete(gam, "ana", 0)
    assert [action for action, _ in history(gam, user="ana")] == ["user.create", "user.delete"]
