"""Leaks: whose the credentials are that were found, and the end of those that live."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from gamcli import store
from gamcli.actions import Gam, keys
from gamcli.errors import EndsKeysError
from gamcli.model import App, Impact
from gamcli.model.findings import FOREIGN, UNKNOWN, Sighting, Source
from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import API_KEY, Leak
from gamcli.store import Transaction

SEEN_LATELY = 4096
"""So many secrets are remembered: one that leaked once lies in many places."""


def judged(gam: Gam | None, sighted: Iterable[tuple[Source, Leak]]) -> Iterator[Sighting]:
    """Yield what the store knows of each credential, as it comes; without a store nothing is known but its form."""
    judge = lru_cache(SEEN_LATELY)(lambda kind, secret: _whose(gam, kind, secret))
    for source, leak in sighted:
        known = judge(leak.kind, leak.secret)
        yield replace(known, **source._asdict(), line=leak.line, column=leak.column, id=leak.id)


def _whose(gam: Gam | None, kind: str, secret: Secret) -> Sighting:
    """Return what is known of one that lies nowhere yet."""
    leak = Leak(kind, secret, 0, 0)
    status, live = (UNKNOWN, None) if gam is None else (FOREIGN, False)
    found = Sighting("", 0, 0, None, kind, None, status, live, None, None, None, leak.fingerprint)
    if gam is None:
        return found
    with gam.store.reading() as tx:
        return _key(gam, tx, leak, found) if kind == API_KEY else _client_secret(gam, tx, leak, found)


def _key(gam: Gam, tx: Transaction, leak: Leak, found: Sighting) -> Sighting:
    key = store.keys.find(tx, leak.id or "")
    if key is None or not leak.secret.matches(key.digest):
        return found
    now = gam.now()
    return replace(
        found,
        status=key.status(now),
        live=key.is_live(now),
        user=key.user,
        app=key.app,
        last_used_at=key.last_used_at,
    )


def _client_secret(gam: Gam, tx: Transaction, leak: Leak, found: Sighting) -> Sighting:
    app = store.apps.with_secret(tx, leak.secret.digest())
    if app is None:
        return found
    status = _status(gam, app, leak.secret)
    return replace(found, status=status, live=status != "replaced", app=app.name, last_used_at=app.last_used_at)


def _status(gam: Gam, app: App, secret: Secret) -> str:
    if secret.matches(app.secret_digest):
        return "active"
    return "replaced" if app.secret_retires_at(gam.now()) is None else "retiring"


def revoke(gam: Gam, sighted: Sequence[Sighting], reason: str, *, yes: bool) -> list[Sighting]:
    """
    End the live keys among `sighted`, and return all of these as they are then; client secrets stay as they are.

    Raises EndsKeysError when nobody said yes and it is not only tried.
    """
    ids = list(dict.fromkeys(each.id for each in sighted if each.live and each.id))
    with gam.store.writing() as tx:
        if ids and not yes and gam.rehearsal is None:
            raise _unaccepted(tx, ids, reason)
        ended = {changed.record.id: changed.record for changed in keys.revoke(gam, ids, reason)}
    now = gam.now()
    return [
        replace(each, status=ended[each.id].status(now), live=False) if each.id in ended and each.live else each
        for each in sighted
    ]


def _unaccepted(tx: Transaction, ids: Sequence[str], reason: str) -> EndsKeysError:
    count = "1 live key" if len(ids) == 1 else f"{len(ids)} live keys"
    impacts = [Impact(store.keys.named(tx, each), ends=True, reason=reason) for each in ids]
    return EndsKeysError(f"this ends {count} for good", "add --yes to do it", impacts)
