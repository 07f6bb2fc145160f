"""A store that is put back, brought up to date, or written anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gamcli import store
from gamcli.actions import Gam
from gamcli.actions.maintenance import require_different_file, require_ok
from gamcli.errors import ConflictError, StoreError, StoreUnusableError, StoreVersionError, UsageError
from gamcli.model.maintenance import CompactResult, MigrateResult, RestoreResult
from gamcli.store import Store, counts
from gamcli.store.sqlite import backups, checks, files, replace
from gamcli.store.sqlite.errors import OTHER_STORE_HINT

OpenGam = Callable[[Store], Gam]
"""Returns who acts on a store that is open."""


def restore(
    path: Path, source: Path, open_gam: OpenGam, *, overwrite: bool = False, dry_run: bool = False
) -> RestoreResult:
    """
    Put a copy of the backup `source` in the place of the store at `path`; what is there stays under another name.

    The copy is checked, brought up to date and audited before it is put there; `rehearsed` does all but that.
    Raises ConflictError when there is a store and it may not be put `over` that, StoreBusyError when that is in use,
    other StoreErrors when the backup is not one that can be used.
    """
    files.require_trusted_path(path)
    path = path.resolve()  # the file, not a link to it
    if not files.store_exists(source):
        raise UsageError(f"there is no backup at {source}", "FILE is what 'gamcli store backup FILE' wrote")
    require_different_file(path, source, "a backup is another file")
    if files.store_exists(path) and not overwrite:
        raise ConflictError(f"there is a store at {path} already", "--replace keeps it under another name")
    replace.require_unused(path)
    if not dry_run:
        files.make_directory(path.parent)
    with backups.temporary_file(path if path.parent.is_dir() else source) as part:
        with _with_backup_hints():
            backups.copy(source, part)
        require_ok(checks.check_content(part), f"the backup {source}", "nothing was changed; try an earlier backup")
        made, kept = _prepare_copy(part, path, source, open_gam)
        if not dry_run:
            replace.replace_store(path, part, kept)
    return made


BACKUP_HINTS = {
    StoreUnusableError: "nothing was changed; choose another backup",
    StoreVersionError: "upgrade gamcli, or choose another backup",
}
"""What helps when a backup is no store that we can read."""


@contextmanager
def _with_backup_hints() -> Iterator[None]:
    """Tell of a backup what helps: it is not what `--store` names."""
    try:
        yield
    except StoreError as error:
        if OTHER_STORE_HINT in str(error.hint):
            error.hint = BACKUP_HINTS[type(error)]
        raise


def _prepare_copy(copy: Path, path: Path, source: Path, open_gam: OpenGam) -> tuple[RestoreResult, Path]:
    """Bring a copy up to date, note in it where it comes from, and return where what it replaces is to be kept."""
    with Store.open(copy) as made:
        gam = open_gam(made)
        before = made.migrated.version_before if made.migrated else None
        with made.writing() as tx:
            repository = store.repository.get(tx)
            kept = path.with_name(f"{path.name}.replaced-{gam.now():%Y%m%dT%H%M%S%fZ}")
            gam.record(tx, "store.restore", repository.guid, source=str(source), replaces=_identify_store(path))
            found = RestoreResult(
                path=str(path),
                source=str(source),
                guid=repository.guid,
                version_before=before or backups.SCHEMA_VERSION,
                version=backups.SCHEMA_VERSION,
                apps=counts.count_rows(tx, "app"),
                users=counts.count_rows(tx, "user"),
                keys=counts.count_rows(tx, "key"),
                audit_entries=counts.count_rows(tx, "audit"),
                kept=str(kept) if path.exists() else None,
            )
    if made.migrated and made.migrated.backup:
        made.migrated.backup.unlink()  # the backup itself stays
    backups.sync(copy)
    return found, kept


def _identify_store(path: Path) -> dict[str, str] | None:
    """Return what names the store that is there now, None when none can be read."""
    if not files.store_exists(path):
        return None
    try:
        guid, head = backups.read_identity(path)
    except StoreError:
        return None
    return {"guid": guid, "head": head}


def read_versions(path: Path) -> tuple[int, int]:
    """Return the version of a store as it lies there, and the one it would be brought to."""
    return backups.read_version_of(path), backups.SCHEMA_VERSION


def migrate(path: Path) -> MigrateResult:
    """Bring a store up to date, keeping a copy of what was before; one that is so already stays as it is."""
    with Store.open(path) as opened:
        done = opened.migrated
    backup = str(done.backup) if done and done.backup else None
    return MigrateResult(
        str(path), done.version_before if done else backups.SCHEMA_VERSION, backups.SCHEMA_VERSION, backup
    )


def compact(path: Path) -> CompactResult:
    """Write a store anew without what is empty in it; raises StoreBusyError when others write meanwhile."""
    Store.open(path).close()
    before = backups.total_size(path)
    replace.compact(path)
    return CompactResult(str(path), before, backups.total_size(path))
