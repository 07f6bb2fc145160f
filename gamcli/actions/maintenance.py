"""Looking after a store: its facts, whether it is as it should be, copies of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from gamcli import store
from gamcli.actions import Gam
from gamcli.errors import FailedError, StoreUnusableError, UsageError, command
from gamcli.model.maintenance import BackupResult, StoreCheck, StoreInfo
from gamcli.store import Transaction, audit, counts
from gamcli.store.sqlite import backups, checks

MAX_FULL_CHECK_BYTES = 32 * 1024 * 1024
"""Up to this many bytes every page of a backup is checked, in less than a second; beyond, who asks for it waits."""


def info(gam: Gam) -> StoreInfo:
    """Return the facts of a store."""
    path = gam.store.path
    with gam.store.reading() as tx:
        repository = store.repository.get(tx)
        head = audit.load_head(tx)
        found = path.stat()
        wal = Path(f"{path.resolve()}-wal")
        return StoreInfo(
            path=str(path),
            mode=f"{found.st_mode & 0o7777:04o}",
            size=found.st_size,
            wal_size=wal.stat().st_size if wal.exists() else 0,
            version=_pragma(tx, "user_version"),
            guid=repository.guid,
            created_at=repository.created_at,
            apps=counts.count_rows(tx, "app"),
            users=counts.count_rows(tx, "user"),
            keys=counts.count_rows(tx, "key"),
            tokens=counts.count_rows(tx, "token"),
            sessions=counts.count_rows(tx, "session"),
            audit_entries=counts.count_rows(tx, "audit"),
            head=head.hash if head else "",
            pages=_pragma(tx, "page_count"),
            free_pages=_pragma(tx, "freelist_count"),
            page_size=_pragma(tx, "page_size"),
            sqlite=backups.SQLITE_VERSION,
        )


def _pragma(tx: Transaction, name: str) -> int:
    row: Any = tx.one(f"PRAGMA {name}")
    return int(row[0])


def check(path: Path) -> list[StoreCheck]:
    """Check a store, the files beside it and its folder; damage is an answer, not an error."""
    return checks.check_store(path)


def backup(path: Path, target: Path, *, overwrite: bool = False, check_all_pages: bool = False) -> BackupResult:
    """
    Copy the store at `path` to the new file `target`, with mode 0600, and check the copy before it has that name.

    `over` lets it take the place of an earlier file; `whole` checks every page however many there are. What was wrong
    in the store already is evidence: the copy is kept, though over no earlier one, and then StoreUnusableError says so.
    """
    require_different_file(path, target, "a backup goes to another file")
    with backups.create_atomically(target, overwrite=overwrite) as part:
        made, doubts = _copy_and_check(path, part, check_all_pages=check_all_pages)
        if target.exists():
            require_ok(doubts, f"the earlier {target} stays: the store {path}", OTHER_TARGET_HINT)
    require_ok(doubts, f"{target} is kept, a whole copy, but the store {path}", CHECK_HINT)
    return replace(made, path=str(target))


@contextmanager
def stream_backup(path: Path, *, check_all_pages: bool = False) -> Iterator[tuple[BackupResult, BinaryIO]]:
    """
    Copy the store at `path` to a file that has no name any more, check it, and yield it to be read.

    Raises StoreUnusableError once it was read, when something was wrong in the store already.
    """
    with backups.temporary_file(_temporary_location(path)) as part:
        made, doubts = _copy_and_check(path, part, check_all_pages=check_all_pages)
        with part.open("rb") as file:
            part.unlink()
            yield replace(made, path="-"), file
    require_ok(doubts, f"the copy was written, and is whole, but the store {path}", CHECK_HINT)


def _temporary_location(path: Path) -> Path:
    """Return beside what a file is made that soon has no name: the store, or a passing file where that is only read."""
    if os.access(path.parent, os.W_OK):
        return path
    from tempfile import gettempdir  # noqa: PLC0415 - start-up, and mostly there is room beside the store

    try:
        return Path(gettempdir(), path.name)
    except OSError as error:
        raise FailedError(
            f"{path.parent} cannot be written, nor is there another folder for the copy on its way",
            "name one in the variable TMPDIR",
        ) from error


def require_different_file(path: Path, other: Path, hint: str) -> None:
    """Raise UsageError when a file is the store itself, under whatever name."""
    if path.exists() and other.exists() and path.samefile(other):
        raise UsageError(f"{other} is the store itself", hint)


def _copy_and_check(path: Path, copy: Path, *, check_all_pages: bool) -> tuple[BackupResult, list[StoreCheck]]:
    """Copy and check; return what was made, and the checks of what a copy does not change."""
    found = backups.copy(path, copy)
    check_all_pages = check_all_pages or copy.stat().st_size <= MAX_FULL_CHECK_BYTES
    judged = checks.check_content(copy) if check_all_pages else checks.check_counts(copy, found)
    doubts = [each for each in judged if each.name in checks.CHECKS_THAT_COPIES_KEEP]
    require_ok([each for each in judged if each not in doubts], f"the copy of {path}", BAD_COPY_HINT)
    guid, head = backups.read_identity(copy)
    made = BackupResult(
        path=str(copy),
        size=copy.stat().st_size,
        version=max(found["migration"], 1),
        guid=guid,
        apps=found["app"],
        users=found["user"],
        keys=found["key"],
        tokens=found["token"],
        audit_entries=found["audit"],
        head=head,
        checked="pages" if check_all_pages else "counts",
    )
    return made, doubts


CHECK_HINT = command("store", "check")
OTHER_TARGET_HINT = command("store", "backup", "OTHER")
BAD_COPY_HINT = f"nothing was kept; look at the store: {command('store', 'check')}"


def require_ok(results: list[StoreCheck], subject: str, hint: str) -> None:
    """Raise StoreUnusableError with the first check of a file that is not well."""
    for each in results:
        if not each.ok:
            raise StoreUnusableError(f"{subject} is not as it should be: {each.name}: {each.what}", hint)
