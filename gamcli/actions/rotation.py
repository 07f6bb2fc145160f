"""Rotating API keys: a successor for one key, or for all that are due."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import SaveSecret, discard_secret, load_key_facts
from gamcli.actions.keys import KeySearch, add, build_filter, load_key, replace_current_key
from gamcli.errors import RefusedError, command
from gamcli.model import Key
from gamcli.rules import keys as rules
from gamcli.rules.api_key_grant import KEY_DISABLED
from gamcli.rules.grants import GrantFacts, find_violation


def rotate(
    gam: Gam,
    key_id: str,
    overlap: timedelta,
    if_due: timedelta | None = None,
    save_secret: SaveSecret[Key] = discard_secret,
) -> rules.IssuedKey | None:
    """
    Issue the successor of a key, found by the beginning of its ID; the old key stays valid for `overlap`.

    Returns None if the key does not expire within `if_due`. Raises RefusedError if the key is not active or a rule
    refuses the new one, and UsageError if the new one would be due at once.
    """
    with gam.store.writing() as tx:
        old, now = load_key(tx, key_id), gam.now()
        _require_active(old, now)
        if not rules.is_expiring(old, now, if_due):
            return None
        (facts,) = load_key_facts(tx, gam, [old])
        issued = rules.issue(facts, rules.renewal_options(old), gam.entropy)
        rules.require_larger_lifetime(issued.record, if_due)
        issued = issued._replace(record=issued.record._replace(replaces=old.id))
        issued, _ = replace_current_key(tx, gam, issued, overlap)
        add(gam, tx, issued.record, old.id, action="key.rotate", overlap=overlap)
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


class DueKey(NamedTuple):
    """A key that expires soon or has expired; `refusal` is why it cannot be rotated now, None if it can."""

    key: Key
    refusal: str | None


@contextmanager
def find_due(gam: Gam, search: KeySearch) -> Iterator[Iterator[DueKey]]:
    """
    Yield active keys that expire within `search.expiring_within` and expired keys without a successor, by expiry time.

    Expired keys of users and applications that are not active are left out.
    """
    with gam.store.reading() as tx:
        filters = build_filter(tx, search, gam.now())._replace(
            is_current=True, include_retiring=False, sort="expires_at"
        )
        facts = load_key_facts(tx, gam, store.keys.search(tx, filters))
        yield (due for each in facts if (due := _judge_due(each)) is not None)


def _judge_due(facts: GrantFacts) -> DueKey | None:
    key = facts.known_key
    status = key.status(facts.now)
    if key.retires_at is not None or status not in ("active", "expired"):
        return None
    violation = find_violation((KEY_DISABLED, *rules.ISSUE_RULES), facts)
    if violation is None:
        return DueKey(key, None)
    return None if status == "expired" else DueKey(key, violation.message(facts))
