"""Changes of API keys that can be undone: disable, enable, label."""

from datetime import datetime

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import ChangeResult
from gamcli.actions.keys import load_key
from gamcli.errors import RefusedError, command
from gamcli.model import Key, KeyImpact
from gamcli.rules import names


def disable(gam: Gam, key_id: str, reason: str | None) -> ChangeResult[Key]:
    """Suspend a key and its tokens until it is enabled again; a key that is not valid stays unchanged."""
    with gam.store.writing() as tx:
        before, now = load_key(tx, key_id), gam.now()
        if not before.enabled or not before.is_valid(now):
            return ChangeResult(before, is_changed=False)
        reason = None if reason is None else names.check_text("the reason", reason)
        after = before._replace(disabled_at=now, reason=reason)
        store.keys.set_disabled(tx, before.id, now, reason)
        gam.record(tx, "key.disable", before.id, (before, after), user=before.user, app=before.app, reason=reason)
        suspended = KeyImpact(before, is_permanent=False, reason=reason or "disabled")
        gam.record_impact(suspended)
    return ChangeResult(after, impacts=(suspended,))


def enable(gam: Gam, key_id: str) -> ChangeResult[Key]:
    """Enable a disabled key and its tokens again; raises RefusedError if the key is not valid any more."""
    with gam.store.writing() as tx:
        before, now = load_key(tx, key_id), gam.now()
        if not before.is_valid(now):
            status = before.status(now)
            another = command("key", "generate", "--user", before.user, "--app", before.app)
            raise RefusedError(f"key_{status}", f"key {before.id} is {status} and cannot be enabled", another)
        if before.enabled:
            return ChangeResult(before, is_changed=False)
        after = before._replace(disabled_at=None, reason=None)
        store.keys.set_disabled(tx, before.id, None, None)
        gam.record(tx, "key.enable", before.id, (before, after), user=before.user, app=before.app)
    return ChangeResult(after)


def retire(gam: Gam, key_id: str, at: datetime) -> Key:
    """Keep a key valid only until `at`, as a rotation with overlap does, without a successor."""
    with gam.store.writing() as tx:
        before = load_key(tx, key_id)
        after = before._replace(retires_at=at)
        store.keys.retire(tx, before.id, at)
        gam.record(tx, "key.retire", before.id, (before, after), user=before.user, app=before.app)
    return after


def update(gam: Gam, key_id: str, label: str) -> ChangeResult[Key]:
    """Change the label of a key, whatever its status."""
    with gam.store.writing() as tx:
        before = load_key(tx, key_id)
        after = before._replace(label=names.check_text("the label", label))
        if after == before:
            return ChangeResult(before, is_changed=False)
        store.keys.set_label(tx, before.id, label)
        gam.record(tx, "key.update", before.id, (before, after), user=before.user, app=before.app)
    return ChangeResult(after)
