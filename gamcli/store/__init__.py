"""
The store: SQL in, records out, in one SQLite file; a file a noun.

Functions named `named` raise NotFoundError with a hint, those named `find` return None. They take a `Transaction`, made
by `Store.reading()` or `Store.writing()`, and judge nothing.
"""

from gamcli.store import (
    adoptions,
    apps,
    audit,
    auth_types,
    batches,
    bulk_rows,
    keys,
    repository,
    request_ids,
    sessions,
    tokens,
    users,
)
from gamcli.store.sqlite.database import Store, Transaction

__all__ = [
    "Store",
    "Transaction",
    "adoptions",
    "apps",
    "audit",
    "auth_types",
    "batches",
    "bulk_rows",
    "keys",
    "repository",
    "request_ids",
    "sessions",
    "tokens",
    "users",
]  # fmt: skip
