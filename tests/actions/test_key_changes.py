"""Disabling, enabling and labelling keys."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from gamcli.actions import DryRun, Gam, issuance, key_changes, keys, rotation, tokens, userinfo
from gamcli.actions.keys import KeySearch, KeySpec
from gamcli.errors import ConflictError, RefusedError
from gamcli.model import AuditEntry
from gamcli.rules.grants import TokenRequest
from gamcli.rules.keys import IssuedKey


def refused_rule(call: Callable[[], object]) -> str:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.rule


def test_a_disabled_key_and_its_tokens_are_refused_until_it_is_enabled(
    gam: Gam, issued: IssuedKey, asked: TokenRequest
) -> None:
    token = issuance.exchange(gam, asked)
    assert userinfo.userinfo(gam, token.secret)
    key_changes.disable(gam, issued.record.id, "leaving")
    assert refused_rule(lambda: issuance.exchange(gam, asked)) == "key_disabled"
    assert refused_rule(lambda: userinfo.userinfo(gam, token.secret)) == "token_revoked"
    shown = tokens.show(gam, token.id)
    assert (shown.status(gam.now()), shown.reason) == ("revoked", "key disabled")
    key_changes.enable(gam, issued.record.id)
    assert issuance.exchange(gam, asked)
    assert userinfo.userinfo(gam, token.secret)


def test_a_token_revoked_while_its_key_is_disabled_stays_revoked(
    gam: Gam, issued: IssuedKey, asked: TokenRequest
) -> None:
    token = issuance.exchange(gam, asked)
    key_changes.disable(gam, issued.record.id, None)
    assert tokens.revoke(gam, token.id).is_changed
    key_changes.enable(gam, issued.record.id)
    assert refused_rule(lambda: userinfo.userinfo(gam, token.secret)) == "token_revoked"


def test_disabling_and_enabling_keep_the_status_and_are_audited(
    gam: Gam, issued: IssuedKey, audit_log: Callable[[], list[AuditEntry]]
) -> None:
    disabled = key_changes.disable(gam, issued.record.id[:4], "leaving")
    assert keys.show(gam, issued.record.id) == disabled.record
    assert (disabled.record.enabled, disabled.record.reason) == (False, "leaving")
    assert (disabled.record.status(gam.now()), disabled.suspended_count) == ("active", 1)
    assert key_changes.enable(gam, issued.record.id).record == issued.record == keys.show(gam, issued.record.id)
    before, after = audit_log()[-2:]
    assert (before.action, before.target) == ("key.disable", issued.record.id)
    details = json.loads(before.details)
    assert (details["user"], details["app"], details["reason"]) == ("ana", "portal", "leaving")
    assert details["disabled_at"][0] is None
    assert (after.action, after.target) == ("key.enable", issued.record.id)


def test_a_second_time_changes_nothing(gam: Gam, issued: IssuedKey, audit_log: Callable[[], list[AuditEntry]]) -> None:
    assert not key_changes.enable(gam, issued.record.id).is_changed
    key_changes.disable(gam, issued.record.id, None)
    count = len(audit_log())
    assert not key_changes.disable(gam, issued.record.id, "again").is_changed
    assert keys.show(gam, issued.record.id).reason is None
    assert len(audit_log()) == count


def test_a_revoked_key_is_neither_disabled_nor_enabled(gam: Gam, issued: IssuedKey) -> None:
    keys.revoke(gam, [issued.record.id], None)
    assert not key_changes.disable(gam, issued.record.id, None).is_changed
    assert refused_rule(lambda: key_changes.enable(gam, issued.record.id)) == "key_revoked"


def test_a_disabled_key_that_is_revoked_stays_revoked(gam: Gam, issued: IssuedKey) -> None:
    key_changes.disable(gam, issued.record.id, "leaving")
    (result,) = keys.revoke(gam, [issued.record.id], "left")
    assert result.is_changed
    assert (result.record.status(gam.now()), result.record.reason) == ("revoked", "left")


def test_a_disabled_key_is_not_rotated_and_still_the_key_of_its_pair(gam: Gam, issued: IssuedKey) -> None:
    key_changes.disable(gam, issued.record.id, None)
    assert refused_rule(lambda: rotation.rotate(gam, issued.record.id, timedelta(0))) == "key_disabled"
    with pytest.raises(ConflictError, match="already has a disabled key"):
        keys.generate(gam, KeySpec("ana", "portal"))


def test_a_dry_run_shows_the_key_as_suspended(gam: Gam, issued: IssuedKey) -> None:
    dry_run = DryRun()
    trial = Gam(gam.store, gam.now, gam.entropy, "tester", dry_run)
    key_changes.disable(trial, issued.record.id, None)
    assert [(impact.key.id, impact.is_permanent) for impact in dry_run.impacts] == [(issued.record.id, False)]


def test_keys_are_found_by_label_pattern_and_by_state(gam: Gam, issued: IssuedKey) -> None:
    def find(**filters: object) -> int:
        with keys.search(gam, KeySearch(**filters)) as found:  # type: ignore[arg-type]
            return len(list(found))

    assert key_changes.update(gam, issued.record.id, "ci-eu").record.label == "ci-eu"
    assert not key_changes.update(gam, issued.record.id, "ci-eu").is_changed
    assert [find(label=pattern) for pattern in ("ci-*", "ci-eu", "ci", "CI-*", "*eu")] == [1, 1, 0, 0, 1]
    assert [find(enabled=True), find(enabled=False)] == [1, 0]
    key_changes.disable(gam, issued.record.id, None)
    assert [find(enabled=True), find(enabled=False)] == [0, 1]
