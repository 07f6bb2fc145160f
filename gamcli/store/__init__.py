"""
The store: SQL in, records out, in a SQLite file or a PostgreSQL database; a module per noun.

Functions named `get` raise NotFoundError with a hint, those named `find` return None. They take a `Transaction` from
`Store.reading()` or `Store.writing()`, and apply no rules.
"""

from importlib import import_module

TYPE_CHECKING = False  # start-up: completion does not import typing
if TYPE_CHECKING:
    from typing import Any

    from gamcli.store import (
        adoptions,
        apps,
        audit,
        auth_types,
        batches,
        bulk_rows,
        grant_facts,
        key_uses,
        keys,
        repository,
        request_ids,
        sessions,
        tokens,
        users,
    )
    from gamcli.store.engine import Location, Store, Transaction

__all__ = [
    "Location", "Store", "Transaction", "adoptions", "apps", "audit", "auth_types", "batches", "bulk_rows",
    "grant_facts", "key_uses", "keys", "repository", "request_ids", "sessions", "tokens", "users",
]  # fmt: skip


def __getattr__(name: str) -> "Any":  # noqa: ANN401 - a class or a module
    """Import the engines and the nouns when they are first used: completion reads names without them."""
    if name not in __all__:
        raise AttributeError(name)
    if name in ("Location", "Store", "Transaction"):
        return getattr(import_module("gamcli.store.engine"), name)
    return import_module(f"{__name__}.{name}")
