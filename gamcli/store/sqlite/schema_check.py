"""Finds tables and indexes that another program has dropped, and triggers that it has added."""

from gamcli.store.engine import Transaction
from gamcli.store.sqlite.database import SqliteStore

_OBJECTS = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY type DESC, name"

MAX_SHOWN = 3
"""How many objects are named."""


def find_schema_problem(tx: Transaction) -> str | None:
    """Return how a store of the current version differs from a new one; further tables and indexes do no harm."""
    with SqliteStore.create_in_memory() as new, new.reading() as new_tx:
        expected = [*new_tx.each(_OBJECTS)]
    present = [*tx.each(_OBJECTS)]
    missing = [f"the {kind} {name} is missing" for kind, name in expected if (kind, name) not in present]
    added = [f"another program added the trigger {name}" for kind, name in present if kind == "trigger"]
    return "; ".join([*missing, *added][:MAX_SHOWN]) or None
