"""Audit entries, and the differences of records."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from gamcli.actions import Gam, differences
from gamcli.errors import UsageError
from gamcli.model import ApiKeyPolicy, App, AuditEntry, User, format_rfc3339


def test_an_audit_entry_has_time_actor_action_and_target(gam: Gam, audit_log: Callable[[], list[AuditEntry]]) -> None:
    with gam.store.writing() as tx:
        policy = ApiKeyPolicy(enabled=True, timeout_hours=24)
        gam.record(tx, "app.update", "portál", at=gam.now(), policy=policy, scopes=("a", "b"), nothing=None)
    entry = audit_log()[-1]
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


def test_an_audit_entry_is_rolled_back_with_its_change(gam: Gam, audit_log: Callable[[], list[AuditEntry]]) -> None:
    def fail() -> None:
        with gam.store.writing() as tx:
            gam.record(tx, "app.update", "portal")
            raise UsageError("no")

    before = audit_log()
    with pytest.raises(UsageError):
        fail()
    assert audit_log() == before


def test_differences_leave_out_the_date_of_the_change(gam: Gam) -> None:
    now = gam.now()
    app = App(name="portal", client_id="c", secret_digest=b"old", created_at=now, updated_at=now)
    after = app._replace(description="new", enabled=False, updated_at=now + timedelta(1))
    assert differences(app, after) == {"description": ["", "new"], "enabled": [True, False]}
    assert differences(app, app) == {}


def test_differences_do_not_show_digests_and_hashes(gam: Gam) -> None:
    now = gam.now()
    app = App(name="portal", client_id="c", secret_digest=b"old", created_at=now, updated_at=now)
    assert differences(app, app._replace(secret_digest=b"new")) == {"secret_digest": "changed"}
    user = User(guid="g", name="ana", created_at=now, updated_at=now)
    assert differences(user, user._replace(password_hash="hash")) == {"password_hash": "changed"}
