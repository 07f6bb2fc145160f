"""Leaked credentials: looking them up and revoking them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import pytest

from gamcli import store
from gamcli.actions import DryRun, Gam, apps, findings, keys
from gamcli.actions.changes import CreateResult
from gamcli.actions.keys import KeySpec
from gamcli.errors import InvalidatesKeysError
from gamcli.model import App, AuditEntry, Key
from gamcli.model.findings import ScanFinding, ScanSource
from gamcli.rules.credentials import Secret, checksum, mint_api_key, mint_client_secret
from gamcli.rules.keys import IssuedKey
from gamcli.rules.leak_detection import find_leaks
from gamcli.store import Transaction

ReadAuditLog = Callable[[], list[AuditEntry]]
Forward = Callable[[timedelta], datetime]


def look(gam: Gam, *secrets: Secret) -> list[ScanFinding]:
    lines = "\n".join(f"x {secret.reveal()}" for secret in secrets)
    return list(findings.look_up_leaks(gam, ((ScanSource("a.py"), each) for each in find_leaks([lines.encode()]))))


def test_an_active_key_is_found_by_its_secret(gam: Gam, issued: IssuedKey) -> None:
    (found,) = look(gam, issued.secret)
    key = issued.record
    assert (found.file, found.line, found.column, found.commit) == ("a.py", 1, 3, None)
    assert (found.kind, found.id, found.status, found.live) == ("API key", key.id, "active", True)
    assert (found.user, found.app, found.last_used_at) == ("ana", "portal", None)


def test_another_secret_with_the_id_of_a_key_is_foreign(gam: Gam, issued: IssuedKey) -> None:
    text = f"gamkey_{issued.record.id}_{'x' * 32}"
    (found,) = look(gam, Secret(text + checksum(text)))
    assert (found.id, found.status, found.live, found.user) == (issued.record.id, "foreign", False, None)


def test_an_unknown_credential_is_foreign(gam: Gam) -> None:
    entropy = Random(7).randbytes
    found = look(gam, mint_api_key(entropy)[1], mint_client_secret(entropy))
    assert [(each.kind, each.status, each.live) for each in found] == [
        ("API key", "foreign", False),
        ("client secret", "foreign", False),
    ]


def test_a_revoked_key_is_not_valid(gam: Gam, issued: IssuedKey) -> None:
    keys.revoke(gam, [issued.record.id], None)
    (found,) = look(gam, issued.secret)
    assert (found.status, found.live, found.user) == ("revoked", False, "ana")


def test_a_client_secret_is_valid_until_its_overlap_ends(gam: Gam, portal: CreateResult[App], forward: Forward) -> None:
    assert portal.secret
    fresh = apps.rotate_secret(gam, "portal", overlap=timedelta(hours=1)).secret
    assert fresh
    assert [(each.status, each.live, each.app, each.id) for each in look(gam, fresh, portal.secret)] == [
        ("active", True, "portal", None),
        ("retiring", True, "portal", None),
    ]
    forward(timedelta(hours=1))
    assert [(each.status, each.live) for each in look(gam, portal.secret)] == [("replaced", False)]


def test_a_secret_found_in_many_places_is_looked_up_once(
    gam: Gam, issued: IssuedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    find = store.keys.find

    def counted(tx: Transaction, key_id: str) -> Key | None:
        asked.append(key_id)
        return find(tx, key_id)

    monkeypatch.setattr(store.keys, "find", counted)
    assert len(look(gam, *[issued.secret] * 50)) == 50
    assert asked == [issued.record.id]


@pytest.fixture
def leaked(gam: Gam, issued: IssuedKey, portal: CreateResult[App]) -> list[ScanFinding]:
    assert portal.secret
    old, current = issued.secret, keys.generate(gam, KeySpec("ana", "portal", replace=True)).secret
    return look(gam, current, old, portal.secret, current)


def test_leaked_active_keys_are_revoked_and_audited(
    gam: Gam, leaked: list[ScanFinding], audit_log: ReadAuditLog
) -> None:
    after = findings.revoke(gam, leaked, "leaked", yes=True)
    assert [(each.status, each.live) for each in after] == [
        ("revoked", False),
        ("replaced", False),
        ("active", True),
        ("revoked", False),
    ]
    assert [each.line for each in after] == [1, 2, 3, 4]
    entry = audit_log()[-1]
    assert (entry.action, entry.target, json.loads(entry.details)["reason"]) == ("key.revoke", leaked[0].id, "leaked")
    assert [each.action for each in audit_log()].count("key.revoke") == 1


def test_a_foreign_secret_with_the_id_of_a_leaked_key_stays_foreign(gam: Gam, issued: IssuedKey) -> None:
    text = f"gamkey_{issued.record.id}_{'x' * 32}"
    both = look(gam, issued.secret, Secret(text + checksum(text)))
    assert [each.status for each in findings.revoke(gam, both, "leaked", yes=True)] == ["revoked", "foreign"]


def test_keys_are_not_revoked_without_confirmation(
    gam: Gam, leaked: list[ScanFinding], audit_log: ReadAuditLog
) -> None:
    before = audit_log()
    with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 1 active key") as raised:
        findings.revoke(gam, leaked, "leaked", yes=False)
    assert [each.key.id for each in raised.value.impacts] == [leaked[0].id]  # type: ignore[attr-defined]
    assert audit_log() == before


def test_without_active_keys_no_confirmation_is_needed(gam: Gam, leaked: list[ScanFinding]) -> None:
    others = [leaked[1], leaked[2]]
    assert findings.revoke(gam, others, "leaked", yes=False) == others


def test_the_number_of_active_keys_is_reported(gam: Gam, leaked: list[ScanFinding]) -> None:
    apps.create(gam, apps.AppSpec("shop", {"remote_rest": True, "api_keys.enabled": True}, ("gam_user_data",)))
    more = look(gam, keys.generate(gam, KeySpec("ana", "shop")).secret)
    with pytest.raises(InvalidatesKeysError, match="this permanently invalidates 2 active keys"):
        findings.revoke(gam, [*leaked, *more], "leaked", yes=False)


def test_a_dry_run_shows_the_keys_to_be_revoked(gam: Gam, leaked: list[ScanFinding]) -> None:
    dry_run = DryRun()
    with gam.store.dry_run():
        findings.revoke(Gam(gam.store, gam.now, gam.entropy, gam.actor, dry_run), leaked, "leaked", yes=False)
    assert [each.key for each in dry_run.plan().invalidates] == [leaked[0].id]
