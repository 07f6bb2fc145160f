"""Authentication types: creating, changing, setting the default, deleting."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from gamcli.actions import Gam, apps, auth_types, issuance, keys
from gamcli.actions.changes import CreateResult
from gamcli.errors import ConflictError, NotFoundError, RefusedError, UsageError
from gamcli.model import APIKEY, GAMLOCAL, App, AuditEntry
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey

ReadAuditLog = Callable[[], list[AuditEntry]]


def names(gam: Gam) -> list[str]:
    with auth_types.search(gam, kind=None, enabled=None, sort=None) as found:
        return [each.name for each in found]


def test_a_new_type_is_saved_and_reported(gam: Gam, audit_log: ReadAuditLog) -> None:
    made = auth_types.create(gam, "machines", "apikey", {"description": "CI", "enabled": False})
    assert made.is_new
    assert auth_types.show(gam, "MACHINES") == made.record
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("auth_type.create", "machines")
    assert json.loads(audit_log()[-1].details) == {"type": APIKEY, "enabled": False}


def test_an_existing_type_is_a_conflict(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    with pytest.raises(ConflictError, match="'apikey' already exists") as caught:
        auth_types.create(gam, "APIkey", APIKEY, {})
    assert caught.value.hint == "gamcli auth-type show apikey"
    assert audit_log() == before


@pytest.mark.parametrize("changes", [{}, {"description": "API keys"}, {"enabled": True, "description": "API keys"}])
def test_if_missing_accepts_a_type_with_the_same_settings(
    gam: Gam, audit_log: ReadAuditLog, changes: dict[str, object]
) -> None:
    before = audit_log()
    made = auth_types.create(gam, "apikey", "APIKEY", changes, if_missing=True)
    assert (made.is_new, made.record) == (False, auth_types.show(gam, "apikey"))
    assert audit_log() == before


@pytest.mark.parametrize(
    ("name", "kind", "changes"),
    [("apikey", GAMLOCAL, {}), ("apikey", APIKEY, {"enabled": False}), ("APIKEY", APIKEY, {})],
)
def test_if_missing_rejects_a_type_with_other_settings(
    gam: Gam, name: str, kind: str, changes: dict[str, object]
) -> None:
    with pytest.raises(ConflictError, match="already exists with different settings"):
        auth_types.create(gam, name, kind, changes, if_missing=True)


def test_an_unknown_type_is_not_found(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    for ask in (
        lambda: auth_types.show(gam, "ldap"),
        lambda: auth_types.update(gam, "ldap", {}),
        lambda: auth_types.delete(gam, "ldap", None),
        lambda: auth_types.set_default(gam, "ldap"),
    ):
        with pytest.raises(NotFoundError, match="no authentication type named 'ldap'"):
            ask()
    assert audit_log() == before


def test_a_change_is_saved_and_reported(
    gam: Gam, audit_log: ReadAuditLog, forward: Callable[[timedelta], datetime]
) -> None:
    later = forward(timedelta(hours=1))
    changed = auth_types.update(gam, "local", {"enabled": True})
    assert (changed.is_changed, changed.suspended_count, changed.record.updated_at) == (True, 0, later)
    assert auth_types.show(gam, "local") == changed.record
    assert audit_log()[-1].action == "auth_type.update"
    assert json.loads(audit_log()[-1].details) == {"enabled": [False, True]}


def test_a_change_to_the_same_value_writes_nothing(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    assert not auth_types.update(gam, "apikey", {"enabled": True}).is_changed
    assert audit_log() == before


def test_disabling_a_type_suspends_its_active_keys(gam: Gam, issued: IssuedKey) -> None:
    changed = auth_types.update(gam, "apikey", {"enabled": False})
    assert [(each.key.id, each.is_permanent) for each in changed.impacts] == [(issued.record.id, False)]
    assert changed.suspended_count == 1
    assert keys.show(gam, issued.record.id).status(gam.now()) == "active"
    assert auth_types.update(gam, "apikey", {"enabled": True}).impacts == ()


def test_another_type_becomes_the_default(gam: Gam, audit_log: ReadAuditLog) -> None:
    changed = auth_types.set_default(gam, "APIKEY")
    assert (changed.record.name, changed.record.default) == ("apikey", True)
    assert auth_types.show(gam, "apikey").default
    assert not auth_types.show(gam, "local").default
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("auth_type.set_default", "apikey")
    assert json.loads(audit_log()[-1].details) == {"default": [False, True], "before": "local"}


def test_making_the_default_the_default_writes_nothing(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    assert not auth_types.set_default(gam, "local").is_changed
    assert audit_log() == before


def test_the_default_is_not_deleted(gam: Gam) -> None:
    with pytest.raises(ConflictError, match="is the default of the repository") as caught:
        auth_types.delete(gam, "local", None)
    assert caught.value.hint == "gamcli auth-type set-default ANOTHER"


def test_granted_requests_that_name_no_type_are_counted_for_30_days(
    gam: Gam, asked: TokenRequest, forward: Callable[[timedelta], datetime]
) -> None:
    unnamed = asked._replace(authentication_type_name="")
    with pytest.raises(RefusedError, match="authentication_type_name is missing"):
        issuance.exchange(gam, unnamed)
    auth_types.set_default(gam, "apikey")
    for _ in range(2):
        issuance.exchange(gam, unnamed)
    issuance.exchange(gam, asked)
    assert auth_types.count_default_use(gam) == 2
    forward(timedelta(days=29))
    assert auth_types.count_default_use(gam) == 2
    forward(timedelta(days=2))
    assert auth_types.count_default_use(gam) == 0


def test_the_only_type_that_an_application_allows_is_not_deleted(gam: Gam, portal: CreateResult[App]) -> None:
    auth_types.create(gam, "machines", APIKEY, {})
    apps.update(gam, portal.record.name, {"api_keys.auth_type": "machines"})
    with pytest.raises(ConflictError, match="'portal' allows only authentication type 'machines'") as caught:
        auth_types.delete(gam, "machines", None)
    assert caught.value.hint == "gamcli app update portal --api-key-auth-type any"


def test_deleting_a_type_leaves_keys_alone_while_another_type_accepts_them(
    gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog
) -> None:
    auth_types.create(gam, "machines", APIKEY, {})
    assert auth_types.delete(gam, "machines", None).impacts == ()
    assert names(gam) == ["apikey", "local"]
    assert keys.show(gam, issued.record.id).status(gam.now()) == "active"
    assert json.loads(audit_log()[-1].details) == {"invalidated": []}


def test_deleting_the_last_enabled_type_suspends_the_keys(gam: Gam, issued: IssuedKey) -> None:
    auth_types.create(gam, "machines", APIKEY, {})
    auth_types.update(gam, "apikey", {"enabled": False})
    deleted = auth_types.delete(gam, "machines", None)
    assert [(each.key.id, each.is_permanent) for each in deleted.impacts] == [(issued.record.id, False)]


def test_disabling_one_of_two_types_suspends_no_key_that_may_use_either(gam: Gam, issued: IssuedKey) -> None:
    auth_types.create(gam, "machines", APIKEY, {})
    assert auth_types.update(gam, "apikey", {"enabled": False}).impacts == ()
    apps.update(gam, issued.record.app, {"api_keys.auth_type": "machines"})
    assert auth_types.update(gam, "machines", {"enabled": False}).suspended_count == 1


def test_an_invalid_type_is_not_created(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    with pytest.raises(UsageError, match="invalid type"):
        auth_types.create(gam, "machines", "saml", {})
    assert audit_log() == before
