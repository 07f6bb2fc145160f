"""What looking after a store comes to: its facts, checks, copies, and what was taken out of it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store as it lies there: sizes in bytes; `head` is the hash of its last audit entry."""

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


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What one check of a store came to, and what to do when it is not well; `mend` is None when it is."""

    name: str
    ok: bool
    what: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A copy of a store that was written and looked at: `checked` is `pages` when every page was, else `counts`."""

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
    """A store that was put in place; `kept` is where what was there before lies now, None when nothing was."""

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


@dataclass(frozen=True, slots=True)
class MigrateResult:
    """The version of a store before and after; `backup` is where the store as it was before lies, if it changed."""

    path: str
    version_before: int
    version: int
    backup: str | None


@dataclass(frozen=True, slots=True)
class CompactResult:
    """How many bytes a store takes before and after, with what lies beside it."""

    path: str
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class PruneResult:
    """How many rows were, or would be, taken out of a store, all of them dead since `before` or earlier."""

    before: datetime
    tokens: int
    sessions: int
    refresh_tokens: int
