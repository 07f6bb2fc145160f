"""
Whether a store is as it should be; damage is an answer, and nothing is changed.

SQLite looks at its pages, the chain at the audit trail; then what the schema cannot hold, and the modes of files.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from gamcli.errors import StoreAuditLogError, StoreError, StoreMissingError, command
from gamcli.model.maintenance import StoreCheck
from gamcli.store import audit, schema
from gamcli.store.sqlite import backups, files, unreadable_values
from gamcli.store.sqlite.database import Transaction
from gamcli.store.sqlite.errors import is_busy, is_full

FIRST_CHAINED_VERSION = 3
"""The version that began to chain the audit trail."""

MAX_SHOWN = 3
"""So many faults of one kind are told; the first says most."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Invariant(NamedTuple):
    """What the schema cannot hold, and a query for the number of rows that break it."""

    description: str
    sql: str


INVARIANTS = (
    Invariant("one repository", "SELECT abs(count(*) - 1) FROM repository"),
    Invariant(
        "applications with a count of their grants",
        "SELECT count(*) FROM app WHERE client_id NOT IN (SELECT client_id FROM app_use)",
    ),
    Invariant("applications with a number", "SELECT count(*) FROM app WHERE number IS NULL"),
    Invariant("users with a number", "SELECT count(*) FROM user WHERE number IS NULL"),
    Invariant(
        "client secrets as digests",
        "SELECT count(*) FROM app WHERE length(secret_digest) <> 32 OR length(retiring_digest) <> 32",
    ),
    Invariant(
        "keys as digests under ids of 8", "SELECT count(*) FROM key WHERE length(digest) <> 32 OR length(id) <> 8"
    ),
    Invariant(
        "keys that name an authentication type",
        "SELECT count(*) FROM key WHERE ended_at IS NULL AND auth_type NOT IN (SELECT name FROM auth_type)",
    ),
    Invariant("tokens as digests", "SELECT count(*) FROM token WHERE length(digest) <> 32"),
    Invariant(
        "refresh tokens with a session",
        "SELECT count(*) FROM refresh_token WHERE session NOT IN (SELECT id FROM session)",
    ),
    Invariant(
        "a record of each step of the schema",
        "SELECT abs(count(*) - (SELECT user_version FROM pragma_user_version)) FROM migration",
    ),
)
"""What holds in every store that only gamcli has written."""


def check_store(path: Path) -> list[StoreCheck]:
    """Check the store at `path` and the files around it; raises a StoreError when there is none, or it is busy."""
    if not files.store_exists(path):
        raise StoreMissingError(f"there is no store at {path}", command("--store", str(path), "init"))
    return [*check_content(path), *check_journal(path), *check_modes(path)]


def check_content(path: Path) -> list[StoreCheck]:
    """Check what a file holds, page by page; the first check says whether it can be read as a store at all."""
    try:
        with backups.translate_errors(path), closing(backups.opened(path)) as connection:
            version = backups.read_version(connection, path)
            connection.execute("BEGIN")  # one state for all
            judged = ContentChecker(connection, path)
            taken = judged.last_migration()
            checks = [judged.format(version, taken), judged.pages(), judged.references()]
            return [*checks, *judged.records(max(version, taken))]
    except StoreError as error:
        if isinstance(error.__cause__, sqlite3.Error) and _is_temporary(error.__cause__):
            raise
        return [StoreCheck("format", ok=False, what=error.message, mend=error.hint)]
    except UnicodeDecodeError:
        return [StoreCheck("format", ok=False, what=f"the schema of {path} is damaged", mend=FIXES["pages"])]


def _is_temporary(error: Exception) -> bool:
    """Say whether an error is of the machine and not of the store: another process, a full disk."""
    return isinstance(error, sqlite3.Error) and (is_busy(error) or is_full(error))


def check_counts(path: Path, counts: backups.RowCounts) -> list[StoreCheck]:
    """Check that a copy has as many rows as it should: it is read, though not every index and no overflow page is."""
    try:
        with backups.translate_errors(path), closing(backups.opened(path)) as connection:
            backups.read_version(connection, path)
            found = backups.count_rows(connection)
    except StoreError as error:
        return [StoreCheck("format", ok=False, what=error.message, mend=error.hint)]
    pairs = ((name, found.get(name, 0), count) for name, count in counts.items())
    differ = [f"{got} of {count} in {name}" for name, got, count in pairs if got != count]
    return [StoreCheck("counts", not differ, "; ".join(differ) or "as many rows as in the store")]


