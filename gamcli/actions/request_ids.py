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
from gamcli.actions.changes import Keep, keep_nowhere
from gamcli.actions.keys import KeyWish
from gamcli.errors import ConflictError, UsageError, command
from gamcli.model import Key, fold
from gamcli.rules import bulk_minting, grants, names, scopes
from gamcli.rules.credentials import Secret
from gamcli.rules.grants import Facts
from gamcli.rules.keys import ISSUING, IssuedKey
from gamcli.store import Transaction
from gamcli.store.request_ids import Request

LONGEST = 100
"""So many characters an id of a request has at most."""


class Answer(NamedTuple):
    """The key of a request; `secret` None = it has reached its owner before, `again` = it was asked for before."""

    record: Key
    secret: Secret | None
    again: bool = False


def generate(gam: Gam, wish: KeyWish, request_id: str, keep: Keep[Key] = keep_nowhere) -> Answer:
    """
    Make an API key as `keys.generate` does, or return the one that was made for this `request_id`.

    Raises ConflictError when the request asked for something else.
    """
    check_id(request_id)
    with gam.store.writing() as tx:
        asked = _asked(tx, wish)
        found = store.request_ids.find(tx, request_id)
        if found is not None:
            require_same(found, asked)
            return _again(tx, gam, found, keep)

        def keep_both(key: Key, secret: Secret) -> None:
            store.request_ids.add(tx, [Request(request_id, key.id, asked)])
            keep(key, secret)

        issued = keys.generate(gam, wish, keep_both)
    return Answer(issued.record, issued.secret)


def check_id(text: str) -> str:
    """Return `text` when it may be the id of a request."""
    if not text:
        raise UsageError("the request id is empty", "any text that names this one request, such as a UUID")
    return names.check_text("the request id", text, LONGEST)


class Asked(NamedTuple):
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
        found["scopes"] = None if self.scopes is None else _distinct(self.scopes)
        found["auth_type"] = None if self.auth_type is None else fold(self.auth_type)
        found["expires_in"] = _seconds(self.expires_in)
        found["overlap"] = _seconds(self.overlap)
        return json.dumps(found, sort_keys=True, separators=(",", ":"))


def _distinct(words: Sequence[str]) -> list[str]:
    return sorted({name for word in words for name in scopes.split(word)})


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _asked(tx: Transaction, wish: KeyWish) -> str:
    user, app = store.users.named(tx, wish.user), store.apps.named(tx, wish.app)
    terms = (wish.scopes, wish.auth_type, wish.expires_in, wish.label, wish.replace, wish.overlap)
    return Asked(user.guid, app.client_id, *terms).json()


def require_same(found: Request, asked: str) -> None:
    """Raise ConflictError unless the request that was `found` asked for the same."""
    if found.asked != asked:
        before, now = json.loads(found.asked), json.loads(asked)
        differs = ", ".join(_WORDS.get(name, name) for name in now if now[name] != before.get(name))
        raise ConflictError(
            f"request '{names.shown(found.id)}' made key {found.key} and asked for something else: another {differs}",
            f"another --request-id, or {command('key', 'show', found.key)}",
        )


_WORDS = {"client_id": "app", "auth_type": "auth type", "expires_in": "expiry"}


def _again(tx: Transaction, gam: Gam, found: Request, keep: Keep[Key]) -> Answer:
    key = store.keys.find(tx, found.key)
    assert key is not None, "a request goes with its key"
    if not awaits_use(key, gam.now()):
        return Answer(key, None, again=True)
    issued = _reissue(tx, gam, key, found.id)
    keep(issued.record, issued.secret)
    return Answer(issued.record, issued.secret, again=True)


def awaits_use(key: Key, now: datetime) -> bool:
    """Say whether nobody has used the key yet, and somebody still may."""
    return key.last_used_at is None and key.is_live(now)


def _reissue(tx: Transaction, gam: Gam, key: Key, request_id: str) -> IssuedKey:
    """Give a key that nobody has used a fresh secret, where a new key could be made."""
    app, user = store.apps.of_client(tx, key.client_id), store.users.with_guid(tx, key.user_guid)
    auth_type = store.auth_types.find(tx, key.auth_type)
    grants.require(ISSUING, Facts(gam.now(), app=app, user=user, auth_type=auth_type))
    (secret,) = bulk_minting.mint_secrets([key.id], gam.entropy)
    after = replace(key, digest=secret.digest())
    store.batches.renew(tx, {key.id: after.digest})
    gam.record(tx, "key.reissue", key.id, (key, after), user=key.user, app=key.app, request_id=request_id)
    return IssuedKey(after, secret)
