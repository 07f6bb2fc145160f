"""
The schema, as migrations: migration N upgrades a store from version N-1 to N and never changes once released.

History
    1  the repository, authentication types, applications, users, keys, tokens, the audit log
    2  keys that refer to users and applications by number, bulk issue; manifest owners; client secrets that retire;
       request ids
    3  sessions with refresh tokens; passwords that must be changed or expire; the hash chain of the audit log
    4  custom information of users; keys that are disabled, and have no authentication type; requests that name none
    5  how often and from where each key is used

Times are integers: microseconds since 1970 in UTC. Booleans are 0 and 1. Scopes and roles are joined by `+`. A `fold`
is a name normalized by `model.normalize_name`: names are unique regardless of case.
"""

from gamcli.store.schema import step1, step2, step3, step4, step5

APPLICATION_ID = 0x67616D63
"""Identifies the file as a gamcli store ("gamc"), see PRAGMA application_id."""

MIGRATIONS = (step1.SQL, step2.SQL, step3.SQL, step4.SQL, step5.SQL)
"""The SQL of each migration."""

PYTHON_STEPS = {3: step3.hash_existing_entries}
"""The Python part of a migration, by version; runs after its SQL."""
