"""Create the schema of a store, and migrate older ones, under the lock that every change takes."""

import re
from time import time_ns
from typing import Any

from gamcli.errors import StoreMissingError, StoreUnusableError, StoreVersionError, command
from gamcli.store import schema as versions
from gamcli.store.engine import LONG_STATEMENT_SECONDS, Migration
from gamcli.store.postgres import schema
from gamcli.store.postgres.connection import DatabaseConnection
from gamcli.store.postgres.dialect import translate
from gamcli.store.postgres.url import PostgresUrl

CURRENT = len(versions.MIGRATIONS)

_CREATE_LOCK = 0x67616D63
"""The key of the lock that only one process at a time holds while it creates a schema, before it has a row to lock."""

TABLE_LOCK_SECONDS = 2.0
"""How long a migration waits for a table that others use, such as pg_dump; all requests wait for it meanwhile."""

_COMMENT = re.compile(r"\s*--.*")


def statements(sql: str) -> list[str]:
    """Return the statements of a schema, translated, without comments."""
    return [translate(each) for each in _COMMENT.sub("", sql).split(";\n") if each.strip()]


def read_version(connection: DatabaseConnection, url: PostgresUrl) -> int:
    """Return the version of the schema, 0 if there is none; raises StoreVersionError when it is too new."""
    # Not `to_regclass`, which may not see yet what another process has just created.
    found = connection.execute(
        """SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = $1 AND relname = 'migration'""",
        [url.schema],
    ).fetchone()
    if found is None:
        return 0
    # Without a right to the schema, the error for a table without its name would be that the table does not exist.
    row: Any = connection.execute(f"SELECT coalesce(max(version), 0) FROM {url.schema}.migration").fetchone()
    if row[0] > CURRENT:
        message = f"the store {url} has version {row[0]}; this gamcli supports version {CURRENT}"
        raise StoreVersionError(message, "upgrade gamcli")
    return int(row[0])


def migrate(connection: DatabaseConnection, url: PostgresUrl, *, create: bool) -> Migration | None:
    """
    Apply the missing migrations in one transaction; return None when there were none.

    Raises StoreMissingError when the schema does not exist, unless it is to be created.
    """
    version = read_version(connection, url)
    if version == CURRENT:
        return None
    if version == 0 and not create:
        raise StoreMissingError(f"the store {url} does not exist", command("--store", str(url), "init"))
    patience, connection.patience = connection.patience, LONG_STATEMENT_SECONDS
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock($1)", [_CREATE_LOCK])
        if read_version(connection, url) == 0:
            _create(connection, url)
        connection.execute("SELECT 1 FROM change_lock FOR UPDATE")
        connection.execute(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS}s'")
        before = read_version(connection, url)
        for number in range(before + 1, CURRENT + 1):
            _run(connection, schema.MIGRATIONS[number], number)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    connection.patience = patience
    return Migration(version, None) if version and before < CURRENT else None


def _create(connection: DatabaseConnection, url: PostgresUrl) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        hint = "create a database with: CREATE DATABASE gam ENCODING 'UTF8' TEMPLATE template0"
        raise StoreUnusableError(f"the database {url} has the encoding {encoding} instead of UTF8", hint)
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = $1", [url.schema]).fetchone()
    if found is None:  # its owner may have created it for us, who have no right to
        connection.execute(f"CREATE SCHEMA {url.schema}")
    _run(connection, schema.SQL, schema.BASE)


def _run(connection: DatabaseConnection, sql: str, version: int) -> None:
    for statement in statements(sql):
        connection.execute(statement)
    connection.execute("INSERT INTO migration (version, at) VALUES ($1, $2)", [version, time_ns() // 1000])
