"""Leaked credentials that a scan found: looking them up in the store and revoking the keys."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from gamcli import store
from gamcli.actions import Gam, keys
from gamcli.actions.audit_history import find_key_owner
from gamcli.errors import InvalidatesKeysError
from gamcli.model import KeyImpact
from gamcli.model.credential_formats import API_KEY
from gamcli.model.findings import DELETED, FOREIGN, ScanFinding, ScanSource
from gamcli.rules.credentials import Secret
from gamcli.rules.leak_detection import Leak, build_finding

MAX_CACHED_SECRETS = 4096
"""A secret that leaked once is usually in many places."""


def look_up_leaks(gam: Gam, leaks: Iterable[tuple[ScanSource, Leak]]) -> Iterator[ScanFinding]:
    """Yield a finding for each leak, with what the store knows about it."""
    look_up = lru_cache(MAX_CACHED_SECRETS)(lambda kind, secret, length: _look_up(gam, kind, secret, length))
    for source, leak in leaks:
        finding = look_up(leak.kind, leak.secret, leak.length)
        yield replace(finding, **source._asdict(), line=leak.line, column=leak.column)


def _look_up(gam: Gam, kind: str, secret: Secret, length: int | None) -> ScanFinding:
    leak = Leak(kind, secret, 0, 0, length)
    finding = build_finding(ScanSource(""), leak, FOREIGN)
    return _look_up_key(gam, leak, finding) if kind == API_KEY else _look_up_client_secret(gam, secret, finding)


def _look_up_key(gam: Gam, leak: Leak, finding: ScanFinding) -> ScanFinding:
    with gam.store.reading() as tx:
        key = store.keys.find(tx, leak.id or "")
        details = store.audit.find_issue(tx, leak.id or "") if key is None else None
    if details is not None:
        user, app = find_key_owner(details, leak.id or "")
        return replace(finding, status=DELETED, user=user, app=app)
    if key is None or not (leak.length or leak.secret.matches(key.digest)):
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


def _look_up_client_secret(gam: Gam, secret: Secret, finding: ScanFinding) -> ScanFinding:
    with gam.store.reading() as tx:
        app = store.apps.find_by_secret_digest(tx, secret.digest())
    if app is None:
        return finding
    status = "replaced" if app.secret_retires_at(gam.now()) is None else "retiring"
    status = "active" if secret.matches(app.secret_digest) else status
    return replace(finding, status=status, live=status != "replaced", app=app.name, last_used_at=app.last_used_at)


def revoke(gam: Gam, findings: Sequence[ScanFinding], reason: str, *, yes: bool) -> list[ScanFinding]:
    """
    Revoke the active keys among the findings, and return all findings with their new status.

    Raises InvalidatesKeysError without confirmation. Client secrets stay unchanged. So do keys that are cut short:
    anyone who knows an ID could write it into a log, and so have any key revoked.
    """
    ids = list(dict.fromkeys(each.id for each in findings if each.live and each.id and not each.cut_short))
    with gam.store.writing() as tx:
        if ids and not yes and gam.dry_run is None:
            count = "1 active key" if len(ids) == 1 else f"{len(ids):,} active keys"
            affected = [store.keys.get_by_prefix(tx, key_id) for key_id in ids]
            impacts = [KeyImpact(key, is_permanent=True, reason=reason) for key in affected]
            raise InvalidatesKeysError(f"this permanently invalidates {count}", "add --yes to confirm", impacts)
        revoked = {result.record.id: result.record for result in keys.revoke(gam, ids, reason)}
    now = gam.now()
    return [
        replace(each, status=revoked[each.id].status(now), live=False) if each.id in revoked and each.live else each
        for each in findings
    ]
