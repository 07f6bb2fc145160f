"""API keys: issuing, listing, rotating, revoking."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from gamcli.actions import Gam, apps, auth_types, issuance, key_lookup, keys, rotation, userinfo, users
from gamcli.actions.apps import AppSpec
from gamcli.actions.changes import CreateResult
from gamcli.actions.keys import KeySearch, KeySpec
from gamcli.errors import ConflictError, FailedError, InvalidatesKeysError, NotFoundError, RefusedError, UsageError
from gamcli.model import App, AuditEntry, Key, User
from gamcli.rules.credentials import Secret, mint_api_key
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey

pytestmark = pytest.mark.both_engines

ReadAuditLog = Callable[[], list[AuditEntry]]
Forward = Callable[[timedelta], datetime]
OPEN = {"remote_rest": True, "api_keys.enabled": True, "api_keys.scope_choice": True}


def ids(gam: Gam, search: KeySearch) -> list[str]:
    with keys.search(gam, search) as found:
        return [each.id for each in found]


def test_a_new_key_is_saved_and_reported_without_its_secret(
    gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog
) -> None:
    assert keys.show(gam, issued.record.id) == issued.record
    assert keys.show(gam, issued.record.id[:4]) == issued.record
    assert issued.secret.matches(issued.record.digest)
    assert (issued.record.auth_type, issued.record.expires_at) == (None, None)
    entry = audit_log()[-1]
    assert (entry.action, entry.target) == ("key.generate", issued.record.id)
    assert json.loads(entry.details) == {
        "user": "ana",
        "app": "portal",
        "scopes": ["gam_user_data", "gam_user_roles"],
        "expires_at": None,
        "label": "",
        "replaces": None,
    }


def test_a_key_is_issued_with_the_requested_settings(gam: Gam, portal: CreateResult[App], ana: User) -> None:
    words = ("user_mail+user_city", "user_guid")
    made = keys.generate(gam, KeySpec(ana.email, portal.record.client_id, words, timedelta(days=90), "ci"))
    assert (made.record.user, made.record.app) == ("ana", "portal")
    assert made.record.scopes == ("user_guid", "user_email", "user_city")
    assert (made.record.auth_type, made.record.label) == (None, "ci")
    assert made.record.expires_at == gam.now() + timedelta(days=90)


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        (KeySpec("bob", "portal"), NotFoundError, "no user named 'bob'"),
        (KeySpec("ana", "gate"), NotFoundError, "no application named 'gate'"),
        (KeySpec("ana", "portal", scopes=("user_emial",)), UsageError, "unknown scope 'user_emial'"),
        (KeySpec("ana", "portal", scopes=("fullcontrol",)), RefusedError, "does not publish fullcontrol"),
        (KeySpec("ana", "portal", label="\n"), UsageError, "the label"),
        (KeySpec("ana", "portal"), ConflictError, "already has an active key for application 'portal'"),
    ],
)
def test_an_invalid_key_is_not_issued(
    gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog, wish: KeySpec, error: type[Exception], message: str
) -> None:
    before = audit_log()
    with pytest.raises(error, match=message):
        keys.generate(gam, wish)
    assert (audit_log(), ids(gam, KeySearch())) == (before, [issued.record.id])
    assert keys.show(gam, issued.record.id).is_valid(gam.now())


def test_an_active_key_is_replaced_on_request(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog) -> None:
    made = keys.generate(gam, KeySpec("ana", "portal", replace=True))
    old = keys.show(gam, issued.record.id)
    assert (old.status(gam.now()), old.ended_at) == ("replaced", gam.now())
    assert old.reason == f"replaced by {made.record.id}"
    assert json.loads(audit_log()[-1].details)["replaces"] == issued.record.id
    assert len(audit_log()) == 5


def test_a_refused_request_replaces_nothing(gam: Gam, issued: IssuedKey) -> None:
    with pytest.raises(RefusedError):
        keys.generate(gam, KeySpec("ana", "portal", ("fullcontrol",), replace=True))
    assert keys.show(gam, issued.record.id).status(gam.now()) == "active"


def test_an_inactive_key_is_not_a_conflict(gam: Gam, portal: CreateResult[App], ana: User, forward: Forward) -> None:
    first = keys.generate(gam, KeySpec(ana.name, portal.record.name, expires_in=timedelta(hours=1)))
    forward(timedelta(hours=1))
    second = keys.generate(gam, KeySpec(ana.name, portal.record.name))
    keys.revoke(gam, [second.record.id], None)
    third = keys.generate(gam, KeySpec(ana.name, portal.record.name))
    statuses = [keys.show(gam, each.record.id).status(gam.now()) for each in (first, second, third)]
    assert statuses == ["expired", "revoked", "active"]


def test_the_type_of_a_key_is_the_one_that_the_application_allows(
    gam: Gam, portal: CreateResult[App], ana: User
) -> None:
    auth_types.create(gam, "machines", "APIkey", {})
    apps.update(gam, portal.record.name, {"api_keys.auth_type": "machines"})
    issued = keys.generate(gam, KeySpec(ana.name, portal.record.name)).record
    assert (issued.auth_type, keys.show(gam, issued.id).auth_type) == ("machines", "machines")
    apps.update(gam, portal.record.name, {"api_keys.auth_type": None})
    assert keys.show(gam, issued.id).auth_type is None


def test_no_key_is_issued_when_no_authentication_type_accepts_it(
    gam: Gam, portal: CreateResult[App], ana: User
) -> None:
    auth_types.update(gam, "apikey", {"enabled": False})
    with pytest.raises(RefusedError, match="authentication type 'apikey' is unknown or disabled") as caught:
        keys.generate(gam, KeySpec(ana.name, portal.record.name))
    assert caught.value.hint == "gamcli auth-type update apikey --enable"


def test_a_key_whose_secret_cannot_be_saved_is_not_issued(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog) -> None:
    seen: list[Secret] = []

    def fail(_: Key, secret: Secret) -> None:
        seen.append(secret)
        raise FailedError("the disk is full")

    before = audit_log()
    with pytest.raises(FailedError):
        keys.generate(gam, KeySpec("ana", "portal", replace=True), fail)
    assert len(seen) == 1
    assert (audit_log(), ids(gam, KeySearch())) == (before, [issued.record.id])
    assert keys.show(gam, issued.record.id).is_valid(gam.now())


@pytest.mark.parametrize("prefix", ["", "!", "nothing"])
def test_an_unknown_key_is_not_found(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog, prefix: str) -> None:
    before = audit_log()
    with pytest.raises(NotFoundError, match="no key with ID"):
        keys.show(gam, prefix)
    with pytest.raises(NotFoundError, match="no key with ID"):
        keys.revoke(gam, [issued.record.id, prefix], None)
    assert audit_log() == before
    assert keys.show(gam, issued.record.id).is_valid(gam.now())


@pytest.fixture
def several(gam: Gam, issued: IssuedKey, forward: Forward) -> dict[str, str]:
    for name in ("bob", "cleo", "dan"):
        users.create(gam, name, {})
    apps.create(gam, AppSpec("gate", OPEN, ("user_email",)))
    made = {"live": issued.record.id}
    made["expired"] = keys.generate(gam, KeySpec("bob", "portal", expires_in=timedelta(hours=1))).record.id
    made["soon"] = keys.generate(gam, KeySpec("cleo", "portal", expires_in=timedelta(days=3))).record.id
    made["revoked"] = keys.generate(gam, KeySpec("ana", "gate", expires_in=timedelta(days=3))).record.id
    made["later"] = keys.generate(gam, KeySpec("dan", "gate", expires_in=timedelta(days=30))).record.id
    forward(timedelta(hours=2))
    keys.revoke(gam, [made["revoked"]], None)
    return made


def test_the_applications_for_which_a_user_can_have_a_key_are_listed(gam: Gam, issued: IssuedKey) -> None:
    apps.create(gam, AppSpec("gate", OPEN))
    apps.create(gam, AppSpec("closed", {}))
    apps.create(gam, AppSpec("disabled", {**OPEN, "enabled": False}))
    with key_lookup.find_available_apps(gam, "ana") as found:
        assert [(each.app, each.status, each.key) for each in found] == [
            ("gate", "none", None),
            ("portal", "active", issued.record.id),
        ]
    keys.revoke(gam, [issued.record.id], None)
    with key_lookup.find_available_apps(gam, "ana") as found:
        assert [(each.status, each.key) for each in found] == [("none", None)] * 2
    with pytest.raises(NotFoundError), key_lookup.find_available_apps(gam, "nobody"):
        pass


def test_a_key_is_revoked_with_a_reason(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog, forward: Forward) -> None:
    now = forward(timedelta(hours=1))
    (changed,) = keys.revoke(gam, [issued.record.id[:6]], "laptop lost", yes=True)
    assert changed.is_changed
    kept = keys.show(gam, issued.record.id)
    assert changed.record == kept
    assert (kept.status(now), kept.ended_at, kept.reason) == ("revoked", now, "laptop lost")
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("key.revoke", issued.record.id)
    details = json.loads(audit_log()[-1].details)
    assert (details["user"], details["app"], details["reason"]) == ("ana", "portal", "laptop lost")


def test_an_inactive_key_is_not_changed(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog, forward: Forward) -> None:
    key_id = issued.record.id
    first = [each.is_changed for each in keys.revoke(gam, [key_id, key_id, key_id[:7]], "first", yes=True)]
    assert first == [True]
    before = (audit_log(), keys.show(gam, key_id))
    forward(timedelta(hours=1))
    assert [each.is_changed for each in keys.revoke(gam, [key_id], "second")] == [False]
    assert (audit_log(), keys.show(gam, key_id)) == before


def test_a_key_is_revoked_by_its_secret(gam: Gam, issued: IssuedKey) -> None:
    changed = keys.revoke_by_secret(gam, issued.secret, "found in a log")
    assert (changed.is_changed, changed.record.id) == (True, issued.record.id)
    assert keys.show(gam, issued.record.id).reason == "found in a log"
    assert not keys.revoke_by_secret(gam, issued.secret, None).is_changed


def test_another_secret_revokes_nothing(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog) -> None:
    before = audit_log()
    for text in ("", "gamkey_x", issued.secret.reveal()[:-1], f"{issued.secret.reveal()} "):
        with pytest.raises(UsageError, match="not a valid API key: wrong format or checksum"):
            keys.revoke_by_secret(gam, Secret(text), None)
    _, foreign = mint_api_key(gam.entropy)
    _, same_id = mint_api_key(bytes)
    for secret in (foreign, same_id):
        with pytest.raises(NotFoundError, match="the API key is not in this store"):
            keys.revoke_by_secret(gam, secret, None)
    assert audit_log() == before


def test_an_id_alone_does_not_revoke_by_secret(gam: Gam, issued: IssuedKey) -> None:
    entropy = iter([issued.record.id.encode()])
    forged_id, forged = mint_api_key(lambda count: next(entropy, bytes(count)).translate(LETTERS))
    assert forged_id == issued.record.id
    with pytest.raises(NotFoundError):
        keys.revoke_by_secret(gam, forged, None)
    assert keys.show(gam, issued.record.id).is_valid(gam.now())


ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LETTERS = bytes(max(ALPHABET.find(byte), 0) for byte in range(256))
"""Maps letters to the random bytes that produce them."""


def test_all_active_keys_of_a_user_or_application_are_revoked_when_their_number_is_accepted(
    gam: Gam, several: dict[str, str], audit_log: ReadAuditLog
) -> None:
    before = audit_log()
    for wrong in (None, 0, 1, 3):
        with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 2 active keys") as caught:
            keys.revoke_all(gam, KeySearch(app="portal"), "audit", wrong)
        assert len(caught.value.impacts) == 2
    assert audit_log() == before
    ended = keys.revoke_all(gam, KeySearch(app="portal"), "audit", 2)
    assert {each.record.id for each in ended} == {several["live"], several["soon"]}
    assert {keys.show(gam, each.record.id).reason for each in ended} == {"audit"}
    assert keys.show(gam, several["expired"]).status(gam.now()) == "expired"
    assert keys.show(gam, several["later"]).is_valid(gam.now())
    assert [entry.action for entry in audit_log()[len(before) :]] == ["key.revoke"] * 2


def test_without_active_keys_none_is_revoked(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog) -> None:
    keys.revoke(gam, [issued.record.id], None)
    before = audit_log()
    assert keys.revoke_all(gam, KeySearch(user="ana"), None, None) == []
    assert audit_log() == before


def test_a_published_attribute_can_be_chosen_even_if_no_user_has_it(gam: Gam, ana: User) -> None:
    users.update(gam, ana.guid, {"attributes": {"badge": "7"}})
    apps.create(gam, AppSpec("gate", OPEN, ("user_badge",)))
    users.update(gam, ana.guid, {"attributes": {}})
    assert keys.generate(gam, KeySpec("ana", "gate", ("user_badge",))).record.scopes == ("user_badge",)


def test_a_rotated_key_is_valid_during_the_overlap_and_then_replaced(
    gam: Gam, issued: IssuedKey, forward: Forward
) -> None:
    new = rotation.rotate(gam, issued.record.id, timedelta(days=7))
    assert new is not None
    assert (new.record.scopes, new.record.label) == (issued.record.scopes, issued.record.label)
    assert keys.show(gam, issued.record.id).status(gam.now()) == "retiring"
    assert keys.show(gam, new.record.id).status(gam.now()) == "active"
    forward(timedelta(days=7))
    assert keys.show(gam, issued.record.id).status(gam.now()) == "replaced"


def test_a_key_rotated_without_overlap_is_replaced(gam: Gam, issued: IssuedKey, audit_log: ReadAuditLog) -> None:
    new = rotation.rotate(gam, issued.record.id, timedelta(0))
    assert new is not None
    assert keys.show(gam, issued.record.id).status(gam.now()) == "replaced"
    assert (audit_log()[-1].action, audit_log()[-1].target) == ("key.rotate", new.record.id)


def test_a_rotated_key_has_the_lifetime_of_its_predecessor(gam: Gam, ana: User, portal: CreateResult[App]) -> None:
    old = keys.generate(gam, KeySpec(ana.name, portal.record.name, expires_in=timedelta(days=30))).record
    new = rotation.rotate(gam, old.id, timedelta(days=1))
    assert new is not None
    assert new.record.expires_at == gam.now() + timedelta(days=30)


def test_a_key_is_rotated_only_when_it_is_due(
    gam: Gam, ana: User, portal: CreateResult[App], audit_log: ReadAuditLog, forward: Forward
) -> None:
    old = keys.generate(gam, KeySpec(ana.name, portal.record.name, expires_in=timedelta(days=30))).record
    before = audit_log()
    assert rotation.rotate(gam, old.id, timedelta(0), if_due=timedelta(days=29)) is None
    assert audit_log() == before
    forward(timedelta(days=1))
    assert rotation.rotate(gam, old.id, timedelta(0), if_due=timedelta(days=29)) is not None


def test_a_key_that_never_expires_is_never_due(gam: Gam, issued: IssuedKey) -> None:
    assert rotation.rotate(gam, issued.record.id, timedelta(0), if_due=timedelta(days=36_500)) is None


def test_only_an_active_key_is_rotated(gam: Gam, issued: IssuedKey) -> None:
    rotation.rotate(gam, issued.record.id, timedelta(days=1))
    with pytest.raises(RefusedError, match="is retiring"):
        rotation.rotate(gam, issued.record.id, timedelta(days=1))
    keys.revoke(gam, [issued.record.id], None)
    with pytest.raises(RefusedError, match="is revoked"):
        rotation.rotate(gam, issued.record.id, timedelta(days=1))


def test_a_rotation_obeys_the_rules_but_keeps_the_scopes(gam: Gam, ana: User) -> None:
    apps.create(gam, AppSpec("gate", OPEN, ("gam_user_data+gam_user_roles",)))
    old = keys.generate(gam, KeySpec(ana.name, "gate", ("gam_user_roles",))).record
    apps.update(gam, "gate", {"api_keys.scope_choice": False})
    new = rotation.rotate(gam, old.id, timedelta(0))
    assert new is not None
    assert new.record.scopes == ("gam_user_roles",)
    apps.update(gam, "gate", {"enabled": False})
    with pytest.raises(RefusedError, match="disabled"):
        rotation.rotate(gam, new.record.id, timedelta(0))


def test_a_new_key_can_retire_the_active_one(gam: Gam, issued: IssuedKey) -> None:
    new = keys.generate(gam, KeySpec("ana", "portal", overlap=timedelta(hours=1)))
    assert keys.show(gam, issued.record.id).status(gam.now()) == "retiring"
    assert keys.show(gam, new.record.id).status(gam.now()) == "active"


def test_a_token_of_a_retiring_key_expires_with_the_key(
    gam: Gam, issued: IssuedKey, asked: TokenRequest, forward: Forward
) -> None:
    rotation.rotate(gam, issued.record.id, timedelta(minutes=5))
    token = issuance.exchange(gam, asked)
    assert token.expires_in == 300
    forward(timedelta(minutes=5))
    with pytest.raises(RefusedError):
        userinfo.userinfo(gam, token.secret)


def test_a_reason_that_cannot_be_printed_is_refused(gam: Gam, issued: IssuedKey) -> None:
    with pytest.raises(UsageError, match="contains an unprintable character"):
        keys.revoke(gam, [issued.record.id], "x\x1b[2J")
    assert keys.show(gam, issued.record.id).is_valid(gam.now())


def test_keys_unused_for_a_time_are_found(gam: Gam, issued: IssuedKey, asked: TokenRequest, forward: Forward) -> None:
    search = KeySearch(unused_for=timedelta(days=90))
    forward(timedelta(days=89))
    issuance.exchange(gam, asked)
    forward(timedelta(days=89))
    with keys.search(gam, search) as found:
        assert list(found) == []
    forward(timedelta(days=1))
    with keys.search(gam, search) as found:
        assert [key.id for key in found] == [issued.record.id]
    keys.revoke(gam, [issued.record.id], None)
    with keys.search(gam, search) as found:
        assert list(found) == []
