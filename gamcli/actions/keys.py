"""API keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.changes import (
    ChangeResult,
    SaveSecret,
    discard_secret,
    invalidates_keys_error,
    load_issue_facts,
    parse_scopes,
)
from gamcli.errors import ConflictError, NotFoundError, UnconfirmedError, UsageError, command
from gamcli.model import Key, KeyImpact
from gamcli.rules import durations, names
from gamcli.rules import keys as rules
from gamcli.rules.credentials import Secret, api_key_lookup_id, parse_api_key_id
from gamcli.store import Transaction
from gamcli.store.keys import KeyFilter


class KeySpec(NamedTuple):
    """
    The settings of a new key; without `scopes` it gets all scopes that the application publishes.

    `api_key` is a key that the client already has: it is imported, and no key is minted.
    If the user already has an active key for the application, `replace` replaces it immediately and `overlap` keeps it
    valid for that time.
    """

    user: str
    app: str
    scopes: tuple[str, ...] | None = None
    expires_in: timedelta | None = None
    label: str = ""
    replace: bool = False
    overlap: timedelta | None = None
    expires_at: datetime | None = None
    api_key: Secret | None = None


class KeySearch(NamedTuple):
    """The filters of a list of keys, by the names of user and application; None or no `statuses` matches all."""

    user: str | None = None
    app: str | None = None
    statuses: tuple[str, ...] = ()
    label: str | None = None
    enabled: bool | None = None
    expiring_within: timedelta | None = None
    unused_for: timedelta | None = None
    sort: str | None = None
    limit: int | None = None


def generate(gam: Gam, spec: KeySpec, save_secret: SaveSecret[Key] = discard_secret) -> rules.IssuedKey:
    """
    Issue an API key to a user for an application, or import the one in `spec`.

    Raises NotFoundError for an unknown name, RefusedError if a rule refuses the key, and ConflictError if the user
    has an active key for the application and `spec` does not say what to do with it, or if an imported key exists.
    """
    with gam.store.writing() as tx:
        user, app = store.users.get(tx, spec.user), store.apps.get(tx, spec.app)
        facts = load_issue_facts(tx, gam, user, app)
        granted = None if spec.scopes is None else parse_scopes(tx, app.scopes, spec.scopes)
        lifetime = spec.expires_in if spec.expires_at is None else spec.expires_at - facts.now
        options = rules.KeyOptions(granted, lifetime, spec.label, api_key=spec.api_key)
        issued = rules.issue(facts, options, gam.entropy)
        if spec.api_key is not None:
            require_new(tx, issued.record.id, issued.record.digest)
        issued, old = replace_current_key(tx, gam, issued, timedelta(0) if spec.replace else spec.overlap)
        action = "key.generate" if spec.api_key is None else "key.import"
        add(gam, tx, issued.record, old.id if old else None, action=action)
        save_secret(issued.record, issued.secret)
    return issued


def require_new(tx: Transaction, key_id: str, digest: bytes) -> None:
    """Raise ConflictError if a key with the ID of an imported one exists."""
    existing = store.keys.find(tx, key_id)
    if existing is not None:
        raise ConflictError(exists_message(existing, digest), command("key", "show", key_id))


def exists_message(existing: Key, digest: bytes) -> str:
    """Return why an API key with that digest, and the ID of an existing key, cannot be imported."""
    if existing.digest != digest:
        return f"another key has the ID of this API key: {existing.id}"
    return f"this API key already exists: key {existing.id} of {existing.user} for {existing.app}"


def add(
    gam: Gam,
    tx: Transaction,
    key: Key,
    replaces: str | None = None,
    *,
    action: str = "key.generate",
    is_first: bool = False,
    **details: object,
) -> None:
    """Save a new key; `is_first` says that the user never had a key for the application."""
    store.keys.add(tx, key, is_first=is_first, is_current=key.is_valid(gam.now()))
    settings = {name: getattr(key, name) for name in ("user", "app", "scopes", "expires_at", "label")}
    gam.record(tx, action, key.id, (None, key), **settings, replaces=replaces, **details)


def replace_key(gam: Gam, tx: Transaction, old: Key, new: Key, overlap: timedelta = timedelta(0)) -> None:
    """Replace a key immediately, or keep it valid for `overlap`, but not beyond its expiry."""
    if overlap > timedelta(0):
        _require_few_retiring(tx, gam, old)
        retires_at = durations.earliest(durations.add_duration(gam.now(), overlap), old.expires_at)
        assert retires_at is not None
        store.keys.retire(tx, old.id, retires_at)
        gam.record_change("key.retire", old.id, (old, old._replace(retires_at=retires_at)))
        return
    store.keys.record_end(tx, old.id, "replaced", gam.now(), f"replaced by {new.id}")
    gam.record_impact(KeyImpact(old, is_permanent=True, reason="replaced by the new key"))


def replace_current_key(
    tx: Transaction, gam: Gam, issued: rules.IssuedKey, overlap: timedelta | None
) -> tuple[rules.IssuedKey, Key | None]:
    """
    Replace or retire the user's current key; return the new key, with the old one's owner, and the old one.

    An `overlap` of zero replaces it immediately. Raises ConflictError if `overlap` is None. The successor of an adopted
    key counts as adopted too.
    """
    key = issued.record
    old = store.keys.find_current(tx, key.user_guid, key.client_id)
    if old is None or not old.is_valid(gam.now()):
        return issued, None
    if overlap is None:
        adjective = "an active" if old.enabled else "a disabled"
        raise ConflictError(
            f"user '{key.user}' already has {adjective} key for application '{key.app}': {old.id}",
            "add --replace to replace it now, or --overlap 7d to keep it valid for 7 days",
        )
    replace_key(gam, tx, old, key, overlap)
    if old.managed_by is not None:
        store.adoptions.inherit(tx, old, key)
        issued = issued._replace(record=key._replace(managed_by=old.managed_by))
    return issued, old


MAX_RETIRING_KEYS = 2
"""A user and application have at most one active key and this many retiring ones."""


def _require_few_retiring(tx: Transaction, gam: Gam, key: Key) -> None:
    retiring = store.keys.find_retiring(tx, key.user_guid, key.client_id, gam.now())
    if len(retiring) >= MAX_RETIRING_KEYS:
        ids = " and ".join(each.id for each in retiring)
        raise ConflictError(
            f"user '{key.user}' already has {len(retiring)} retiring keys for application '{key.app}': {ids}",
            f"{command('key', 'revoke', retiring[0].id)}, or wait until it retires at "
            f"{retiring[0].retires_at:%Y-%m-%d %H:%M}Z",
        )


def show(gam: Gam, key_id: str) -> Key:
    """Return the key whose ID begins with `key_id`."""
    with gam.store.reading() as tx:
        return load_key(tx, key_id)


def find_by_secret(gam: Gam, secret: Secret) -> Key | None:
    """Return the record of an API key, also of one that does not have the format of gamcli."""
    with gam.store.reading() as tx:
        return _find_by_secret(tx, secret)


def _find_by_secret(tx: Transaction, secret: Secret) -> Key | None:
    key = store.keys.find(tx, api_key_lookup_id(secret))
    return key if key is not None and secret.matches(key.digest) else None


def load_key(tx: Transaction, key_id: str) -> Key:
    """Return the key whose ID begins with `key_id`; raises NotFoundError, also for an API key instead of its ID."""
    id_of_secret = parse_api_key_id(Secret(key_id))
    if id_of_secret is not None:
        raise NotFoundError(
            "'gamkey_...' is an API key, not a key ID, and is now in your shell history",
            f"{command('key', 'show', id_of_secret)}; to pass an API key, use --api-key-file FILE",
        )
    return store.keys.get_by_prefix(tx, key_id)


@contextmanager
def search(gam: Gam, search: KeySearch) -> Iterator[Iterator[Key]]:
    now = gam.now()
    with gam.store.reading() as tx:
        keys = store.keys.search(tx, build_filter(tx, search, now))
        yield islice((key for key in keys if _matches_search(key, search, now)), search.limit)


def _matches_search(key: Key, search: KeySearch, now: datetime) -> bool:
    if (search.expiring_within, search.unused_for) != (None, None) and not key.is_valid(now):
        return False
    if search.unused_for is not None and now - (key.last_used_at or key.created_at) < search.unused_for:
        return False
    return not search.statuses or key.status(now) in search.statuses


def build_filter(tx: Transaction, search: KeySearch, now: datetime) -> KeyFilter:
    """Return what the store can decide of a search; raises NotFoundError for an unknown user or application."""
    within = search.expiring_within
    return KeyFilter(
        user_guid=None if search.user is None else store.users.get(tx, search.user).guid,
        client_id=None if search.app is None else store.apps.get(tx, search.app).client_id,
        label=search.label,
        enabled=search.enabled,
        not_ended=within is not None,
        expires_before=None if within is None else now + within,
        include_retiring="retiring" in (search.statuses or ("retiring",)),
        sort=search.sort,
    )


def revoke(gam: Gam, key_ids: Sequence[str], reason: str | None, *, yes: bool = False) -> list[ChangeResult[Key]]:
    """
    Revoke keys, found by the beginnings of their IDs; keys that are not valid stay unchanged.

    Raises UnconfirmedError for an incomplete ID unless `yes` is set.
    """
    with gam.store.writing() as tx:
        found = {key_id: load_key(tx, key_id) for key_id in key_ids}
        incomplete = [key for key_id, key in found.items() if key.id != key_id]
        if incomplete and not yes and gam.dry_run is None:
            raise UnconfirmedError(
                f"an incomplete ID selects {'; '.join(map(_describe_key, incomplete))}",
                f"{command('key', 'revoke', *(key.id for key in found.values()))}, or add --yes",
            )
        return _revoke_keys(tx, gam, list({key.id: key for key in found.values()}.values()), reason)


def _describe_key(key: Key) -> str:
    used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}Z" if key.last_used_at else "never used"
    return f"key {key.id} of {key.user} for {key.app}, {used}"


def revoke_by_secret(gam: Gam, secret: Secret, reason: str | None) -> ChangeResult[Key]:
    with gam.store.writing() as tx:
        key = _find_by_secret(tx, secret)
        if key is not None:
            return _revoke_keys(tx, gam, [key], reason)[0]
    if parse_api_key_id(secret) is None:
        raise UsageError(
            "not a valid API key: wrong format or checksum", command("key", "inspect", "--api-key-file", "FILE")
        )
    raise NotFoundError("the API key is not in this store", command("key", "list"))


def revoke_all(gam: Gam, search: KeySearch, reason: str | None, accept: int | None) -> list[ChangeResult[Key]]:
    """Revoke all keys of a user or application that are valid; their number must be in `accept`."""
    with gam.store.writing() as tx:
        filters = build_filter(tx, search, gam.now())._replace(not_ended=True)
        keys = [key for key in store.keys.search(tx, filters) if key.is_valid(gam.now())]
        if keys and len(keys) != accept and gam.dry_run is None:
            raise invalidates_keys_error([KeyImpact(key, is_permanent=True, reason="revoked") for key in keys], accept)
        return _revoke_keys(tx, gam, keys, reason)


def _revoke_keys(tx: Transaction, gam: Gam, keys: Sequence[Key], reason: str | None) -> list[ChangeResult[Key]]:
    tokens = store.tokens.count_active(tx, keys, gam.now())
    return [_revoke_key(tx, gam, key, reason, tokens.get(key.id, 0)) for key in keys]


def _revoke_key(tx: Transaction, gam: Gam, key: Key, reason: str | None, tokens: int) -> ChangeResult[Key]:
    now = gam.now()
    if not key.is_valid(now):
        return ChangeResult(key, is_changed=False)
    if reason is not None:
        names.check_text("the reason", reason)
    store.keys.record_end(tx, key.id, "revoked", now, reason)
    after = key._replace(ended_at=now, end="revoked", reason=reason)
    gam.record(tx, "key.revoke", key.id, (key, after), user=key.user, app=key.app, reason=reason, tokens=tokens)
    gam.record_impact(KeyImpact(key, is_permanent=True, reason=reason or "revoked"))
    return ChangeResult(after, tokens=tokens)
