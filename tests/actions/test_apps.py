"""Applications: creating, changing, rotating the secret, deleting."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from gamcli.actions import Gam, apps, auth_types, issuance, keys, users
from gamcli.actions.apps import AppSpec, ScopeEdit
from gamcli.actions.changes import CreateResult
from gamcli.actions.keys import KeySpec
from gamcli.errors import (
    ConflictError,
    FailedError,
    InvalidatesKeysError,
    NotFoundError,
    RefusedError,
    UnconfirmedError,
    UsageError,
)
from gamcli.model import App, AuditEntry, format_rfc3339
from gamcli.rules.credentials import NO_SECRET, Secret
from gamcli.rules.grants import CLIENT_SECRET_WRONG, GrantFacts, TokenRequest
from gamcli.rules.keys import IssuedKey
from gamcli.store.apps import AppFilter

ReadAuditLog = Callable[[], list[AuditEntry]]


def names(gam: Gam) -> list[str]:
    with apps.search(gam, AppFilter()) as found:
        return [each.name for each in found]


def test_a_new_application_gets_an_id_and_a_secret_once(gam: Gam, audit_log: ReadAuditLog) -> None:
    made = apps.create(gam, AppSpec("portal", {"description": "Customer portal"}, ("user_mail+gam_user_data",)))
    assert made.is_new
    assert made.secret is not None
    assert made.secret.matches(made.record.secret_digest)
    assert len(made.record.client_id) == 32
    assert made.record.scopes == ("gam_user_data", "user_email")
    assert apps.show(gam, "PORTAL") == apps.show(gam, made.record.client_id) == made.record
    entry = audit_log()[-1]
    assert (entry.action, entry.target) == ("app.create", "portal")
    assert json.loads(entry.details)["client_id"] == made.record.client_id


def test_id_and_secret_may_be_provided(gam: Gam) -> None:
    wish = AppSpec("portal", {}, client_id="a" * 32, client_secret=Secret("s" * 40))
    made = apps.create(gam, wish)
    assert (made.record.client_id, made.secret) == ("a" * 32, None)
    assert Secret("s" * 40).matches(made.record.secret_digest)


@pytest.mark.parametrize(
    "wish",
    [
        AppSpec("portal", {}),
        AppSpec("Portal", {}),
        AppSpec("other", {}, client_id="a" * 32),
        AppSpec("a" * 32, {}),
        AppSpec("other", {}, client_id="the-name-of-another-application-1"),
    ],
)
def test_an_existing_application_is_a_conflict(gam: Gam, audit_log: ReadAuditLog, wish: AppSpec) -> None:
    apps.create(gam, AppSpec("portal", {}, client_id="a" * 32))
    apps.create(gam, AppSpec("the-name-of-another-application-1", {}))
    before = audit_log()
    with pytest.raises(ConflictError, match="already exists") as caught:
        apps.create(gam, wish)
    assert str(caught.value.hint).startswith("gamcli app show ")
    assert audit_log() == before


@pytest.mark.parametrize(
    "wish",
    [
        AppSpec("portal", {}),
        AppSpec("portal", {"description": "x", "remote_rest": True}, ("user_email gam_user_data",)),
        AppSpec("portal", {}, client_id="a" * 32, client_secret=Secret("s" * 40)),
    ],
)
def test_if_missing_accepts_an_application_with_the_same_settings(
    gam: Gam, audit_log: ReadAuditLog, wish: AppSpec
) -> None:
    settings = {"description": "x", "remote_rest": True}
    scopes = ("gam_user_data", "user_email")
    apps.create(gam, AppSpec("portal", settings, scopes, client_id="a" * 32, client_secret=Secret("s" * 40)))
    before = audit_log()
    made = apps.create(gam, wish, if_missing=True)
    assert (made.is_new, made.secret, made.record) == (False, None, apps.show(gam, "portal"))
    assert audit_log() == before


@pytest.mark.parametrize(
    "wish",
    [
        AppSpec("PORTAL", {}),
        AppSpec("portal", {"description": "other"}),
        AppSpec("portal", {}, ("gam_user_roles",)),
        AppSpec("portal", {}, client_id="b" * 32),
        AppSpec("portal", {}, client_secret=Secret("another secret".replace(" ", "-") * 4)),
        AppSpec("other", {}, client_id="a" * 32),
    ],
)
def test_if_missing_rejects_an_application_with_other_settings(gam: Gam, wish: AppSpec) -> None:
    apps.create(gam, AppSpec("portal", {}, ("gam_user_data",), client_id="a" * 32))
    with pytest.raises(ConflictError, match="already exists with different settings"):
        apps.create(gam, wish, if_missing=True)


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        (AppSpec("", {}), UsageError, "is empty"),
        (AppSpec("portal", {"api_keys.enabled": True}), UsageError, "require remote REST"),
        (AppSpec("portal", {}, ("user_emial",)), UsageError, "unknown scope 'user_emial'"),
        (AppSpec("portal", {}, ("user_Area",)), UsageError, "unknown scope 'user_Area'"),
        (AppSpec("portal", {}, client_id="short"), UsageError, "invalid client ID"),
        (AppSpec("portal", {"api_keys.auth_type": "ldap"}), NotFoundError, "no authentication type"),
        (AppSpec("portal", {"api_keys.auth_type": "local"}), UsageError, "has type GAMLocal"),
    ],
)
def test_an_invalid_application_is_not_created(
    gam: Gam, audit_log: ReadAuditLog, wish: AppSpec, error: type[Exception], message: str
) -> None:
    before = audit_log()
    with pytest.raises(error, match=message):
        apps.create(gam, wish)
    assert (audit_log(), names(gam)) == (before, [])


def test_an_attribute_scope_is_known_while_a_user_has_the_attribute(gam: Gam) -> None:
    users.create(gam, "ana", {"attributes": {"Area": "north"}})
    apps.create(gam, AppSpec("portal", {}, ("user_Area",)))
    users.update(gam, "ana", {"attributes": {}})
    edit = ScopeEdit(exactly=("user_Area", "user_email"))
    assert apps.update(gam, "portal", {}, edit).record.scopes == ("user_email", "user_Area")
    with pytest.raises(UsageError, match="unknown scope 'user_Area'"):
        apps.create(gam, AppSpec("other", {}, ("user_Area",)))


def test_the_allowed_type_is_stored_by_its_canonical_name(gam: Gam) -> None:
    auth_types.create(gam, "Machines", "APIkey", {})
    apps.create(gam, AppSpec("portal", {"api_keys.auth_type": "MACHINES"}))
    assert apps.show(gam, "portal").api_keys.auth_type == "Machines"
    apps.update(gam, "portal", {"api_keys.auth_type": None})
    assert apps.show(gam, "portal").api_keys.auth_type is None


def test_an_unknown_application_is_not_found(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    for ask in (
        lambda: apps.show(gam, "portal"),
        lambda: apps.update(gam, "portal", {}),
        lambda: apps.rotate_secret(gam, "portal"),
        lambda: apps.delete(gam, "portal", None),
    ):
        with pytest.raises(NotFoundError, match="no application named 'portal'"):
            ask()
    assert audit_log() == before


def test_a_change_is_saved_with_a_date_and_reported(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog, forward: Callable[[timedelta], datetime]
) -> None:
    later = forward(timedelta(hours=1))
    changed = apps.update(gam, portal.record.client_id, {"token.timeout_minutes": 5, "description": "new"})
    assert changed.is_changed
    assert (changed.record.token.timeout_minutes, changed.record.updated_at) == (5, later)
    assert apps.show(gam, "portal") == changed.record
    details = json.loads(audit_log()[-1].details)
    assert audit_log()[-1].action == "app.update"
    assert details["description"] == ["", "new"]
    assert details["token"] == [{"timeout_minutes": 60, "renewals": 0}, {"timeout_minutes": 5, "renewals": 0}]
    assert details["invalidated"] == []


@pytest.mark.parametrize(
    ("changes", "edit"),
    [
        ({}, ScopeEdit()),
        ({"enabled": True}, ScopeEdit()),
        ({}, ScopeEdit(exactly=("gam_user_roles", "gam_user_data"))),
        ({}, ScopeEdit(add=("gam_user_data",), remove=("fullcontrol",))),
    ],
)
def test_a_change_to_the_same_value_writes_nothing(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog, changes: dict[str, object], edit: ScopeEdit
) -> None:
    before = audit_log()
    changed = apps.update(gam, "portal", changes, edit)
    assert (changed.is_changed, changed.record) == (False, portal.record)
    assert audit_log() == before


def test_a_withdrawn_scope_invalidates_its_keys_when_their_number_is_accepted(
    gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog
) -> None:
    edit = ScopeEdit(remove=("gam_user_roles",))
    before = (audit_log(), apps.show(gam, "portal"), keys.show(gam, issued.record.id))
    for wrong in (None, 0, 2):
        with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 1 active key") as caught:
            apps.update(gam, "portal", {"description": "new"}, edit, accept=wrong)
        assert caught.value.hint == "add --accept-invalidating 1 to confirm"
        assert len(caught.value.impacts) == 1
    assert (audit_log(), apps.show(gam, "portal"), keys.show(gam, issued.record.id)) == before
    changed = apps.update(gam, "portal", {"description": "new"}, edit, accept=1)
    assert [(each.key.id, each.is_permanent, each.reason) for each in changed.impacts] == [
        (issued.record.id, True, "scope withdrawn: gam_user_roles")
    ]
    ended = keys.show(gam, issued.record.id)
    assert (ended.status(gam.now()), ended.ended_at, ended.reason) == (
        "invalidated",
        gam.now(),
        "scope withdrawn: gam_user_roles",
    )
    assert json.loads(audit_log()[-1].details)["invalidated"] == [issued.record.id]


def test_a_wrong_number_is_reported_with_the_right_one(gam: Gam, issued: IssuedKey) -> None:
    assert issued.record.id
    with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 1 active key, not 7"):
        apps.delete(gam, "portal", 7)


def test_an_invalidated_key_stays_so_when_the_scope_is_published_again(gam: Gam, issued: IssuedKey) -> None:
    apps.update(gam, "portal", {}, ScopeEdit(remove=("gam_user_roles",)), accept=1)
    assert apps.update(gam, "portal", {}, ScopeEdit(add=("gam_user_roles",))).impacts == ()
    assert keys.show(gam, issued.record.id).status(gam.now()) == "invalidated"


def test_withdrawing_a_scope_that_a_wider_one_covers_invalidates_no_key(
    gam: Gam, portal: CreateResult[App], issued: IssuedKey
) -> None:
    assert portal.record.scopes == issued.record.scopes
    edit = ScopeEdit(exactly=("fullcontrol",))
    assert apps.update(gam, "portal", {}, edit).impacts == ()


def test_only_keys_with_the_withdrawn_scope_are_invalidated(
    gam: Gam, portal: CreateResult[App], issued: IssuedKey
) -> None:
    users.create(gam, "bob", {})
    other = keys.generate(gam, KeySpec("bob", portal.record.name, scopes=("user_email",)))
    apps.update(gam, "portal", {}, ScopeEdit(remove=("gam_user_roles",)), accept=1)
    statuses = [keys.show(gam, each.record.id).status(gam.now()) for each in (issued, other)]
    assert statuses == ["invalidated", "active"]


@pytest.mark.parametrize(
    ("changes", "undo"),
    [
        ({"enabled": False}, {"enabled": True}),
        ({"remote_rest": False}, {"remote_rest": True}),
        ({"api_keys.enabled": False}, {"api_keys.enabled": True}),
        ({"api_keys.auth_type": "machines"}, {"api_keys.auth_type": None}),
    ],
)
def test_a_change_that_only_suspends_keys_needs_no_confirmation(
    gam: Gam, issued: IssuedKey, changes: dict[str, object], undo: dict[str, object]
) -> None:
    auth_types.create(gam, "machines", "APIkey", {"enabled": False})
    changed = apps.update(gam, "portal", changes)
    assert (changed.suspended_count, [each.key.id for each in changed.impacts]) == (1, [issued.record.id])
    assert keys.show(gam, issued.record.id).is_valid(gam.now())
    undone = apps.update(gam, "portal", undo)
    assert (undone.is_changed, undone.suspended_count) == (True, 0)


def test_a_key_that_is_suspended_already_is_not_counted_again(gam: Gam, issued: IssuedKey) -> None:
    assert apps.update(gam, "portal", {"enabled": False}).suspended_count == 1
    assert apps.update(gam, "portal", {"remote_rest": False}).suspended_count == 0
    apps.update(gam, "portal", {"enabled": True, "remote_rest": True})
    keys.revoke(gam, [issued.record.id], None)
    assert apps.update(gam, "portal", {"enabled": False}).impacts == ()


def test_a_new_secret_replaces_the_old_one_at_once(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog
) -> None:
    rotated = apps.rotate_secret(gam, "portal")
    assert rotated.secret is not None
    assert portal.secret is not None
    kept = apps.show(gam, "portal").secret_digest
    assert rotated.secret.matches(kept)
    assert not portal.secret.matches(kept)
    assert (audit_log()[-1].action, audit_log()[-1].target, json.loads(audit_log()[-1].details)) == (
        "app.rotate_secret",
        "portal",
        {"secret_digest": "changed"},
    )


def test_a_retiring_secret_is_accepted_until_its_overlap_ends(
    gam: Gam, asked: TokenRequest, forward: Callable[[timedelta], None], audit_log: ReadAuditLog
) -> None:
    rotated = apps.rotate_secret(gam, "portal", overlap=timedelta(hours=24))
    assert rotated.secret is not None
    until = gam.now() + timedelta(hours=24)
    assert rotated.record.secret_retires_at(gam.now()) == until
    assert json.loads(audit_log()[-1].details) == {
        "secret_digest": "changed", "retiring_digest": "changed", "retiring_until": [None, format_rfc3339(until)],
    }  # fmt: skip
    new = asked._replace(client_secret=rotated.secret)
    for request in (asked, new):
        assert issuance.exchange(gam, request).grant.app.name == "portal"
    forward(timedelta(hours=24))
    with pytest.raises(RefusedError, match="incorrect client secret for application 'portal'"):
        issuance.exchange(gam, asked)
    assert issuance.exchange(gam, new).grant.app.name == "portal"
    assert apps.show(gam, "portal").secret_retires_at(gam.now()) is None


def test_rotating_again_replaces_the_retiring_secret(gam: Gam, portal: CreateResult[App], asked: TokenRequest) -> None:
    day = timedelta(days=1)
    known = [portal.secret, *(apps.rotate_secret(gam, "portal", overlap=day).secret for _ in range(2))]

    def good() -> list[bool]:
        app = apps.show(gam, "portal")
        judged = [GrantFacts(gam.now(), app, request=asked._replace(client_secret=each or NO_SECRET)) for each in known]
        return [CLIENT_SECRET_WRONG.holds(each) for each in judged]

    assert good() == [False, True, True]
    known.append(apps.rotate_secret(gam, "portal").secret)
    assert good() == [False, False, False, True]


def test_deleting_an_application_invalidates_its_keys_when_their_number_is_accepted(
    gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog
) -> None:
    before = audit_log()
    with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 1 active key"):
        apps.delete(gam, "portal", None)
    assert (audit_log(), names(gam)) == (before, ["portal"])
    deleted = apps.delete(gam, "portal", 1)
    assert [each.reason for each in deleted.impacts] == ["deletion of application 'portal'"]
    assert names(gam) == []
    with pytest.raises(NotFoundError):
        keys.show(gam, issued.record.id)
    assert audit_log()[-1].action == "app.delete"
    assert json.loads(audit_log()[-1].details) == {"invalidated": [issued.record.id]}


def test_an_application_without_active_keys_is_deleted_without_a_count(gam: Gam, portal: CreateResult[App]) -> None:
    assert apps.delete(gam, portal.record.name, None).impacts == ()
    assert names(gam) == []


def test_an_application_is_not_deleted_without_confirmation(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog
) -> None:
    before = audit_log()
    with pytest.raises(UnconfirmedError, match="this permanently deletes application 'portal'") as caught:
        apps.delete(gam, portal.record.name, None, yes=False)
    assert caught.value.hint == "add --yes to confirm"
    assert (audit_log(), names(gam)) == (before, ["portal"])
    apps.delete(gam, portal.record.name, 0, yes=False)
    assert names(gam) == []


def test_active_keys_are_reported_before_a_confirmation_is_required(gam: Gam, issued: IssuedKey) -> None:
    with pytest.raises(InvalidatesKeysError):
        apps.delete(gam, issued.record.app, None, yes=False)
    assert apps.delete(gam, issued.record.app, 1, yes=False).impacts


def test_a_secret_that_cannot_be_saved_changes_nothing(
    gam: Gam, portal: CreateResult[App], audit_log: ReadAuditLog
) -> None:
    def fail(_: App, __: Secret) -> None:
        raise FailedError("the disk is full")

    before = (audit_log(), apps.show(gam, portal.record.name))
    with pytest.raises(FailedError):
        apps.create(gam, AppSpec("gate", {}), fail)
    with pytest.raises(FailedError):
        apps.rotate_secret(gam, "portal", fail)
    assert (audit_log(), apps.show(gam, "portal"), names(gam)) == (*before, ["portal"])
    assert apps.create(gam, AppSpec("gate", {}, client_secret=Secret("s" * 40)), fail).is_new


def test_an_application_can_be_renamed_and_keeps_its_keys(gam: Gam, issued: IssuedKey) -> None:
    old, field = "portal", "app"
    renamed = apps.rename(gam, old, "Other").record
    assert renamed == apps.show(gam, "other")
    assert getattr(keys.show(gam, issued.record.id), field) == "Other"
    assert not apps.rename(gam, "other", "Other").is_changed
    with pytest.raises(NotFoundError):
        apps.show(gam, old)


@pytest.mark.usefixtures("issued")
def test_an_application_cannot_get_the_name_of_another(gam: Gam) -> None:
    apps.create(gam, AppSpec("bob", {}))
    for name in ("BOB", apps.show(gam, "bob").client_id.upper()):
        with pytest.raises(ConflictError, match="already identifies application 'bob'"):
            apps.rename(gam, "portal", name)
    with pytest.raises(UsageError):
        apps.rename(gam, "portal", "")
