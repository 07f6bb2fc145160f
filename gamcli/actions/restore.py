"""Replacing the file of a store: restoring a backup, migrating, compacting."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gamcli import store
from gamcli.actions import Gam, apps, key_changes, keys, tokens, users
from gamcli.actions.maintenance import require_different_file, require_ok
from gamcli.errors import (
    ConflictError,
    ReactivatesError,
    StoreError,
    StoreUnusableError,
    StoreVersionError,
    UsageError,
    command,
)
from gamcli.model.maintenance import CompactResult, MigrateResult, Reactivated, RestoreResult
from gamcli.model.token_ids import parse_token_id
from gamcli.store import Location, Store, counts
from gamcli.store.sqlite import backups, checks, comparison, files, replace
from gamcli.store.sqlite.errors import OTHER_STORE_HINT


class Reactivation(NamedTuple):
    """What was confirmed about objects that a restore makes usable again: their number, or to end them again."""

    number: int | None = None
    revoke_again: bool = False


OpenGam = Callable[[Store], Gam]
"""Returns the context for actions on an open store."""


def restore(
    path: Path,
    source: Path,
    open_gam: OpenGam,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    accept: Reactivation | None = None,
) -> RestoreResult:
    """
    Replace the store at `path` with a copy of the backup `source`, keeping the replaced store under another name.

    The copy is checked, migrated and gets an audit entry first; a dry run stops there. Raises ConflictError if there
    is a store and `overwrite` is not set, ReactivatesError if that makes objects usable again and `accept` does not
    confirm it, StoreBusyError if it is in use, and another StoreError for a bad backup.
    """
    files.require_trusted_path(path)
    path = Path(os.path.realpath(path))  # replace the file, not a link to it
    if not files.store_exists(source):
        raise UsageError(f"the backup {source} does not exist", "FILE must be the output of: gamcli store backup FILE")
    require_different_file(path, source, "choose a backup")
    if files.store_exists(path) and not overwrite:
        raise ConflictError(
            f"the store {path} already exists", "add --replace to replace it; it is kept under another name"
        )
    replace.require_unused(path)
    if not dry_run:
        files.make_directory(path.parent)
    with backups.temporary_file(path if path.parent.is_dir() else source) as copy:
        with _with_backup_hints():
            backups.copy(source, copy)
        require_ok(checks.check_content(copy), f"the backup {source}", "nothing was changed; try an earlier backup")
        result, replaced_path = _prepare_copy(
            copy, path, source, open_gam, None if dry_run else accept or Reactivation()
        )
        if not dry_run:
            replace.replace_store(path, copy, replaced_path)
    return result


BACKUP_HINTS = {
    StoreUnusableError: "nothing was changed; choose another backup",
    StoreVersionError: "upgrade gamcli, or choose another backup",
}
"""Hints for a backup that cannot be read."""


@contextmanager
def _with_backup_hints() -> Iterator[None]:
    """Replace hints about `--store`, which names another file."""
    try:
        yield
    except StoreError as error:
        if OTHER_STORE_HINT in str(error.hint):
            error.hint = BACKUP_HINTS[type(error)]
        raise


def _prepare_copy(
    copy: Path, path: Path, source: Path, open_gam: OpenGam, accept: Reactivation | None
) -> tuple[RestoreResult, Path]:
    """Migrate a copy and add an audit entry to it; returns also the path at which to keep the replaced store."""
    with Store.open(copy) as opened:
        gam = open_gam(opened)
        migrated = opened.migrated
        with opened.writing() as tx:
            repository = store.repository.get(tx)
            replaced_path = path.with_name(f"{path.name}.replaced-{gam.now():%Y%m%dT%H%M%S%fZ}")
            compared = comparison.compare(path, copy, gam.now()) if path.exists() else comparison.Comparison()
            notes = [compared.note]
            if compared.reactivated and accept is not None:
                notes += _require_accepted(gam, compared, accept)
            gam.record(tx, "store.restore", repository.guid, source=str(source), replaces=_identify_store(path))
            result = RestoreResult(
                path=str(path),
                source=str(source),
                guid=repository.guid,
                version_before=migrated.version_before if migrated else backups.SCHEMA_VERSION,
                version=backups.SCHEMA_VERSION,
                apps=counts.count_rows(tx, "app"),
                users=counts.count_rows(tx, "user"),
                keys=counts.count_rows(tx, "key"),
                audit_entries=counts.count_rows(tx, "audit"),
                reactivated=tuple(map(str, compared.reactivated)),
                only_present=compared.only_present,
                note="; ".join(filter(None, notes)),
                kept=str(replaced_path) if path.exists() else None,
            )
    if migrated and migrated.backup:
        migrated.backup.unlink()  # the backup to restore is still there
    files.sync(copy)
    return result, replaced_path


def _require_accepted(gam: Gam, compared: comparison.Comparison, accept: Reactivation) -> list[str]:
    """
    End in the copy what is ended in the present store, or raise ReactivatesError unless the count was confirmed.

    Returns warnings about keys that retire as in the present store: their successors are not in the copy.
    """
    notes = []
    if accept.revoke_again:
        for each in compared.reactivated:
            _end_again(gam, each, compared)
            if each.kind == "key" and each.id in compared.retirements:
                key = key_changes.retire(gam, each.id, compared.retirements[each.id])
                successor = command("key", "generate", "--user", key.user, "--app", key.app)
                notes.append(
                    f"key {key.id} of {key.user} for {key.app} retires {key.retires_at:%Y-%m-%d %H:%M}Z, and its "
                    f"successor is not in the backup; to issue another one: {successor}"
                )
    elif len(compared.reactivated) != accept.number:
        lines = [str(each) for each in compared.reactivated]
        raise ReactivatesError(len(lines), [*lines, *([f"  {compared.note}"] if compared.note else [])])
    return notes


def _end_again(gam: Gam, each: Reactivated, compared: comparison.Comparison) -> None:
    reason = f"{each.state} before the restore"
    if each.kind == "key" and each.state == "disabled":
        key_changes.disable(gam, each.id, reason)
    elif each.kind == "key" and each.state != "retiring":
        keys.revoke(gam, [each.id], reason)
    elif each.kind == "user":
        ended = {"blocked": {"blocked": True}, "disabled": {"enabled": False}}
        for state in each.state.split(" and "):
            users.update(gam, each.id, ended[state], state.removesuffix("ed"))
    elif each.kind == "app":
        apps.update(gam, each.id, {"enabled": False})
    elif each.kind == "token":
        tokens.revoke(gam, each.id)
    elif each.kind == "session":
        with gam.store.writing() as tx:
            store.sessions.revoke(tx, [parse_token_id(each.id) or 0], gam.now())
    elif each.kind == "client secret":
        apps.set_secret_digests(gam, each.id, *compared.client_secrets[each.id])


def _identify_store(path: Path) -> dict[str, str] | None:
    """Return the GUID and audit head of a store, or None if it cannot be read."""
    if not files.store_exists(path):
        return None
    try:
        guid, head = backups.read_identity(path)
    except StoreError:
        return None
    return {"guid": guid, "head": head}


def read_versions(location: Location) -> tuple[int, int]:
    """Return the schema version of a store and the current one."""
    if isinstance(location, Path):
        return backups.read_version_of(location), backups.SCHEMA_VERSION
    return location.read_version(), backups.SCHEMA_VERSION


def migrate(location: Location) -> MigrateResult:
    """Migrate a store to the current schema version, after a backup."""
    with Store.open(location) as opened:
        migrated = opened.migrated
    backup = str(migrated.backup) if migrated and migrated.backup else None
    return MigrateResult(
        str(location), migrated.version_before if migrated else backups.SCHEMA_VERSION, backups.SCHEMA_VERSION, backup
    )


def compact(path: Path) -> CompactResult:
    """Rewrite a store without free pages; raises StoreBusyError if another process is writing."""
    Store.open(path).close()
    before = backups.total_size(path)
    replace.compact(path)
    return CompactResult(str(path), before, backups.total_size(path))
