"""Checks of what a store contains that work on every engine."""

from collections.abc import Iterator

from gamcli.errors import StoreAuditLogError, command, format_count
from gamcli.model.maintenance import StoreCheck
from gamcli.store import audit, schema, sessions
from gamcli.store.engine import Transaction

INVARIANTS = {
    "one repository": "SELECT abs(count(*) - 1) FROM repository",
    "applications with a number": "SELECT count(*) FROM app WHERE number IS NULL",
    "users with a number": "SELECT count(*) FROM user WHERE number IS NULL",
    "client secrets stored as SHA-256": """SELECT count(*) FROM app WHERE length(secret_digest) <> 32
        OR length(retiring_digest) <> 32""",
    "keys stored as SHA-256 with ids of 8 characters": """SELECT count(*) FROM key WHERE length(digest) <> 32
        OR length(id) <> 8""",
    "tokens stored as SHA-256": "SELECT count(*) FROM token WHERE length(digest) <> 32",
    "refresh tokens with a session": """SELECT count(*) FROM refresh_token
        WHERE NOT EXISTS (SELECT 1 FROM session WHERE session.id = refresh_token.session)""",
}
"""What the schema cannot enforce, with queries that count the rows that violate it."""


def check_content(tx: Transaction) -> Iterator[StoreCheck]:
    version = tx.number("SELECT max(version) FROM migration")
    is_current = version == len(schema.MIGRATIONS)
    yield StoreCheck("format", is_current, f"version {version}", None if is_current else command("store", "migrate"))
    yield _check_audit_log(tx)
    orphans = sessions.count_orphans(tx)
    found = f"{format_count(orphans, 'session')} without application or user"
    what = found if orphans else "every session has its application and user"
    yield StoreCheck("sessions", not orphans, what, command("token", "prune") if orphans else None)
    yield _check_records(tx)


def _check_audit_log(tx: Transaction) -> StoreCheck:
    try:
        head = audit.verify(tx)
    except StoreAuditLogError as error:
        return StoreCheck("audit log", ok=False, what=error.message, mend=command("audit", "verify"))
    return StoreCheck("audit log", ok=True, what=f"every entry is unchanged; head: {head.hash[:12]}")


def _check_records(tx: Transaction) -> StoreCheck:
    counts = {what: tx.number(sql) for what, sql in INVARIANTS.items()}
    violations = "; ".join(f"{count} violations of: {what}" for what, count in counts.items() if count)
    fix = "compare it with a backup: another program has written to this database" if violations else None
    return StoreCheck("records", not violations, violations or "all records are consistent", fix)
