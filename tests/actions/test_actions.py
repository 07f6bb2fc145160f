"""What all actions share: the audit entry of a change, and how two records differ."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gamcli.actions import Gam, differences
from gamcli.errors import UsageError
from gamcli.model import ApiKeyPolicy, App, AuditEntry, User, format_rfc3339


def test_an_entry_says_when_who_did_what_to_which(gam: Gam, trail: Callable[[], list[AuditEntry]]) -> None:
    with gam.store.writing() as tx:
        policy = ApiKeyPolicy(enabled=True, timeout_hours=24)
        gam.record(tx, "app.update", "portál", at=gam.now(), policy=policy, scopes=("a", "b"), nothing=None)
    entry = trail()[-1]
    assert (entry.at, entry.actor, entry.action, entry.target) == (
        format_rfc3339(gam.now()),
        "tester",
        "app.update",
        "portál",
    )
    assert json.loads(entry.details) == {
        "at": "2026-03-01T12:00:00Z",
        "policy": {"enabled": True, "timeout_hours": 24, "auth_type": None, "scope_choice": False},
        "scopes": ["a", "b"],
        "nothing": None,
    }


def test_an_entry_goes_with_the_change_that_it_reports(gam: Gam, trail: Callable[[], list[AuditEntry]]) -> None:
    def fail() -> None:
        with gam.store.writing() as tx:
            gam.record(tx, "app.update", "portal")
            raise UsageError("no")

    before = trail()
    with pytest.raises(UsageError):
        fail()
    assert trail() == before


def test_records_differ_in_their_fields_but_not_in_when_they_changed(gam: Gam) -> None:
    now = gam.now()
    app = App(name="portal", client_id="c", secret_digest=b"old", created_at=now, updated_at=now)
    after = replace(app, description="new", enabled=False, updated_at=now + timedelta(1))
    assert differences(app, after) == {"description": ["", "new"], "enabled": [True, False]}
    assert differences(app, app) == {}


def test_of_a_digest_or_a_hash_only_that_it_changed_is_reported(gam: Gam) -> None:
    now = gam.now()
    app = App(name="portal", client_id="c", secret_digest=b"old", created_at=now, updated_at=now)
    assert differences(app, replace(app, secret_digest=b"new")) == {"secret_digest": "changed"}
    user = User(guid="g", name="ana", created_at=now, updated_at=now)
    assert differences(user, replace(user, password_hash="hash")) == {"password_hash": "changed"}
