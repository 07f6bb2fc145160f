"""Rotating API keys: a successor for one key, or for all that are due."""

from datetime import datetime, timedelta

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import SaveSecret, discard_secret
from gamcli.actions.keys import audit_details, inherit_owner, load_key, replace_current_key
from gamcli.errors import RefusedError, command
from gamcli.model import Key
from gamcli.rules import keys as rules
from gamcli.rules.grants import GrantFacts


def rotate(
    gam: Gam,
    key_id: str,
    overlap: timedelta,
    *,
    if_due: timedelta | None = None,
    save_secret: SaveSecret[Key] = discard_secret,
) -> rules.IssuedKey | None:
    """
    Issue the successor of a key, found by the beginning of its ID; the old key stays valid for `overlap`.

    Returns None if the key does not expire within `if_due`. Raises RefusedError if the key is not active or a rule
    refuses the new one.
    """
    with gam.store.writing() as tx:
        old, now = load_key(tx, key_id), gam.now()
        _require_active(old, now)
        if not rules.is_expiring(old, now, if_due):
            return None
        app, user = store.apps.find_by_client_id(tx, old.client_id), store.users.find_by_guid(tx, old.user_guid)
        facts = GrantFacts(now, app=app, user=user, auth_type=store.auth_types.find(tx, old.auth_type))
        issued = rules.issue(facts, rules.renewal_options(old), gam.entropy)
        issued = inherit_owner(tx, replace_current_key(tx, gam, issued.record, overlap), issued)
        store.keys.add(tx, issued.record)
        details = {**audit_details(issued.record), "replaces": old.id, "overlap": overlap}
        gam.record(tx, "key.rotate", issued.record.id, (None, issued.record), **details)
        save_secret(issued.record, issued.secret)
    return issued


def _require_active(key: Key, now: datetime) -> None:
    status = key.status(now)
    if status == "active" and not key.enabled:
        raise RefusedError("key_disabled", f"key {key.id} is disabled", command("key", "enable", key.id))
    if status == "active":
        return
    find_successor = command("key", "list", "--user", key.user, "--app", key.app, "--status", "active")
    issue_another = command("key", "generate", "--user", key.user, "--app", key.app)
    hint = find_successor if status == "retiring" else issue_another
    raise RefusedError(f"key_{status}", f"key {key.id} is {status}", hint)
