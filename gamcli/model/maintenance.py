"""Results of store maintenance: information, checks, backups, restores, migrations, pruning."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store; sizes are in bytes, `head` is the hash of its last audit entry. A database has no mode and no pages."""

    path: str
    mode: str
    size: int
    wal_size: int
    version: int
    guid: str
    created_at: datetime
    apps: int
    users: int
    keys: int
    tokens: int
    sessions: int
    audit_entries: int
    head: str
    pages: int
    free_pages: int
    page_size: int
    sqlite: str
    engine: str = ""


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """The result of one check of a store; `mend` is a suggested command, None if the check passed."""

    name: str
    ok: bool
    what: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A verified copy of a store: `checked` is `pages` if every page was checked, else `counts`."""

    path: str
    size: int
    version: int
    guid: str
    apps: int
    users: int
    keys: int
    tokens: int
    audit_entries: int
    head: str
    checked: str


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """
    A restored store; `kept` is where the previous store was moved to, None if there was none.

    `only_present` has (kind, name) of what the previous store held and the backup does not; `note` says why the two
    could not be compared, or that they are of different repositories.
    """

    path: str
    source: str
    guid: str
    version_before: int
    version: int
    apps: int
    users: int
    keys: int
    audit_entries: int
    kept: str | None
    reactivated: tuple[str, ...] = ()
    only_present: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class MigrateResult:
    """The schema version before and after; `backup` is the copy of the store made before an upgrade."""

    path: str
    version_before: int
    version: int
    backup: str | None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """A store that everything was copied to; `head` is the hash of the last audit entry in both."""

    path: str
    source: str
    guid: str
    rows: int
    keys: int
    head: str


@dataclass(frozen=True, slots=True)
class CompactResult:
    """The size of a store in bytes before and after, including its WAL."""

    path: str
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class PruneResult:
    """How many rows were, or would be, deleted, all of them inactive since `before` or earlier."""

    before: datetime
    tokens: int
    sessions: int
    refresh_tokens: int


class Reactivated(NamedTuple):
    """What a restore makes usable again: its kind, ID and name, its state in the present store, and how to end it."""

    kind: str
    id: str
    name: str
    state: str
    fix: str

    def __str__(self) -> str:
        named = f"{self.kind} {self.id} of {self.name}" if self.kind == "key" else f"{self.kind} {self.name}"
        named = f"{self.kind} {self.id}" if self.kind in ("token", "session") else named
        return f"  {named}, {self.state} now: {self.fix}"
