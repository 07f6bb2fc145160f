"""
Requests for a key that can be repeated safely: one request ID, one key.

A client that received no response repeats the request with the same ID. If the key is still unused, it gets a new
secret, because the first one may be lost. A used, inactive or imported key stays unchanged.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam, keys, rotation
from gamcli.actions.changes import SaveSecret, discard_secret, load_key_facts
from gamcli.actions.keys import KeySpec
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import Key
from gamcli.rules import grants, names, scopes
from gamcli.rules.credentials import Secret, mint_api_keys
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
        user, app = store.users.get(tx, spec.user), store.apps.get(tx, spec.app)
        request_json = canonical_json(spec._replace(user=user.guid, app=app.client_id))
        request = KeyRequest(request_id, "", request_json)
        return _issue_once(tx, gam, request, lambda save: keys.generate(gam, spec, save), save_secret)


def rotate(
    gam: Gam, key_id: str, overlap: timedelta, request_id: str, save_secret: SaveSecret[Key] = discard_secret
) -> RequestedKey:
    """Rotate a key as `rotation.rotate` does, or return the key that was issued for this request ID."""
    check_id(request_id)
    with gam.store.writing() as tx:
        old = keys.load_key(tx, key_id)
        request_json = canonical_json(KeySpec(old.user_guid, old.client_id, overlap=overlap), rotation=True)
        request = KeyRequest(request_id, "", request_json)
        return _issue_once(tx, gam, request, partial(rotation.rotate, gam, old.id, overlap, None), save_secret)


def _issue_once(
    tx: Transaction,
    gam: Gam,
    request: KeyRequest,
    issue: Callable[[SaveSecret[Key]], IssuedKey | None],
    save_secret: SaveSecret[Key],
) -> RequestedKey:
    """Issue a key and save its request before its secret, or return the key of the earlier request with this ID."""
    earlier = store.request_ids.find(tx, request.id)
    if earlier is not None:
        require_same_request(earlier, request.request_json)
        return _repeat_request(tx, gam, earlier, save_secret)

    def save(key: Key, secret: Secret) -> None:
        store.request_ids.add(tx, [request._replace(key_id=key.id)])
        save_secret(key, secret)

    issued = issue(save)
    assert issued is not None, "rotated whether due or not"
    return RequestedKey(*issued)


def check_id(text: str) -> str:
    """Return `text` if it is a valid request ID."""
    if not text:
        raise UsageError("the request ID is empty", "use any text that identifies this request, such as a UUID")
    return names.check_text("the request ID", text, MAX_ID_LENGTH)


def canonical_json(spec: KeySpec, **more: object) -> str:
    """Return a request in a form that can be compared; its user is a GUID, and its application a client ID."""
    requested = None if spec.scopes is None else sorted({name for word in spec.scopes for name in scopes.split(word)})
    fields = {**spec._asdict(), "client_id": spec.app, "scopes": requested, **more}
    del fields["app"]
    for name in ("expires_at", "api_key"):
        if fields[name] is None:
            del fields[name]  # requests of earlier versions have none
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_to_json_value)


def _to_json_value(value: timedelta | datetime | Secret) -> object:
    if isinstance(value, Secret):
        return value.digest().hex()
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()


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
    """Return the key of an earlier request, with a new secret if it is unused and the rules allow a new key."""
    key = store.keys.find(tx, earlier.key_id)
    assert key is not None, "a request is deleted with its key"
    if not is_unused(key, gam.now()) or is_import(earlier):
        return RequestedKey(key, None, is_repeat=True)
    (facts,) = load_key_facts(tx, gam, [key])
    grants.require(ISSUE_RULES, facts)
    (secret,) = mint_api_keys([key.id], gam.entropy)
    after = key._replace(digest=secret.digest())
    store.batches.replace_digests(tx, {key.id: after.digest})
    gam.record(tx, "key.reissue", key.id, (key, after), user=key.user, app=key.app, request_id=earlier.id)
    save_secret(after, secret)
    return RequestedKey(after, secret, is_repeat=True)


def is_import(request: KeyRequest) -> bool:
    """Say whether the request imported a key, which never gets a new secret."""
    return "api_key" in json.loads(request.request_json)


def is_unused(key: Key, now: datetime) -> bool:
    """Say whether the key is valid and was never used."""
    return key.last_used_at is None and key.is_valid(now)
