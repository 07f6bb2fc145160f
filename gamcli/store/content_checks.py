"""Checks of what a store contains that work on every engine."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gamcli.errors import DamagedRowError, StoreAuditLogError, command, format_count
from gamcli.model.maintenance import StoreCheck
from gamcli.store import (
    apps,
    audit,
    auth_types,
    batches,
    keys,
    repository,
    request_ids,
    schema,
    sessions,
    tokens,
    users,
)
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

COMPARE_HINT = "compare it with a backup: another program has written to this database"


def check_content(tx: Transaction) -> Iterator[StoreCheck]:
    version = tx.number("SELECT max(version) FROM migration")
    is_current = version == len(schema.MIGRATIONS)
    yield StoreCheck("format", is_current, f"version {version}", None if is_current else command("store", "migrate"))
    is_intact, what = check_audit_log(tx)
    yield StoreCheck("audit log", is_intact, what, None if is_intact else command("audit", "verify"))
    orphans = sessions.count_orphans(tx)
    found = f"{format_count(orphans, 'session')} without application or user"
    what = found if orphans else "every session has its application and user"
    yield StoreCheck("sessions", not orphans, what, command("token", "prune") if orphans else None)
    yield _check_records(tx)


def check_audit_log(tx: Transaction) -> tuple[bool, str]:
    """Return whether the hash chain is intact, and its head or the first problem."""
    try:
        head = audit.verify(tx)
    except StoreAuditLogError as error:
        return False, error.message
    return True, f"every entry is unchanged; head: {head.hash[:12]}"


def _check_records(tx: Transaction) -> StoreCheck:
    if damaged := "; ".join(find_damaged_rows(tx)):
        return StoreCheck("records", ok=False, what=damaged, mend=COMPARE_HINT)
    counts = {what: tx.number(sql) for what, sql in INVARIANTS.items()}
    violations = "; ".join(f"{count} violations of: {what}" for what, count in counts.items() if count)
    what = violations or "all records are consistent"
    return StoreCheck("records", not violations, what, COMPARE_HINT if violations else None)


_READERS: tuple[Callable[[Transaction], Iterable[object]], ...] = (
    lambda tx: [*filter(None, [repository.find(tx)])],
    auth_types.search,
    lambda tx: apps.search(tx, apps.AppFilter()),
    lambda tx: map(users.check_password_hash, users.search(tx, users.UserFilter())),
    lambda tx: keys.search(tx, keys.KeyFilter()),
    lambda tx: tokens.search(tx, tokens.TokenFilter()),
    sessions.load_all,
    batches.load_all_parts,
    request_ids.load_all,
)
"""What reads all rows of a table."""


def find_damaged_rows(tx: Transaction) -> Iterator[str]:
    """Read all rows as the commands do; yield the first problem of each table."""
    for read in _READERS:
        try:
            deque(read(tx), maxlen=0)
        except DamagedRowError as error:
            yield f"{error.problem} in {error.row}"
