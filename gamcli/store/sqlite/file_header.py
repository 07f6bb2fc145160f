"""What tells a store of gamcli from other files: the marks in its header, and its version."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gamcli.errors import StoreUnusableError, StoreVersionError
from gamcli.store import schema
from gamcli.store.sqlite.errors import OTHER_STORE_HINT

QueryOne = Callable[[str], Any]
"""Returns the first row that a statement finds, or None."""


def read_version(ask: QueryOne, path: Path) -> int:
    """Return the version of a store, 0 for an empty file; raises a StoreError when it is not one that we can read."""
    (found,) = ask("PRAGMA user_version")
    owner = _read_application_id(ask)
    # Asked again behind the tables: another process may have made the store between the two questions.
    foreign = owner != schema.APPLICATION_ID and (owner or ask("SELECT 1 FROM sqlite_schema") is not None)
    if foreign and _read_application_id(ask) != schema.APPLICATION_ID:
        raise StoreUnusableError(f"{path} is not a store of gamcli", OTHER_STORE_HINT)
    if found > len(schema.MIGRATIONS):
        raise StoreVersionError(
            f"the store {path} has version {found}; this gamcli knows {len(schema.MIGRATIONS)}",
            f"upgrade gamcli, or {OTHER_STORE_HINT}",
        )
    if found < 0:
        told = f"{path} is damaged: its header says that it is of version {found}"
        raise StoreUnusableError(told, f"restore a backup, or {OTHER_STORE_HINT}")
    return int(found)


def _read_application_id(ask: QueryOne) -> int:
    (owner,) = ask("PRAGMA application_id")
    return int(owner)
