"""
Requests for a key that may be repeated safely: one id, one key, however often it is asked for.

Whoever does not know whether a request was heard repeats it with its id. A key that nobody has used yet gets a fresh
secret, and the one that was lost on the way dies; a key in use, or one that has ended, stays as it is.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam, keys
from gamcli.actions.changes import SaveSecret, discard_secret
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import Key, normalize_name
from gamcli.rules import bulk_minting, grants, names, scopes
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import GrantFacts
from gamcli.rules.keys import ISSUE_RULES, IssuedKey
from gamcli.store import Transaction
from gamcli.store.request_ids import KeyRequest

MAX_ID_LENGTH = 100
"""So many characters an id of a request has at most."""


class RequestedKey(NamedTuple):
    """The key of a request; `secret` None = it has reached its owner before, `again` = it was asked for before."""

    record: Key
    secret: Secret | None
    is_repeat: bool = False


def generate(gam: Gam, spec: KeySpec, request_id: str, save_secret: SaveSecret[Key] = discard_secret) -> RequestedKey:
    """
    Make an API key as `keys.generate` does, or return the one that was made for this `request_id`.

    Raises ConflictError when the request asked for something else.
    """
    check_id(request_id)
    with gam.store.writing() as tx:
        asked = _canonical_json(tx, spec)
        found = store.request_ids.find(tx, request_id)
        if found is not None:
            require_same_request(found, asked)
            return _repeat_request(tx, gam, found, save_secret)

        def keep_both(key: Key, secret: Secret) -> None:
            store.request_ids.add(tx, [KeyRequest(request_id, key.id, asked)])
            save_secret(key, secret)

        issued = keys.generate(gam, spec, keep_both)
    return RequestedKey(issued.record, issued.secret)


def check_id(text: str) -> str:
    """Return `text` when it may be the id of a request."""
    if not text:
        raise UsageError("the request id is empty", "any text that names this one request, such as a UUID")
    return names.check_text("the request id", text, MAX_ID_LENGTH)


class CanonicalRequest(NamedTuple):
    """What a request asks for, as it is compared: two that ask for the same are written alike."""

    user: str
    client_id: str
    scopes: Sequence[str] | None = None
    auth_type: str | None = None
    expires_in: timedelta | None = None
    label: str = ""
    replace: bool = False
    overlap: timedelta | None = None

    def json(self) -> str:
        """Return it as canonical JSON."""
        found = self._asdict()
        found["scopes"] = None if self.scopes is None else _sorted_scopes(self.scopes)
        found["auth_type"] = None if self.auth_type is None else normalize_name(self.auth_type)
        found["expires_in"] = _total_seconds(self.expires_in)
        found["overlap"] = _total_seconds(self.overlap)
        return json.dumps(found, sort_keys=True, separators=(",", ":"))


def _sorted_scopes(words: Sequence[str]) -> list[str]:
    return sorted({name for word in words for name in scopes.split(word)})


def _total_seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _canonical_json(tx: Transaction, spec: KeySpec) -> str:
    user, app = store.users.get(tx, spec.user), store.apps.get(tx, spec.app)
    terms = (spec.scopes, spec.auth_type, spec.expires_in, spec.label, spec.replace, spec.overlap)
    return CanonicalRequest(user.guid, app.client_id, *terms).json()


def require_same_request(earlier: KeyRequest, request_json: str) -> None:
    """Raise ConflictError unless the request that was `found` asked for the same."""
    if earlier.request_json != request_json:
        before, now = json.loads(earlier.request_json), json.loads(request_json)
        differs = ", ".join(_FIELD_LABELS.get(name, name) for name in now if now[name] != before.get(name))
        raise ConflictError(
            f"request '{names.escape_unprintable(earlier.id)}' made key {earlier.key_id} and asked for something else: another {differs}",
            f"another --request-id, or {command('key', 'show', earlier.key_id)}",
        )


_FIELD_LABELS = {"client_id": "app", "auth_type": "auth type", "expires_in": "expiry"}


def _repeat_request(tx: Transaction, gam: Gam, earlier: KeyRequest, save_secret: SaveSecret[Key]) -> RequestedKey:
    key = store.keys.find(tx, earlier.key_id)
    assert key is not None, "a request goes with its key"
    if not is_unused(key, gam.now()):
        return RequestedKey(key, None, is_repeat=True)
    issued = _reissue(tx, gam, key, earlier.id)
    save_secret(issued.record, issued.secret)
    return RequestedKey(issued.record, issued.secret, is_repeat=True)


def is_unused(key: Key, now: datetime) -> bool:
    """Say whether nobody has used the key yet, and somebody still may."""
    return key.last_used_at is None and key.is_valid(now)


def _reissue(tx: Transaction, gam: Gam, key: Key, request_id: str) -> IssuedKey:
    """Give a key that nobody has used a fresh secret, where a new key could be made."""
    app, user = store.apps.find_by_client_id(tx, key.client_id), store.users.find_by_guid(tx, key.user_guid)
    auth_type = store.auth_types.find(tx, key.auth_type)
    grants.require(ISSUE_RULES, GrantFacts(gam.now(), app=app, user=user, auth_type=auth_type))
    (secret,) = bulk_minting.mint_secrets([key.id], gam.entropy)
    after = replace(key, digest=secret.digest())
    store.batches.replace_digests(tx, {key.id: after.digest})
    gam.record(tx, "key.reissue", key.id, (key, after), user=key.user, app=key.app, request_id=request_id)
    return IssuedKey(after, secret)
