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
from typing import Any, NamedTuple

from gamcli.errors import StoreError, command, format_count
from gamcli.model.maintenance import StoreCheck
from gamcli.store import content_checks, schema, sessions
from gamcli.store.sqlite import backups, file_checks, file_header, files, open_lock
from gamcli.store.sqlite.connection import open_readonly
from gamcli.store.sqlite.errors import error_name, is_busy, is_full, translate_errors
from gamcli.store.sqlite.schema_check import find_schema_problem
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
COMPARE = "compare it with a backup: another program has written to this file"

CheckResult = tuple[bool, str]
"""Whether a check is passed, and what was found."""

CHECKS_THAT_COPIES_KEEP = ("schema", "audit log", "sessions", "records")
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
    files.require_exists(path)
    problem = open_lock.find_problem(path, backups.TIMEOUT)
    if problem is None:
        content = [*check_content(path), *check_journal(path)]
    else:  # opening it would create the removed files
        content = [StoreCheck("open files", ok=False, what=problem.message, mend=problem.hint)]
    return [*content, *file_checks.check_files(path, os.geteuid())]


def check_content(path: Path) -> list[StoreCheck]:
    """Check what the file contains; when it cannot be opened as a store, that is the only result."""
    try:
        with translate_errors(path), open_readonly(path, backups.TIMEOUT) as connection:
            tx = SqliteTransaction(connection)
            version = file_header.read_version(tx, path)
            connection.execute("BEGIN")  # one snapshot for all checks
            last_migration = file_header.read_last_migration(tx)
            problem = file_header.find_version_problem(version, last_migration)
            what = problem or f"a gamcli store, version {version}"
            result = [StoreCheck("format", problem is None, what, RESTORE if problem else None)]
            return result + [
                _run_check(check, tx) for check in CHECKS if max(version, last_migration) >= check.first_version
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


def check_counts(path: Path, expected: backups.RowCounts) -> list[StoreCheck]:
    """Check that a copy has the expected number of rows, without reading every page."""
    try:
        with translate_errors(path), open_readonly(path, backups.TIMEOUT) as connection:
            file_header.read_version(SqliteTransaction(connection), path)
            counts = backups.count_rows(connection)
    except StoreError as error:
        return [StoreCheck("format", ok=False, what=error.message, mend=error.hint)]
    pairs = ((name, counts.get(name, 0), count) for name, count in expected.items())
    problems = [f"{actual} of {count} in {name}" for name, actual, count in pairs if actual != count]
    return [StoreCheck("counts", not problems, "; ".join(problems) or "as many rows as in the store")]


def _run_check(check: "Check", tx: SqliteTransaction) -> StoreCheck:
    """Return the result of a check; content that cannot be read is a problem too."""
    try:
        is_ok, what = check.run(tx)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes damaged text, which Python cannot decode
        if _is_temporary(error):
            raise
        return StoreCheck(check.name, ok=False, what=f"cannot be read completely: {error}", mend=RESTORE)
    return StoreCheck(check.name, is_ok, what, None if is_ok else check.fix)


def _check_pages(tx: SqliteTransaction) -> CheckResult:
    rows = [*tx.each(f"PRAGMA integrity_check({MAX_SHOWN})")]
    problems = [] if rows == [("ok",)] else [" ".join(str(row[0]).split()) for row in rows]
    return not problems, "; ".join(problems) or "every page and index is intact"


def _check_references(tx: SqliteTransaction) -> CheckResult:
    rows: Iterator[Any] = islice(tx.each("PRAGMA foreign_key_check"), MAX_SHOWN)
    problems = [f"a row of {table} refers to a missing {parent}" for table, _, parent, _ in rows]
    return not problems, "; ".join(problems) or "every referenced row exists"


def _check_schema(tx: SqliteTransaction) -> CheckResult:
    problem = find_schema_problem(tx)
    return problem is None, problem or "all tables and indexes exist, no triggers"


def _check_sessions(tx: SqliteTransaction) -> CheckResult:
    number = sessions.count_orphans(tx)
    found = f"{format_count(number, 'session')} of deleted applications or users"
    return not number, found if number else "every session has its application and user"


def _check_records(tx: SqliteTransaction) -> CheckResult:
    counts = ((what, tx.number(sql)) for what, sql in INVARIANTS.items())
    violations = (f"{count} violations of: {what}" for what, count in counts if count)
    unreadable = [*islice(find_unreadable_values(tx), MAX_SHOWN)]
    damaged = () if unreadable else content_checks.find_damaged_rows(tx)
    problems = [*islice(chain(unreadable, damaged, violations), MAX_SHOWN)]
    return not problems, "; ".join(problems) or "all records are consistent"


class Check(NamedTuple):
    """A check of stores from `first_version` on; `run` returns whether it is passed and what was found."""

    name: str
    run: Callable[[SqliteTransaction], CheckResult]
    fix: str
    first_version: int = 0


CHECKS = (
    Check("pages", _check_pages, RESTORE),
    Check("schema", _check_schema, COMPARE, len(schema.MIGRATIONS)),
    Check("references", _check_references, RESTORE),
    Check("audit log", content_checks.check_audit_log, command("audit", "verify"), FIRST_CHAINED_VERSION),
    Check("sessions", _check_sessions, command("token", "prune"), len(schema.MIGRATIONS)),
    Check("records", _check_records, COMPARE, len(schema.MIGRATIONS)),
)


def find_unreadable_values(tx: SqliteTransaction) -> Iterator[str]:
    """Yield the tables with text that is not UTF-8 or timestamps that are out of range."""
    tables = tx.each("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    for (table,) in [*tables]:
        columns = [*tx.each("SELECT name, type FROM pragma_table_info(?)", [table])]
        texts = [f'"{name}"' for name, kind in columns if kind == "TEXT"]
        if texts and not _can_read(tx, f'SELECT {", ".join(texts)} FROM "{table}"'):
            yield f"a text in {table} is not valid UTF-8"
        integers = [str(name) for name, kind in columns if kind == "INTEGER"]
        times = [name for name in integers if name.split("_")[-1] in TIMESTAMP_SUFFIXES]
        condition = " OR ".join(f'"{name}" {OUT_OF_RANGE}' for name in times)
        if times and tx.one(f'SELECT 1 FROM "{table}" WHERE {condition} LIMIT 1'):
            yield f"a timestamp in {table} is out of range"


def _can_read(tx: SqliteTransaction, sql: str) -> bool:
    try:
        deque(tx.each(sql), maxlen=0)
    except sqlite3.OperationalError as error:
        if error_name(error):  # an error of SQLite, not of decoding its result
            raise
        return False
    return True


def check_journal(path: Path) -> list[StoreCheck]:
    """Report a store without a WAL; return nothing when it has one or cannot be read."""
    try:
        with translate_errors(path), open_readonly(path, backups.TIMEOUT) as connection:
            tx = SqliteTransaction(connection)
            file_header.read_version(tx, path)
            if not file_header.lacks_wal(tx, path):
                return []
    except (StoreError, UnicodeDecodeError):  # reported by check_content
        return []
    problem = "the store is not in WAL mode: reads and writes block each other, and open connections go undetected"
    return [StoreCheck("log", ok=False, what=problem, mend=command("store", "migrate"))]
