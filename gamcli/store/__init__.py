"""
The store: SQL in, records out, in one SQLite file; a module per noun.

Functions named `get` raise NotFoundError with a hint, those named `find` return None. They take a `Transaction` from
`Store.reading()` or `Store.writing()`, and apply no rules.
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
