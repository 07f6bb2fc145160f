"""Leaks: whose the credentials are that were found, and the end of those that live."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from gamcli import store
from gamcli.actions import Gam, keys
from gamcli.errors import InvalidatesKeysError
from gamcli.model import App, KeyImpact
from gamcli.model.findings import FOREIGN, UNKNOWN, ScanFinding, ScanSource
from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import API_KEY, Leak
from gamcli.store import Transaction

MAX_CACHED_SECRETS = 4096
"""So many secrets are remembered: one that leaked once lies in many places."""


def look_up_leaks(gam: Gam | None, leaks: Iterable[tuple[ScanSource, Leak]]) -> Iterator[ScanFinding]:
    """Yield what the store knows of each credential, as it comes; without a store nothing is known but its form."""
    judge = lru_cache(MAX_CACHED_SECRETS)(lambda kind, secret: _look_up(gam, kind, secret))
    for source, leak in leaks:
        known = judge(leak.kind, leak.secret)
        yield replace(known, **source._asdict(), line=leak.line, column=leak.column, id=leak.id)


def _look_up(gam: Gam | None, kind: str, secret: Secret) -> ScanFinding:
    """Return what is known of one that lies nowhere yet."""
    leak = Leak(kind, secret, 0, 0)
    status, live = (UNKNOWN, None) if gam is None else (FOREIGN, False)
    found = ScanFinding("", 0, 0, None, kind, None, status, live, None, None, None, leak.fingerprint)
    if gam is None:
        return found
    with gam.store.reading() as tx:
        return _look_up_key(gam, tx, leak, found) if kind == API_KEY else _look_up_client_secret(gam, tx, leak, found)


def _look_up_key(gam: Gam, tx: Transaction, leak: Leak, finding: ScanFinding) -> ScanFinding:
    key = store.keys.find(tx, leak.id or "")
    if key is None or not leak.secret.matches(key.digest):
        return finding
    now = gam.now()
    return replace(
        finding,
        status=key.status(now),
        live=key.is_valid(now),
        user=key.user,
        app=key.app,
        last_used_at=key.last_used_at,
    )


def _look_up_client_secret(gam: Gam, tx: Transaction, leak: Leak, finding: ScanFinding) -> ScanFinding:
    app = store.apps.find_by_secret_digest(tx, leak.secret.digest())
    if app is None:
        return finding
    status = _client_secret_status(gam, app, leak.secret)
    return replace(finding, status=status, live=status != "replaced", app=app.name, last_used_at=app.last_used_at)


def _client_secret_status(gam: Gam, app: App, secret: Secret) -> str:
    if secret.matches(app.secret_digest):
        return "active"
    return "replaced" if app.secret_retires_at(gam.now()) is None else "retiring"


def revoke(gam: Gam, findings: Sequence[ScanFinding], reason: str, *, yes: bool) -> list[ScanFinding]:
    """
    End the live keys among `sighted`, and return all of these as they are then; client secrets stay as they are.

    Raises EndsKeysError when nobody said yes and it is not only tried.
    """
    ids = list(dict.fromkeys(each.id for each in findings if each.live and each.id))
    with gam.store.writing() as tx:
        if ids and not yes and gam.dry_run is None:
            raise _unconfirmed_error(tx, ids, reason)
        ended = {changed.record.id: changed.record for changed in keys.revoke(gam, ids, reason)}
    now = gam.now()
    return [
        replace(each, status=ended[each.id].status(now), live=False) if each.id in ended and each.live else each
        for each in findings
    ]


def _unconfirmed_error(tx: Transaction, ids: Sequence[str], reason: str) -> InvalidatesKeysError:
    count = "1 active key" if len(ids) == 1 else f"{len(ids)} active keys"
    impacts = [KeyImpact(store.keys.get_by_prefix(tx, each), is_permanent=True, reason=reason) for each in ids]
    return InvalidatesKeysError(f"this permanently invalidates {count}", "add --yes to confirm", impacts)
