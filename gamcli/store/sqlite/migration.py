"""How an older store is brought up to date: a step a transaction, and a copy of what was there before the first."""

import os
from itertools import count
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, NamedTuple

from gamcli.errors import ConflictError, FailedError, StoreUnusableError
from gamcli.store import schema
from gamcli.store.sqlite import backups, file_header

if TYPE_CHECKING:
    from gamcli.store.sqlite.database import Store, Transaction


class Migration(NamedTuple):
    """What was done when a store was opened: its version before, and where it lies as it was; None of a new one."""

    version_before: int
    backup: Path | None


def migrate(store: "Store") -> Migration | None:
    """
    Take the steps that the store lacks, each whole or not at all; None when another process was faster.

    Raises StoreUnusableError, with nothing changed, when the copy of before cannot be kept.
    """
    done: Migration | None = None
    for version, step in enumerate(schema.MIGRATIONS, 1):
        backup = None
        try:
            with store.writing() as tx:  # nobody else writes, so that the copy lacks nothing
                if file_header.read_version(tx.one, store.path) >= version:
                    continue
                if done is None and version > 1:
                    backup = _backup(store.path, version - 1)
                _apply(tx, version, step)
        except BaseException:
            if backup is not None:
                backup.unlink()
            raise
        done = done or Migration(version - 1, backup)
    return done


def _apply(tx: "Transaction", version: int, step: str) -> None:
    schema.apply_migration(version, step, tx)
    tx.run("INSERT INTO migration (version, at) VALUES (?, ?)", version, time_ns() // 1000)
    tx.run(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    tx.run(f"PRAGMA user_version = {version}")


def _backup(path: Path, version: int) -> Path:
    """Keep a copy of a store under the first name that is free, and return where."""
    for number in count(1):
        target = path.with_name(f"{path.name}.v{version}-backup{f'-{number}' if number > 1 else ''}")
        if os.path.lexists(target):
            continue
        try:
            with backups.create_atomically(target) as part:
                backups.copy(path, part)
        except (ConflictError, FailedError) as error:
            told = f"the store {path} is of version {version}, and is not changed before a copy of it is kept"
            raise StoreUnusableError(f"{told}: {error.message}", error.hint) from error
        return target
    raise AssertionError("numbers do not end")
