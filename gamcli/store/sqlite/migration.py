"""Migrate older stores: one transaction, after a backup of the original."""

import os
from itertools import count
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

from gamcli.errors import ConflictError, FailedError, StoreUnusableError
from gamcli.store import schema
from gamcli.store.engine import Migration
from gamcli.store.sqlite import backups, file_header

if TYPE_CHECKING:
    from gamcli.store.sqlite.database import SqliteStore


def migrate(store: "SqliteStore") -> Migration | None:
    """
    Apply the missing migrations, all or none; return None when another process did it.

    Raises StoreUnusableError, with nothing changed, when the backup cannot be written.
    """
    backup = None
    try:
        with store.writing() as tx:  # no other process writes, so the backup is complete
            before = file_header.read_version(tx, store.path)
            if before == len(schema.MIGRATIONS):
                return None
            if before:
                backup = _backup(store.path, before)
            for version, sql in enumerate(schema.MIGRATIONS[before:], before + 1):
                for statement in sql.split(";\n"):
                    tx.run(statement)
                if version in schema.PYTHON_STEPS:
                    schema.PYTHON_STEPS[version](tx)
                tx.run("INSERT INTO migration (version, at) VALUES (?, ?)", version, time_ns() // 1000)
                tx.run(f"PRAGMA application_id = {schema.APPLICATION_ID}")
                tx.run(f"PRAGMA user_version = {version}")
    except BaseException:
        if backup is not None:
            backup.unlink()
        raise
    return Migration(before, backup)


def _backup(path: Path, version: int) -> Path:
    """Copy the store to the first free backup name and return its path."""
    for number in count(1):
        target = path.with_name(f"{path.name}.v{version}-backup{f'-{number}' if number > 1 else ''}")
        if os.path.lexists(target):
            continue
        try:
            with backups.create_atomically(target) as part:
                backups.copy_own(path, part)
        except (ConflictError, FailedError) as error:
            message = f"cannot upgrade the store {path} from version {version}: the backup failed"
            raise StoreUnusableError(f"{message}: {error.message}", error.hint) from error
        return target
    raise AssertionError("numbers do not end")
