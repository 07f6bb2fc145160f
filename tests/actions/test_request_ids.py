"""Request IDs: repeating a request returns the same key."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from gamcli.actions import Gam, apps, issuance, keys, request_ids, users
from gamcli.actions.changes import CreateResult
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, FailedError, InvalidatesKeysError, RefusedError, UsageError
from gamcli.model import App, AuditEntry, Key, User
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import TokenRequest

Forward = Callable[[timedelta], datetime]
ReadAuditLog = Callable[[], list[AuditEntry]]
WISH = KeySpec("ana", "portal")


@pytest.fixture
def first(gam: Gam, portal: CreateResult[App], ana: User) -> request_ids.RequestedKey:
    assert (portal.is_new, ana.name) == (True, "ana")
    return request_ids.generate(gam, WISH, "deploy-1")


def use(gam: Gam, portal: CreateResult[App], api_key: Secret | None) -> None:
    assert portal.secret
    assert api_key
    asked = TokenRequest(
        client_id=portal.record.client_id,
        client_secret=portal.secret,
        api_key=api_key,
        authentication_type_name="apikey",
    )
    issuance.exchange(gam, asked)


def test_a_repeated_request_gives_the_key_a_new_secret(
    gam: Gam, first: request_ids.RequestedKey, audit_log: ReadAuditLog
) -> None:
    again = request_ids.generate(gam, WISH, "deploy-1")
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert again.record.id == first.record.id
    assert again.secret
    assert again.secret != first.secret
    kept = keys.show(gam, first.record.id)
    assert kept == again.record
    assert again.secret.matches(kept.digest)
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("key.reissue", kept.id)
    assert again.secret.reveal() not in audit_log()[-1].details


def test_a_repeated_request_for_a_used_key_returns_no_secret(
    gam: Gam, portal: CreateResult[App], first: request_ids.RequestedKey, audit_log: ReadAuditLog
) -> None:
    use(gam, portal, first.secret)
    before = audit_log()
    again = request_ids.generate(gam, WISH, "deploy-1")
    assert (again.record.id, again.secret, again.is_repeat) == (first.record.id, None, True)
    assert again.record.last_used_at is not None
    assert audit_log() == before
    use(gam, portal, first.secret)


def test_a_repeated_request_for_a_revoked_key_returns_no_secret(gam: Gam, first: request_ids.RequestedKey) -> None:
    keys.revoke(gam, [first.record.id], None)
    again = request_ids.generate(gam, WISH, "deploy-1")
    assert (again.record.id, again.record.end, again.secret) == (first.record.id, "revoked", None)


def test_a_repeated_request_for_an_expired_key_returns_no_secret(
    gam: Gam, portal: CreateResult[App], ana: User, forward: Forward
) -> None:
    wish = KeySpec(ana.name, portal.record.name, expires_in=timedelta(hours=1))
    made = request_ids.generate(gam, wish, "short")
    forward(timedelta(hours=2))
    assert request_ids.generate(gam, wish, "short") == (keys.show(gam, made.record.id), None, True)


@pytest.mark.parametrize(
    ("other", "label"),
    [
        (WISH._replace(label="ci"), "label"),
        (WISH._replace(scopes=("gam_user_data",)), "scopes"),
        (WISH._replace(expires_in=timedelta(days=1)), "expiry"),
        (WISH._replace(replace=True), "replace"),
        (WISH._replace(overlap=timedelta(days=1)), "overlap"),
        (WISH._replace(user="eva"), "user"),
        (WISH._replace(app="gate"), "app"),
    ],
    ids=str,
)
def test_a_request_id_with_other_settings_is_a_conflict(
    gam: Gam, first: request_ids.RequestedKey, other: KeySpec, label: str
) -> None:
    users.create(gam, "eva", {})
    apps.create(gam, apps.AppSpec("gate", {"remote_rest": True, "api_keys.enabled": True}))
    with pytest.raises(ConflictError, match=f"issued key {first.record.id} with different settings: .*{label}"):
        request_ids.generate(gam, other, "deploy-1")
    assert keys.show(gam, first.record.id) == first.record


def test_equivalent_settings_are_the_same_request(gam: Gam, portal: CreateResult[App], ana: User) -> None:
    said = KeySpec("ana", "portal", ("gam_user_roles+user_mail",), timedelta(days=1))
    meant = KeySpec(ana.email, portal.record.client_id, ("user_email", "GAM_USER_ROLES"), timedelta(hours=24))
    made = request_ids.generate(gam, said, "words")
    assert request_ids.generate(gam, meant, "words").record.id == made.record.id


def test_a_replacement_is_not_done_twice(gam: Gam, first: request_ids.RequestedKey) -> None:
    wish = WISH._replace(replace=True)
    made = request_ids.generate(gam, wish, "deploy-2")
    assert request_ids.generate(gam, wish, "deploy-2").record.id == made.record.id
    assert keys.show(gam, first.record.id).end == "replaced"
    assert request_ids.generate(gam, WISH, "deploy-1").secret is None


def test_a_new_secret_that_cannot_be_saved_changes_nothing(
    gam: Gam, first: request_ids.RequestedKey, audit_log: ReadAuditLog
) -> None:
    def fail(_: Key, __: Secret) -> None:
        raise FailedError("the disk is full")

    before = audit_log()
    with pytest.raises(FailedError):
        request_ids.generate(gam, WISH, "deploy-1", fail)
    assert keys.show(gam, first.record.id) == first.record
    with pytest.raises(FailedError):
        request_ids.generate(gam, WISH._replace(replace=True), "deploy-2", fail)
    assert audit_log() == before
    assert not request_ids.generate(gam, WISH._replace(replace=True, label="other"), "deploy-2").is_repeat


def test_no_new_secret_is_issued_if_a_rule_refuses_a_new_key(gam: Gam, first: request_ids.RequestedKey) -> None:
    users.update(gam, "ana", {"blocked": True})
    with pytest.raises(RefusedError):
        request_ids.generate(gam, WISH, "deploy-1")
    assert keys.show(gam, first.record.id) == first.record


def test_a_request_is_deleted_with_its_key(gam: Gam, first: request_ids.RequestedKey) -> None:
    with pytest.raises(InvalidatesKeysError):
        users.delete(gam, "ana", None)
    users.delete(gam, "ana", 1)
    users.create(gam, "ana", {})
    assert request_ids.generate(gam, WISH, "deploy-1").record.id != first.record.id


@pytest.mark.parametrize("wrong", ["", "x" * 101, "a\nb"])
def test_an_invalid_id_is_refused(gam: Gam, portal: CreateResult[App], ana: User, wrong: str) -> None:
    with pytest.raises(UsageError):
        request_ids.generate(gam, KeySpec(ana.name, portal.record.name), wrong)
    assert request_ids.generate(gam, KeySpec(ana.name, portal.record.name), "x" * 100).secret