class ContentChecker:
    """A store that is open, while it is judged."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def last_migration(self) -> int:
        """Return the version that the records of its steps tell; 0 where none can be read."""
        try:
            (last,) = self._connection.execute("SELECT coalesce(max(version), 0) FROM migration").fetchone()
        except sqlite3.Error:  # told of the pages
            return 0
        return int(last)

    def format(self, version: int, taken: int) -> StoreCheck:
        """Check that the version in the header, which decides what is read, can be that of the store."""
        if version < max(taken, 1):
            told = f"its header says that it is of version {version}, its records of version {taken}"
            return StoreCheck("format", ok=False, what=told, mend=FIXES["pages"])
        return StoreCheck("format", ok=True, what=f"a store of gamcli, version {version}")

    def pages(self) -> StoreCheck:
        """Check every page, and every index against its table."""
        return self._check("pages", "every page and index is sound", self._find_damaged_pages)

    def _find_damaged_pages(self) -> list[str]:
        rows = self._connection.execute(f"PRAGMA integrity_check({MAX_SHOWN})").fetchall()
        return [] if rows == [("ok",)] else [" ".join(str(row[0]).split()) for row in rows]

    def references(self) -> StoreCheck:
        """Check that what a row refers to is there."""
        return self._check("references", "every reference leads to something", self._find_dangling_references)

    def _find_dangling_references(self) -> list[str]:
        rows = self._connection.execute("PRAGMA foreign_key_check")
        return [
            f"a row of {table} refers to a {parent} that is not there"
            for table, _, parent, _ in rows.fetchmany(MAX_SHOWN)
        ]

    def records(self, version: int) -> Iterator[StoreCheck]:
        """Check the audit trail and what the schema cannot hold; only of a store of the present version."""
        if version >= FIRST_CHAINED_VERSION:
            yield self.audit_log()
        if version == len(schema.MIGRATIONS):
            yield self._check("records", "every record agrees with the others", self._find_broken_records)

    def audit_log(self) -> StoreCheck:
        """Check the chain of the audit trail."""
        head = ""

        def broken() -> list[str]:
            nonlocal head
            try:
                head = audit.verify(Transaction(self._connection)).hash
            except StoreAuditLogError as error:
                return [error.message]
            return []

        found = self._check("audit trail", "every entry is as it was written", broken)
        return found if not found.ok else StoreCheck(found.name, ok=True, what=f"{found.what}; its head is {head[:12]}")

    def _find_broken_records(self) -> list[str]:
        counts = ((each, self._connection.execute(each.sql).fetchone()[0]) for each in INVARIANTS)
        found = (f"{count} not so: {each.description}" for each, count in counts if count)
        return [*islice(chain(unreadable_values.find_unreadable(self._connection), found), MAX_SHOWN)]

    def _check(self, name: str, all_well: str, find_problems: Callable[[], list[str]]) -> StoreCheck:
        """Return what `faults` comes to; what cannot be read is one."""
        try:
            found = find_problems()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes what is damaged, and Python cannot read it
            if _is_temporary(error):
                raise
            return StoreCheck(name, ok=False, what=f"it cannot be read to its end: {error}", mend=FIXES["pages"])
        return StoreCheck(name, not found, "; ".join(found) or all_well, FIXES[name] if found else None)


FIXES = {
    "pages": command("store", "restore", "FILE", "--replace"),
    "references": command("store", "restore", "FILE", "--replace"),
    "audit trail": command("audit", "verify"),
    "log": command("store", "migrate"),
    "records": "compare with a backup: another program has written this file",
}
"""What to do about what is wrong, by the name of a check."""


def check_journal(path: Path) -> list[StoreCheck]:
    """Check that a store keeps a log beside it (WAL); where nobody can write, none is needed."""
    if not backups.is_writable(path.resolve()):
        return []
    try:
        with backups.translate_errors(path), closing(backups.opened(path)) as connection:
            backups.read_version(connection, path)
            if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                return []
    except (StoreError, UnicodeDecodeError):  # the checks of what it holds tell that
        return []
    told = "it has none: readers and writers wait for each other, and nobody sees who has it open"
    return [StoreCheck("log", ok=False, what=told, mend=FIXES["log"])]


CHECKS_THAT_COPIES_KEEP = ("audit trail", "records")
"""The checks of what somebody wrote: a copy of it is as good as the store, and tells who looks into it."""


def check_modes(path: Path) -> list[StoreCheck]:
    """Check who may reach the file of a store, what lies beside it, and its folder: where a link to it leads."""
    path = path.resolve()
    found = []
    for name, each, forbidden, right in (
        ("mode of the store", path, OTHERS, "600"),
        *((f"mode of the {end[1:]} file", Path(f"{path}{end}"), OTHERS, "600") for end in backups.SIDECAR_SUFFIXES),
        ("mode of the folder", path.parent, OTHERS_WRITE, "go-w"),
    ):
        try:
            mode = stat.S_IMODE(os.stat(each).st_mode)  # noqa: PTH116 - as it is reached
        except FileNotFoundError:
            continue
        found.append(_check_mode(name, each, mode, (forbidden, right)))
    return found


def _check_mode(name: str, path: Path, mode: int, asked: tuple[int, str]) -> StoreCheck:
    forbidden, right = asked
    if not mode & forbidden:
        return StoreCheck(name, ok=True, what=f"{mode:04o}")
    verb = "replace what is in" if forbidden == OTHERS_WRITE else "reach"
    return StoreCheck(
        name, ok=False, what=f"{mode:04o}: others may {verb} {path}", mend=f"chmod {right} {_quoted(path)}"
    )


def _quoted(path: Path) -> str:
    from shlex import quote  # noqa: PLC0415 - only what is wrong needs it

    return quote(str(path))
