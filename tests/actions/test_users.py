"""Users: creating, changing, setting a password, deleting."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from gamcli.actions import Gam, keys, users
from gamcli.actions.problems import ProblemList
from gamcli.errors import (
    ConflictError,
    InvalidatesKeysError,
    NotFoundError,
    ProblemsError,
    UnconfirmedError,
    UsageError,
)
from gamcli.model import AuditEntry, User
from gamcli.rules import passwords
from gamcli.rules.credentials import Secret
from gamcli.rules.keys import IssuedKey
from gamcli.rules.passwords import TEST_COST
from gamcli.store.users import UserFilter

ReadAuditLog = Callable[[], list[AuditEntry]]


def names(gam: Gam, filters: UserFilter | None = None) -> list[str]:
    with users.search(gam, filters or UserFilter()) as found:
        return [each.name for each in found]


def test_a_new_user_is_saved_and_reported(gam: Gam, audit_log: ReadAuditLog) -> None:
    made = users.create(gam, "ana", {"email": "ana@example.com", "attributes": {"Area": ["a", "b"]}})
    assert made.is_new
    assert (
        users.show(gam, "ANA") == users.show(gam, "Ana@Example.com") == users.show(gam, made.record.guid) == made.record
    )
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("user.create", "ana")
    assert json.loads(audit_log()[-1].details) == {"guid": made.record.guid}


def test_a_name_is_unique(gam: Gam, ana: User, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    for taken in ("ana", "ANA", "ana@example.com", ana.guid, ana.guid.upper()):
        with pytest.raises(ConflictError, match="user 'ana' already exists") as caught:
            users.create(gam, taken, {})
        assert caught.value.hint == "gamcli user show ana"
    assert audit_log() == before


@pytest.mark.parametrize("email", ["ana@example.com", "ANA@EXAMPLE.COM", "mail@named.org"])
def test_an_email_is_unique(gam: Gam, ana: User, audit_log: ReadAuditLog, email: str) -> None:
    users.create(gam, "mail@named.org", {})
    users.create(gam, "bob", {})
    before = audit_log()
    for ask in (
        lambda: users.create(gam, "cleo", {"email": email}),
        lambda: users.update(gam, "bob", {"email": email}),
    ):
        with pytest.raises(ConflictError, match="already belongs to user"):
            ask()
    assert audit_log() == before
    assert users.update(gam, ana.name, {"email": "Ana@example.com"}).is_changed


def test_a_user_can_have_their_email_as_name(gam: Gam) -> None:
    assert users.create(gam, "eva@example.com", {"email": "eva@example.com"}).is_new


@pytest.mark.parametrize("changes", [{}, {"email": "ana@example.com"}, {"roles": ("operator",), "city": ""}])
def test_if_missing_accepts_a_user_with_the_same_settings(
    gam: Gam, ana: User, audit_log: ReadAuditLog, changes: dict[str, object]
) -> None:
    before = audit_log()
    made = users.create(gam, "ana", changes, if_missing=True)
    assert (made.is_new, made.record) == (False, ana)
    assert audit_log() == before


@pytest.mark.parametrize(("name", "changes"), [("ana", {"city": "Salto"}), ("Ana", {}), ("ana@example.com", {})])
def test_if_missing_rejects_a_user_with_other_settings(
    gam: Gam, ana: User, name: str, changes: dict[str, object]
) -> None:
    assert ana.name == "ana"
    with pytest.raises(ConflictError, match="already exists with different settings"):
        users.create(gam, name, changes, if_missing=True)


@pytest.mark.parametrize(("name", "changes"), [("", {}), ("ana", {"email": "x"}), ("ana", {"gender": "?"})])
def test_an_invalid_user_is_not_created(
    gam: Gam, audit_log: ReadAuditLog, name: str, changes: dict[str, object]
) -> None:
    before = audit_log()
    with pytest.raises(UsageError):
        users.create(gam, name, changes)
    assert (audit_log(), names(gam)) == (before, [])


def test_an_unknown_user_is_not_found(gam: Gam, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    for ask in (
        lambda: users.show(gam, "ana"),
        lambda: users.update(gam, "ana", {}),
        lambda: users.set_password(gam, "ana", Secret("hunter2"), TEST_COST),
        lambda: users.delete(gam, "ana", None),
    ):
        with pytest.raises(NotFoundError, match="no user named 'ana'"):
            ask()
    assert audit_log() == before


def test_a_change_is_saved_with_a_date_and_reported(
    gam: Gam, ana: User, audit_log: ReadAuditLog, forward: Callable[[timedelta], datetime]
) -> None:
    later = forward(timedelta(hours=1))
    changed = users.update(gam, ana.guid, {"blocked": True, "city": "Salto"}, "block")
    assert (changed.record.blocked, changed.record.updated_at) == (True, later)
    assert users.show(gam, "ana") == changed.record
    assert audit_log()[-1].action == "user.block"
    assert json.loads(audit_log()[-1].details) == {"blocked": [False, True], "city": ["", "Salto"]}


def test_a_change_to_the_same_value_writes_nothing(gam: Gam, ana: User, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    changed = users.update(gam, "ana", {"email": "ana@example.com", "enabled": True})
    assert (changed.is_changed, changed.record) == (False, ana)
    assert audit_log() == before


@pytest.mark.parametrize(
    ("changes", "undo"), [({"enabled": False}, {"enabled": True}), ({"blocked": True}, {"blocked": False})]
)
def test_a_change_that_only_suspends_keys_needs_no_confirmation(
    gam: Gam, issued: IssuedKey, changes: dict[str, object], undo: dict[str, object]
) -> None:
    changed = users.update(gam, "ana", changes)
    assert [(each.key.id, each.is_permanent) for each in changed.impacts] == [(issued.record.id, False)]
    assert changed.suspended_count == 1
    assert keys.show(gam, issued.record.id).is_valid(gam.now())
    assert users.update(gam, "ana", undo).suspended_count == 0


def test_a_change_of_other_fields_affects_no_key(gam: Gam, issued: IssuedKey) -> None:
    assert users.update(gam, "ana", {"city": "Salto"}).impacts == ()
    assert keys.show(gam, issued.record.id).user == "ana"


def test_a_password_is_kept_as_a_hash_and_not_reported(gam: Gam, ana: User, audit_log: ReadAuditLog) -> None:
    for password in ("hunter2", "hunter3"):
        users.set_password(gam, ana.name, Secret(password), TEST_COST)
    kept = users.show(gam, "ana").password_hash
    assert kept is not None
    assert passwords.verify(Secret("hunter3"), kept)
    assert not passwords.verify(Secret("hunter2"), kept)
    assert (audit_log()[-1].action, audit_log()[-1].details) == ("user.set_password", '{"password_hash":"changed"}')


def test_an_invalid_password_is_not_saved(gam: Gam, ana: User, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    with pytest.raises(UsageError, match="invalid password length"):
        users.set_password(gam, ana.name, Secret("x" * 51), TEST_COST)
    assert (audit_log(), users.show(gam, "ana").password_hash) == (before, None)


def test_deleting_a_user_invalidates_their_keys_when_their_number_is_accepted(
    gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog
) -> None:
    before = audit_log()
    with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 1 active key"):
        users.delete(gam, "ana", None)
    assert (audit_log(), names(gam)) == (before, ["ana"])
    deleted = users.delete(gam, "ana", 1)
    assert [each.reason for each in deleted.impacts] == ["deletion of user 'ana'"]
    assert names(gam) == []
    with pytest.raises(NotFoundError):
        keys.show(gam, issued.record.id)
    assert json.loads(audit_log()[-1].details) == {"invalidated": [issued.record.id]}


def test_a_user_is_not_deleted_without_confirmation(gam: Gam, ana: User) -> None:
    with pytest.raises(UnconfirmedError, match="this permanently deletes user 'ana'"):
        users.delete(gam, ana.name, None, yes=False)
    assert names(gam) == ["ana"]


def test_a_recreated_user_is_another_user(gam: Gam, issued: IssuedKey) -> None:
    old = users.delete(gam, "ana", 1).record
    new = users.create(gam, "ana", {}).record
    assert new.guid != old.guid
    with pytest.raises(NotFoundError):
        keys.show(gam, issued.record.id)


def test_a_user_can_be_renamed_and_keeps_its_keys(gam: Gam, issued: IssuedKey) -> None:
    old, field = "ana", "user"
    renamed = users.rename(gam, old, "Other").record
    assert renamed == users.show(gam, "other")
    assert getattr(keys.show(gam, issued.record.id), field) == "Other"
    assert not users.rename(gam, "other", "Other").is_changed
    with pytest.raises(NotFoundError):
        users.show(gam, old)


@pytest.mark.usefixtures("issued")
def test_a_user_cannot_get_the_name_of_another(gam: Gam) -> None:
    users.create(gam, "bob", {"email": "bob@x"})
    for name in ("BOB", "bob@x"):
        with pytest.raises(ConflictError, match="already identifies user 'bob'"):
            users.rename(gam, "ana", name)
    with pytest.raises(UsageError):
        users.rename(gam, "ana", "")


@pytest.mark.parametrize("group_rows", [1, 2, 1000])
def test_a_row_of_a_file_sees_what_the_rows_before_have_changed(
    gam: Gam, ana: User, group_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "GROUP_ROWS", group_rows)
    emails = [(ana.name, "new@x.org"), ("bob", ana.email), ("cy", "new@x.org"), ("Bob", ""), ("di@x.org", ""),
              ("ed", "DI@x.org")]  # fmt: skip
    rows = [users.UserRow(line, name, None, {"email": email}) for line, (name, email) in enumerate(emails, 2)]
    with pytest.raises(ProblemsError) as caught:
        users.create_all(gam, ProblemList("users.csv"), rows, users.ExistingUsers.UPDATE)
    assert [(each.line, each.message) for each in caught.value.problems] == [
        (4, "email 'new@x.org' is already in line 2"),
        (5, "user 'Bob' is already in line 3"),
        (7, "email 'DI@x.org' is already in line 6"),
    ]
    counts = users.create_all(gam, ProblemList("users.csv"), rows[:2], users.ExistingUsers.UPDATE)
    assert counts == users.UserCounts(created=1, updated=1, unchanged=0)
    assert users.show(gam, ana.email).name == "bob"
