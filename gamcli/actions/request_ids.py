"""
Requests for a key that can be repeated safely: one request ID, one key.

A client that received no response repeats the request with the same ID. If the key is still unused, it gets a new
secret, because the first one may be lost. A used, inactive or imported key stays unchanged.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam, keys, rotation
from gamcli.actions.changes import SaveSecret, discard_secret
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import Key
from gamcli.rules import bulk_minting, grants, names, scopes
from gamcli.rules.api_key_grant import find_auth_type
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import GrantFacts
from gamcli.rules.keys import ISSUE_RULES, IssuedKey
from gamcli.store import Transaction
from gamcli.store.request_ids import KeyRequest

MAX_ID_LENGTH = 100


class RequestedKey(NamedTuple):
    """The key of a request; `secret` is None if the key of a repeated request is in use already, or imported."""

    record: Key
    secret: Secret | None
    is_repeat: bool = False


def generate(gam: Gam, spec: KeySpec, request_id: str, save_secret: SaveSecret[Key] = discard_secret) -> RequestedKey:
    """
    Issue an API key as `keys.generate` does, or return the key that was issued for this request ID.

    Raises ConflictError if the earlier request had other settings.
    """
    check_id(request_id)
    with gam.store.writing() as tx:
        request_json = _canonical_json(tx, spec)
        earlier = store.request_ids.find(tx, request_id)
        if earlier is not None:
            require_same_request(earlier, request_json)
            return _repeat_request(tx, gam, earlier, save_secret)

        issued = keys.generate(gam, spec, _save_request_too(tx, request_id, request_json, save_secret))
    return RequestedKey(issued.record, issued.secret)


def rotate(
    gam: Gam, key_id: str, overlap: timedelta, request_id: str, save_secret: SaveSecret[Key] = discard_secret
) -> RequestedKey:
    """Rotate a key as `rotation.rotate` does, or return the key that was issued for this request ID."""
    check_id(request_id)
    with gam.store.writing() as tx:
        old = keys.load_key(tx, key_id)
        request = CanonicalRequest(old.user_guid, old.client_id, overlap=overlap).json()
        request_json = json.dumps({**json.loads(request), "rotation": True}, sort_keys=True, separators=(",", ":"))
        earlier = store.request_ids.find(tx, request_id)
        if earlier is not None:
            require_same_request(earlier, request_json)
            return _repeat_request(tx, gam, earlier, save_secret)

        save = _save_request_too(tx, request_id, request_json, save_secret)
        issued = rotation.rotate(gam, old.id, overlap, save_secret=save)
    assert issued is not None, "rotated whether due or not"
    return RequestedKey(issued.record, issued.secret)


def _save_request_too(
    tx: Transaction, request_id: str, request_json: str, save_secret: SaveSecret[Key]
) -> SaveSecret[Key]:
    """Return a function that saves the request of a new key, and then its secret."""

    def save(key: Key, secret: Secret) -> None:
        store.request_ids.add(tx, [KeyRequest(request_id, key.id, request_json)])
        save_secret(key, secret)

    return save


def check_id(text: str) -> str:
    """Return `text` if it is a valid request ID."""
    if not text:
        raise UsageError("the request ID is empty", "use any text that identifies this request, such as a UUID")
    return names.check_text("the request ID", text, MAX_ID_LENGTH)


class CanonicalRequest(NamedTuple):
    """The settings of a request in a form that can be compared."""

    user: str
    client_id: str
    scopes: Sequence[str] | None = None
    expires_in: timedelta | None = None
    label: str = ""
    replace: bool = False
    overlap: timedelta | None = None
    expires_at: datetime | None = None
    api_key: Secret | None = None

    def json(self) -> str:
        fields = self._asdict()
        fields["scopes"] = None if self.scopes is None else _sorted_scopes(self.scopes)
        fields["expires_in"] = None if self.expires_in is None else self.expires_in.total_seconds()
        fields["overlap"] = None if self.overlap is None else self.overlap.total_seconds()
        fields["expires_at"] = None if self.expires_at is None else self.expires_at.isoformat()
        fields["api_key"] = None if self.api_key is None else self.api_key.digest().hex()
        for name in ("expires_at", "api_key"):
            if fields[name] is None:
                del fields[name]  # requests of earlier versions have none
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def _sorted_scopes(words: Sequence[str]) -> list[str]:
    return sorted({name for word in words for name in scopes.split(word)})


def _canonical_json(tx: Transaction, spec: KeySpec) -> str:
    user, app = store.users.get(tx, spec.user), store.apps.get(tx, spec.app)
    return CanonicalRequest(user.guid, app.client_id, *spec[2:]).json()


def require_same_request(earlier: KeyRequest, request_json: str) -> None:
    """Raise ConflictError unless the earlier request had the same settings."""
    if earlier.request_json == request_json:
        return
    before, now = json.loads(earlier.request_json), json.loads(request_json)
    names_of_fields = sorted({**before, **now}.keys() - {"auth_type"})  # which earlier versions saved
    differing = (name for name in names_of_fields if now.get(name) != before.get(name))
    differences = ", ".join(_FIELD_LABELS.get(name, name) for name in differing)
    if not differences:
        return
    raise ConflictError(
        f"request '{names.escape_unprintable(earlier.id)}' issued key {earlier.key_id}"
        f" with different settings: {differences}",
        f"use another --request-id, or {command('key', 'show', earlier.key_id)}",
    )


_FIELD_LABELS = {"client_id": "app", "expires_in": "expiry", "expires_at": "expiry"}


def _repeat_request(tx: Transaction, gam: Gam, earlier: KeyRequest, save_secret: SaveSecret[Key]) -> RequestedKey:
    key = store.keys.find(tx, earlier.key_id)
    assert key is not None, "a request is deleted with its key"
    if not is_unused(key, gam.now()) or is_import(earlier):
        return RequestedKey(key, None, is_repeat=True)
    issued = _reissue(tx, gam, key, earlier.id)
    save_secret(issued.record, issued.secret)
    return RequestedKey(issued.record, issued.secret, is_repeat=True)


def is_import(request: KeyRequest) -> bool:
    """Say whether the request imported a key, which never gets a new secret."""
    return "api_key" in json.loads(request.request_json)


def is_unused(key: Key, now: datetime) -> bool:
    """Say whether the key is valid and was never used."""
    return key.last_used_at is None and key.is_valid(now)


def _reissue(tx: Transaction, gam: Gam, key: Key, request_id: str) -> IssuedKey:
    """Replace the secret of an unused key, if the rules allow a new key."""
    app, user = store.apps.find_by_client_id(tx, key.client_id), store.users.find_by_guid(tx, key.user_guid)
    auth_type = find_auth_type(app, store.auth_types.search(tx))
    grants.require(ISSUE_RULES, GrantFacts(gam.now(), app=app, user=user, auth_type=auth_type))
    (secret,) = bulk_minting.mint_secrets([key.id], gam.entropy)
    after = replace(key, digest=secret.digest())
    store.batches.replace_digests(tx, {key.id: after.digest})
    gam.record(tx, "key.reissue", key.id, (key, after), user=key.user, app=key.app, request_id=request_id)
    return IssuedKey(after, secret)
