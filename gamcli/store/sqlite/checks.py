"""
Check a store: its pages, references, audit log and records, and the modes of its files.

Damage is a result, not an error, and nothing is changed.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

from gamcli.errors import StoreAuditLogError, StoreError, StoreMissingError, command, format_count
from gamcli.model.maintenance import StoreCheck
from gamcli.store import audit, content_checks, schema, sessions
from gamcli.store.sqlite import backups, file_checks, file_header, files
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import error_name, is_busy, is_full, translate_errors
from gamcli.store.sqlite.transaction import SqliteTransaction
from gamcli.store.timestamps import LATEST, to_micros

FIRST_CHAINED_VERSION = 3
"""The schema version that introduced the hash chain of the audit log."""

MAX_SHOWN = 3
"""How many problems of one kind are reported."""

TIMESTAMP_SUFFIXES = ("at", "since", "until")
"""The last words of the names of columns with timestamps."""

OUT_OF_RANGE = f"NOT BETWEEN 0 AND {to_micros(LATEST)}"

RESTORE = command("store", "restore", "FILE", "--replace")

FIXES = {
    "pages": RESTORE,
    "references": RESTORE,
    "audit log": command("audit", "verify"),
    "sessions": command("token", "prune"),
    "records": "compare it with a backup: another program has written to this file",
}
"""What to do about a problem, by the name of its check."""

CHECKS_THAT_COPIES_KEEP = ("audit log", "sessions", "records")
"""Checks of content that a backup preserves: a copy with such problems is still a correct copy."""


INVARIANTS = {
    **content_checks.INVARIANTS,
    "applications with a count of their grants": """SELECT count(*) FROM app
        WHERE NOT EXISTS (SELECT 1 FROM app_use WHERE app_use.client_id = app.client_id)""",
    "a record of each migration": """SELECT abs(count(*) - (SELECT user_version FROM pragma_user_version))
        FROM migration""",
}
"""What the schema cannot enforce and holds in every store that only gamcli has written, with counting queries."""


def check_store(path: Path) -> list[StoreCheck]:
    """Check the store and the files around it; raises a StoreError when it is missing or busy."""
    if not files.store_exists(path):
        raise StoreMissingError(f"the store {path} does not exist", command("--store", str(path), "init"))
    return [*check_content(path), *check_journal(path), *file_checks.check_files(path, os.geteuid())]


def check_content(path: Path) -> list[StoreCheck]:
    """Check what the file contains; when it cannot be opened as a store, that is the only result."""
    try:
        with translate_errors(path), open_readonly(path, backups.TIMEOUT) as connection:
            version = backups.read_version(connection, path)
            connection.execute("BEGIN")  # one snapshot for all checks
            checker = ContentChecker(connection)
            last_migration = file_header.read_last_migration(checker.query_one)
            return [
                _check_version(version, last_migration),
                checker.pages(),
                checker.references(),
                *checker.records(max(version, last_migration)),
            ]
    except StoreError as error:
        if error.__cause__ is not None and _is_temporary(error.__cause__):
            raise
        return [StoreCheck("format", ok=False, what=error.message, mend=error.hint)]
    except UnicodeDecodeError:
        return [StoreCheck("format", ok=False, what=f"the schema of {path} is damaged", mend=RESTORE)]


def _is_temporary(error: BaseException) -> bool:
    """Return whether an error is due to another process or a full disk, not to the store."""
    return isinstance(error, sqlite3.Error) and (is_busy(error) or is_full(error))


def _check_version(version: int, last_migration: int) -> StoreCheck:
    problem = file_header.find_version_problem(version, last_migration)
    if problem is not None:
        return StoreCheck("format", ok=False, what=problem, mend=RESTORE)
    return StoreCheck("format", ok=True, what=f"a gamcli store, version {version}")


def check_counts(path: Path, expected: backups.RowCounts) -> list[StoreCheck]:
    """Check that a copy has the expected number of rows, without reading every page."""
    try:
        with translate_errors(path), open_readonly(path, backups.TIMEOUT) as connection:
            backups.read_version(connection, path)
            counts = backups.count_rows(connection)
    except StoreError as error:
        return [StoreCheck("format", ok=False, what=error.message, mend=error.hint)]
    pairs = ((name, counts.get(name, 0), count) for name, count in expected.items())
    problems = [f"{actual} of {count} in {name}" for name, actual, count in pairs if actual != count]
    return [StoreCheck("counts", not problems, "; ".join(problems) or "as many rows as in the store")]


class ContentChecker:
    """The checks of an open store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query_one(self, sql: str) -> tuple[object, ...] | None:
        row: tuple[object, ...] | None = self._connection.execute(sql).fetchone()
        return row

    def pages(self) -> StoreCheck:
        """Check every page, and every index against its table."""
        return self._check("pages", "every page and index is intact", self._find_damaged_pages)

    def _find_damaged_pages(self) -> list[str]:
        rows = self._connection.execute(f"PRAGMA integrity_check({MAX_SHOWN})").fetchall()
        return [] if rows == [("ok",)] else [" ".join(str(row[0]).split()) for row in rows]

    def references(self) -> StoreCheck:
        return self._check("references", "every referenced row exists", self._find_dangling_references)

    def _find_dangling_references(self) -> list[str]:
        rows = self._connection.execute("PRAGMA foreign_key_check")
        return [f"a row of {table} refers to a missing {parent}" for table, _, parent, _ in rows.fetchmany(MAX_SHOWN)]

    def records(self, version: int) -> Iterator[StoreCheck]:
        """Check the audit log and, in a store of the current version, what the schema cannot enforce."""
        if version >= FIRST_CHAINED_VERSION:
            yield self.audit_log()
        if version == len(schema.MIGRATIONS):
            yield self._check("sessions", "every session has its application and user", self._find_orphaned_sessions)
            yield self._check("records", "all records are consistent", self._find_broken_records)

    def audit_log(self) -> StoreCheck:
        head = ""

        def find_problems() -> list[str]:
            nonlocal head
            try:
                head = audit.verify(SqliteTransaction(self._connection)).hash
            except StoreAuditLogError as error:
                return [error.message]
            return []

        check = self._check("audit log", "every entry is unchanged", find_problems)
        return StoreCheck(check.name, ok=True, what=f"{check.what}; head: {head[:12]}") if check.ok else check

    def _find_orphaned_sessions(self) -> list[str]:
        number = sessions.count_orphans(SqliteTransaction(self._connection))
        return [f"{format_count(number, 'session')} of deleted applications or users"] if number else []

    def _find_broken_records(self) -> list[str]:
        counts = ((what, self._connection.execute(sql).fetchone()[0]) for what, sql in INVARIANTS.items())
        violations = (f"{count} violations of: {what}" for what, count in counts if count)
        unreadable = [*islice(self.find_unreadable_values(), MAX_SHOWN)]
        damaged = () if unreadable else content_checks.find_damaged_rows(SqliteTransaction(self._connection))
        return [*islice(chain(unreadable, damaged, violations), MAX_SHOWN)]

    def find_unreadable_values(self) -> Iterator[str]:
        """Yield the tables with text that is not UTF-8 or timestamps that are out of range."""
        tables = self._connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        for (table,) in tables.fetchall():
            columns = self._connection.execute("SELECT name, type FROM pragma_table_info(?)", [table]).fetchall()
            texts = [f'"{name}"' for name, kind in columns if kind == "TEXT"]
            if texts and not self._can_read(f'SELECT {", ".join(texts)} FROM "{table}"'):
                yield f"a text in {table} is not valid UTF-8"
            times = [name for name, kind in columns if kind == "INTEGER" and name.split("_")[-1] in TIMESTAMP_SUFFIXES]
            condition = " OR ".join(f'"{name}" {OUT_OF_RANGE}' for name in times)
            if times and self.query_one(f'SELECT 1 FROM "{table}" WHERE {condition} LIMIT 1'):
                yield f"a timestamp in {table} is out of range"

    def _can_read(self, sql: str) -> bool:
        try:
            deque(self._connection.execute(sql), maxlen=0)
        except sqlite3.OperationalError as error:
            if error_name(error):  # an error of SQLite, not of decoding its result
                raise
            return False
        return True

    def _check(self, name: str, success: str, find_problems: Callable[[], list[str]]) -> StoreCheck:
        """Return the result of `find_problems`; content that cannot be read is a problem too."""
        try:
            problems = find_problems()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes damaged text, which Python cannot decode
            if _is_temporary(error):
                raise
            return StoreCheck(name, ok=False, what=f"cannot be read completely: {error}", mend=RESTORE)
        return StoreCheck(name, not problems, "; ".join(problems) or success, FIXES[name] if problems else None)


def check_journal(path: Path) -> list[StoreCheck]:
    """Report a store without a WAL; return nothing when it has one or cannot be read."""
    try:
        with translate_errors(path), open_readonly(path, backups.TIMEOUT) as connection:
            backups.read_version(connection, path)
            if not file_header.lacks_wal(lambda sql: connection.execute(sql).fetchone(), path):
                return []
    except (StoreError, UnicodeDecodeError):  # reported by check_content
        return []
    problem = "the store is not in WAL mode: reads and writes block each other, and open connections go undetected"
    return [StoreCheck("log", ok=False, what=problem, mend=command("store", "migrate"))]
