"""
The schema, as the steps that built it: step N takes a store from version N-1 to N and never changes once released.

History
    1  the repository, authentication types, applications, users, keys, tokens, the audit trail
    2  keys named by short numbers, made in batches; who manages what: manifests and their objects;
       client secrets that retire; requests for keys that may be repeated
    3  sessions with their refresh tokens; passwords that must be changed or expire; the audit trail as a chain

Times are integers, microseconds since 1970 in UTC; they count up as ids of tokens do. Booleans are 0 and 1. Scopes and
roles are joined by `+`. A `fold` is a name as `model.fold` writes it: names are unique without regard to case.
"""

from typing import TYPE_CHECKING

from gamcli.store.schema import step1, step2, step3

if TYPE_CHECKING:
    from gamcli.store.sqlite.database import Transaction

APPLICATION_ID = 0x67616D63
"""Marks the file as a store of gamcli ("gamc"), see PRAGMA application_id."""

MIGRATIONS = (step1.SQL, step2.SQL, step3.SQL)
"""The steps of the schema, a file each; a released one never changes (`store.schema` has their history)."""

PYTHON_STEPS = {3: step3.hash_existing_entries}
"""What SQL alone cannot do, by version: runs behind the SQL of the step."""


def apply_migration(version: int, step: str, tx: "Transaction") -> None:
    """Take the step to that version, within a transaction."""
    for statement in step.split(";\n"):
        tx.run(statement)
    if version in PYTHON_STEPS:
        PYTHON_STEPS[version](tx)
