"""Errors of psycopg, translated into store errors with hints."""

import psycopg
from psycopg import errors as sql

from gamcli.errors import (
    ConflictError,
    FailedError,
    GamcliError,
    StoreBusyError,
    StoreChangedError,
    StoreUnknownOutcomeError,
    StoreUnusableError,
    UsageError,
    command,
)

_TRANSIENT = (
    sql.LockNotAvailable,
    sql.SerializationFailure,
    sql.DeadlockDetected,
    sql.QueryCanceled,
    sql.TooManyConnections,
)

_LABELS = {
    "app_pkey": ("application", "client ID"),
    "app_fold_key": ("application", "name"),
    "user_fold_key": ("user", "name"),
    "user_email_fold_key": ("user", "email"),
    "user_pkey": ("user", "GUID"),
    "auth_type_pkey": ("authentication type", "name"),
    "key_pkey": ("key", "ID"),
}
"""The noun and the field of a unique constraint, for messages."""


def translate_error(error: psycopg.Error, name: str) -> GamcliError:
    if isinstance(error, psycopg.IntegrityError):
        return _constraint_error(error)
    if isinstance(error, _TRANSIENT):
        return StoreBusyError(f"the store {name} is in use by another process", "try again in a moment", name)
    if isinstance(error, psycopg.DataError) and "contain NUL" in str(error):
        return UsageError("a value contains a NUL character, which PostgreSQL cannot store", "remove it")
    for kinds, problem, hint in _PROBLEMS:
        if isinstance(error, kinds):
            return StoreUnusableError(f"the store {name} {problem}: {_first_line(error)}", hint)
    if isinstance(error, psycopg.OperationalError):
        return unreachable_error(error, name)
    return StoreUnusableError(f"the store {name} failed: {_first_line(error)}", command("store", "check"))


_PRIMARY_HINT = "connect to the primary, for example with target_session_attrs=read-write in the URL"

_PROBLEMS: tuple[tuple[tuple[type[psycopg.Error], ...], str, str], ...] = (
    (
        (sql.InsufficientPrivilege,),
        "cannot be used",
        "connect as a user with rights to the schema and its tables",
    ),
    ((sql.ReadOnlySqlTransaction,), "cannot be written", _PRIMARY_HINT),
    ((sql.DiskFull, sql.OutOfMemory), "has no space left", "free some space and try again: nothing was changed"),
)


def _constraint_error(error: psycopg.IntegrityError) -> GamcliError:
    if isinstance(error, sql.UniqueViolation):
        constraint = error.diag.constraint_name or ""
        noun, field = _LABELS.get(constraint, (error.diag.table_name or "row", constraint))
        return ConflictError(f"another {noun} already has this {field}; nothing was changed", "use another value")
    message = f"the change violates a constraint of the store: {_first_line(error)}; nothing was changed"
    return FailedError(message, "report this as a bug")


_CA_HINT = "add sslrootcert=FILE with the CA certificate of the database to the URL, or sslrootcert=system"
_HBA_HINT = "allow this user and address in pg_hba.conf, or add sslmode=verify-full to the URL if its line says hostssl"

_UNREACHABLE_HINTS = (
    ("root certificate file", _CA_HINT),
    ("certificate verify failed", f"{_CA_HINT}; check that the certificate of the database has not expired"),
    ("does not match host name", "use a host name of the certificate in the URL, or sslmode=verify-ca"),
    ("does not support SSL", "set ssl = on in postgresql.conf, or use sslmode=disable if the network is trusted"),
    ("no encryption", _HBA_HINT),
    ("SSL off", _HBA_HINT),
    ("client certificate", "add sslcert=FILE and sslkey=FILE to the URL"),
    ("private key file", "add sslkey=FILE to the URL, with a file that only its owner can read"),
    ("is a standby", _PRIMARY_HINT),
    ("", "check that the database is running, and its address, user and password (PGPASSWORD or PGPASSFILE)"),
)
"""Parts of libpq's messages, which have no codes, with hints; the first that matches counts."""


def unreachable_error(error: psycopg.Error, name: str) -> StoreUnusableError:
    message = _first_line(error)
    hint = next(hint for part, hint in _UNREACHABLE_HINTS if part in message)
    return StoreUnusableError(f"the store {name} cannot be reached: {message}", hint)


def changed_error(name: str) -> StoreChangedError:
    return StoreChangedError(f"the store {name} was changed meanwhile", "try again", name)


def lost_connection_error(name: str) -> StoreBusyError:
    return StoreBusyError(f"the connection to {name} was lost; nothing was changed", "try again", name)


def unknown_outcome_error(name: str) -> StoreUnknownOutcomeError:
    return StoreUnknownOutcomeError(
        f"it is not known whether the change was saved: the connection to {name} was lost during the commit",
        f"check the latest audit entries first: {command('audit', 'list', '--sort', '-seq', '--limit', '5')}",
    )


def _first_line(error: psycopg.Error) -> str:
    """Return PostgreSQL's message; the lines after it may quote a statement with its values."""
    message = error.diag.message_primary or next(iter(str(error).splitlines()), "")
    return message.strip().rstrip(".")
