"""Maintenance of a store: information, checks, backups, and copies in another engine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import ConflictError, FailedError, StoreUnusableError, UsageError, command
from gamcli.model.maintenance import BackupResult, CopyResult, StoreCheck, StoreInfo
from gamcli.store import Location, Store, audit, content_checks, copies, counts
from gamcli.store.engine import LONG_STATEMENT_SECONDS
from gamcli.store.sqlite import backups, checks

MAX_FULL_CHECK_BYTES = 32 * 1024 * 1024
"""Up to this size every page of a backup is checked, in less than a second; larger ones only on request."""


def info(gam: Gam) -> StoreInfo:
    with gam.store.reading() as tx:
        repository = store.repository.get(tx)
        head = audit.load_head(tx)
        facts = gam.store.describe(tx)
        return StoreInfo(
            path=gam.store.name,
            mode=facts.mode,
            size=facts.size,
            wal_size=facts.wal_size,
            version=facts.version,
            guid=repository.guid,
            created_at=repository.created_at,
            apps=counts.count_rows(tx, "app"),
            users=counts.count_rows(tx, "user"),
            keys=counts.count_rows(tx, "key"),
            tokens=counts.count_rows(tx, "token"),
            sessions=counts.count_rows(tx, "session"),
            audit_entries=counts.count_rows(tx, "audit"),
            head=head.hash if head else "",
            pages=facts.pages,
            free_pages=facts.free_pages,
            page_size=facts.page_size,
            sqlite=facts.engine.removeprefix("SQLite ") if facts.engine.startswith("SQLite") else "",
            engine=facts.engine,
        )


def check(location: Location) -> list[StoreCheck]:
    """Check a store, its other files and its directory; reports damage without raising an error."""
    if isinstance(location, Path):
        return checks.check_store(location)
    with Store.open(location) as opened, opened.reading() as tx:
        opened.limit_statements(LONG_STATEMENT_SECONDS)
        return [*content_checks.check_content(tx)]


def backup(path: Path, target: Path, *, overwrite: bool = False, check_all_pages: bool = False) -> BackupResult:
    """
    Copy the store at `path` to the file `target` with mode 0600, after checking the copy.

    If the store itself fails a check, the copy is kept as evidence, but replaces no earlier backup, and the function
    raises StoreUnusableError.
    """
    require_different_file(path, target, "choose another file for the backup")
    with backups.create_atomically(target, overwrite=overwrite) as copy:
        result, store_checks = _copy_and_check(path, copy, check_all_pages=check_all_pages)
        if target.exists():
            require_ok(store_checks, f"kept the earlier {target}: the store {path}", OTHER_TARGET_HINT)
    require_ok(store_checks, f"wrote {target}, a complete copy, but the store {path}", CHECK_HINT)
    return replace(result, path=str(target))


@contextmanager
def stream_backup(path: Path, *, check_all_pages: bool = False) -> Iterator[tuple[BackupResult, BinaryIO]]:
    """
    Copy the store at `path` to an unnamed file, check the copy, and yield it open for reading.

    Raises StoreUnusableError afterwards if the store itself fails a check.
    """
    with backups.temporary_file(_temporary_location(path)) as copy:
        result, store_checks = _copy_and_check(path, copy, check_all_pages=check_all_pages)
        with copy.open("rb") as file:
            copy.unlink()
            yield replace(result, path="-"), file
    require_ok(store_checks, f"wrote the backup, a complete copy, but the store {path}", CHECK_HINT)


def _temporary_location(path: Path) -> Path:
    """Return the path next to which to create a temporary file: in the directory of the store if it is writable."""
    if os.access(path.parent, os.W_OK):
        return path
    from tempfile import gettempdir  # noqa: PLC0415 - start-up: rarely needed

    try:
        return Path(gettempdir(), path.name)
    except OSError as error:
        raise FailedError(
            f"cannot write to {path.parent}, and found no temporary directory",
            "set TMPDIR to a writable directory",
        ) from error


def require_different_file(path: Path, other: Path, hint: str) -> None:
    """Raise UsageError if `other` is the store itself, perhaps by another name."""
    if path.exists() and other.exists() and path.samefile(other):
        raise UsageError(f"{other} is the store itself", hint)


def _copy_and_check(path: Path, copy: Path, *, check_all_pages: bool) -> tuple[BackupResult, list[StoreCheck]]:
    """Copy a store and check the copy; returns the checks that the copy fails only if the store does."""
    rows = backups.copy(path, copy)
    check_all_pages = check_all_pages or copy.stat().st_size <= MAX_FULL_CHECK_BYTES
    results = checks.check_content(copy) if check_all_pages else checks.check_counts(copy, rows)
    store_checks = [each for each in results if each.name in checks.CHECKS_THAT_COPIES_KEEP]
    require_ok([each for each in results if each not in store_checks], f"the copy of {path}", BAD_COPY_HINT)
    guid, head = backups.read_identity(copy)
    result = BackupResult(
        path=str(copy),
        size=copy.stat().st_size,
        version=max(rows["migration"], 1),
        guid=guid,
        apps=rows["app"],
        users=rows["user"],
        keys=rows["key"],
        tokens=rows["token"],
        audit_entries=rows["audit"],
        head=head,
        checked="pages" if check_all_pages else "counts",
    )
    return result, store_checks


CHECK_HINT = command("store", "check")
OTHER_TARGET_HINT = command("store", "backup", "OTHER")
BAD_COPY_HINT = f"no backup was written; check the store: {command('store', 'check')}"


def require_ok(results: list[StoreCheck], subject: str, hint: str) -> None:
    """Raise StoreUnusableError for the first check that failed."""
    for each in results:
        if not each.ok:
            raise StoreUnusableError(f"{subject} failed the check '{each.name}': {each.what}", hint)


def copy_store(source: Location, target: Location) -> CopyResult:
    """
    Copy everything to a store that does not exist yet, in one transaction.

    Nothing is written to the source meanwhile. Raises ConflictError when the target has a repository already.
    """
    if source == target:
        raise UsageError("a store cannot be copied to itself", "choose another target")
    with Store.open(source) as opened, opened.writing() as tx:
        repository = store.repository.get(tx)
        with Store.create(target) as created, created.writing() as target_tx:
            if store.repository.find(target_tx) is not None:
                raise ConflictError(f"the store {created.name} already exists", "choose another target")
            rows = copies.copy_rows(tx, target_tx)
            head = audit.verify(target_tx)
            keys = counts.count_rows(target_tx, "key")
        return CopyResult(created.name, opened.name, repository.guid, rows, keys, head.hash)
