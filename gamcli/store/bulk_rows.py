"""
The validated rows of a bulk input, in temporary tables that only this connection sees.

SQLite keeps temporary tables in a file, so a million rows need no memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from gamcli.model import Key
from gamcli.store import keys
from gamcli.store.engine import Query, Transaction
from gamcli.store.queries import CHUNK, placeholders

_TABLES = (
    # `outcome` is RENEWED, REPEATED or NULL; `key_id` and `digest` (hexadecimal) are those of a key to import.
    """CREATE TEMP TABLE bulk_row (row INTEGER PRIMARY KEY, line INTEGER, user INTEGER, name TEXT, app INTEGER,
    terms INTEGER, label TEXT, key_id TEXT, digest TEXT, current_key TEXT, outcome INTEGER)""",
    """CREATE TEMP TABLE bulk_terms (id INTEGER PRIMARY KEY, app INTEGER, name TEXT, client_id TEXT,
    scopes TEXT, lifetime_us INTEGER, requested_scopes TEXT, expires_in TEXT, is_shortened BOOLEAN)""",
    # Only rows with a request id; few inputs have any.
    "CREATE TEMP TABLE bulk_request (row INTEGER PRIMARY KEY, line INTEGER, id TEXT, asked TEXT)",
)

RENEWED, REPEATED = 1, 2

_USER = "number, guid, name, enabled, blocked"


class BulkUser(NamedTuple):
    """The fields of a user that the rules need, and the `text` of the input that named the user."""

    text: str
    number: int
    guid: str
    name: str
    enabled: int
    blocked: int


class KeyTerms(NamedTuple):
    """What many rows share: an application and the terms of its keys, `lifetime_us` None for keys without expiry."""

    id: int
    app: int
    name: str
    client_id: str
    scopes: str
    lifetime_us: int | None
    requested_scopes: str
    expires_in: str
    is_shortened: bool


NewRow = tuple[int, int, int, str, int, int, str, str | None, str | None]
"""Row number, line, user number, user name, app number, ID of the terms, label; key ID and digest of an import."""


class BulkRow(NamedTuple):
    """One row of the input, with the key that its user and application already have, and the one to import."""

    row: int
    line: int
    user: int
    name: str
    label: str
    current_key: str | None
    outcome: int | None
    terms: int
    key_id: str | None = None
    digest: str | None = None


class BulkChunk(NamedTuple):
    """The rows `first` to `last`, sorted by user and application, with their terms."""

    first: int
    last: int
    rows: list[BulkRow]
    terms: dict[int, KeyTerms]


class BulkCounts(NamedTuple):
    """Totals: rows, keys with a new secret, keys with a shortened lifetime, keys without scopes, imported keys."""

    rows: int
    renewed: int
    shortened: int
    without_scopes: int
    imported: int


def create_tables(tx: Transaction) -> None:
    """Create empty tables, replacing those of an earlier input."""
    for name in ("bulk_row", "bulk_terms", "bulk_request"):
        tx.run(f"DROP TABLE IF EXISTS temp.{name}")
    for table in _TABLES:
        tx.run(table)


def find_users(tx: Transaction, texts: Sequence[str]) -> dict[str, BulkUser]:
    """
    Return users by folded name, email or GUID.

    The texts are in a temporary table: PostgreSQL would read all users for every list of some hundred values.
    """
    tx.run("DROP TABLE IF EXISTS temp.bulk_text")
    tx.run("CREATE TEMP TABLE bulk_text (text TEXT)")
    tx.run_many("INSERT INTO temp.bulk_text (text) VALUES (?)", ((text,) for text in texts))
    users: dict[str, BulkUser] = {}
    for column in ("fold", "email_fold", "guid"):
        if len(users) < len(texts):
            rows = tx.each(f"SELECT text, {_USER} FROM temp.bulk_text CROSS JOIN user ON {column} = text")
            users = {**{user.text: user for user in map(BulkUser._make, rows)}, **users}
    return users


def find_users_by_number(tx: Transaction, numbers: Sequence[int]) -> dict[int, BulkUser]:
    some = (numbers[at : at + CHUNK] for at in range(0, len(numbers), CHUNK))
    sql = f"SELECT fold, {_USER} FROM user WHERE number IN "
    queries = [Query(f"{sql}({placeholders(each)})", each, partial(map, BulkUser._make)) for each in some]
    return {user.number: user for user in chain.from_iterable(tx.fetch_together(queries))}


def find_app_number(tx: Transaction, client_id: str) -> tuple[int, bool]:
    """Return the number of an application, and whether it has any keys."""
    row: Any = tx.one(
        "SELECT number, EXISTS (SELECT 1 FROM key WHERE app_number = number) FROM app WHERE client_id = ?", client_id
    )
    return row[0], bool(row[1])


def add_terms(tx: Transaction, terms: KeyTerms) -> None:
    tx.change(f"INSERT INTO temp.bulk_terms VALUES ({placeholders(terms)})", *terms)


def add(tx: Transaction, rows: Iterable[NewRow]) -> None:
    tx.run_many(
        """INSERT INTO temp.bulk_row (row, line, user, name, app, terms, label, key_id, digest)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        rows,
    )


def find_duplicate_pairs(tx: Transaction, limit: int) -> Iterator[tuple[int, int]]:
    """Yield lines that repeat a user and application, each with the first such line; `limit` bounds the pairs."""
    pairs: list[Any] = list(
        tx.each(
            """SELECT user, app, min(line) FROM temp.bulk_row GROUP BY user, app HAVING count(*) > 1
            ORDER BY 3 LIMIT ?""",
            [limit],
        )
    )
    if pairs:
        tx.run("CREATE INDEX IF NOT EXISTS bulk_row_by_pair ON bulk_row (user, app)")
    for user, app, first in pairs:
        rows: Iterator[Any] = tx.each("SELECT line FROM temp.bulk_row WHERE user = ? AND app = ?", [user, app])
        yield from ((line, first) for (line,) in rows if line != first)


def find_duplicate_imports(tx: Transaction, limit: int) -> Iterator[tuple[int, int]]:
    """Yield lines that repeat an imported key, each with the first such line; `limit` bounds the keys."""
    rows: Iterator[Any] = tx.each(
        """SELECT bulk_row.line, first FROM temp.bulk_row
        JOIN (SELECT key_id, min(line) AS first FROM temp.bulk_row
        WHERE key_id IS NOT NULL GROUP BY key_id HAVING count(*) > 1 LIMIT ?) AS same
        ON same.key_id = bulk_row.key_id WHERE bulk_row.line > first""",
        [limit],
    )
    return rows


def find_existing_imports(tx: Transaction, first: int, last: int) -> Iterator[tuple[int, int, str, Key]]:
    """Return row, line, digest and existing key for those of the rows `first` to `last` that import an existing key."""
    return _find_keys(tx, "key.id = bulk_row.key_id", first, last)


def find_current_keys(tx: Transaction, first: int, last: int) -> Iterator[tuple[int, int, Key]]:
    """Return row, line and current key for those of the rows `first` to `last` that have one."""
    joined = "key.user_number = bulk_row.user AND key.app_number = bulk_row.app AND key.current = 1"
    return ((row, line, key) for row, line, _, key in _find_keys(tx, joined, first, last))


def _find_keys(tx: Transaction, joined: str, first: int, last: int) -> Iterator[tuple[int, int, str, Key]]:
    sql = f"""SELECT bulk_row.row, bulk_row.line, bulk_row.digest, key.id FROM temp.bulk_row
        CROSS JOIN key ON {joined} WHERE bulk_row.row BETWEEN ? AND ? ORDER BY bulk_row.row"""
    rows: list[Any] = list(tx.each(sql, [first, last]))
    found = keys.find_all(tx, (key_id for *_, key_id in rows))
    return ((row, line, digest, found[key_id]) for row, line, digest, key_id in rows)


def set_outcomes(tx: Transaction, rows: Iterable[tuple[str, int | None, int]]) -> None:
    """Record (current key, outcome, row); the outcome is RENEWED, REPEATED or None."""
    tx.run_many("UPDATE temp.bulk_row SET current_key = ?, outcome = ? WHERE row = ?", rows)


def find_decided_rows(tx: Transaction, first: int, last: int) -> set[int]:
    """Return those of the rows `first` to `last` that have an outcome."""
    rows: Iterator[Any] = tx.each(
        "SELECT row FROM temp.bulk_row WHERE outcome IS NOT NULL AND row BETWEEN ? AND ?", [first, last]
    )
    return {row for (row,) in rows}


def count_rows(tx: Transaction) -> BulkCounts:
    row: Any = tx.one(
        """SELECT count(*), count(CASE WHEN outcome = 1 THEN 1 END), count(CASE WHEN is_shortened THEN 1 END),
        count(CASE WHEN scopes = '' THEN 1 END),
        count(key_id)
        FROM temp.bulk_row JOIN temp.bulk_terms ON bulk_terms.id = bulk_row.terms"""
    )
    return BulkCounts(*row)


def next_chunk(tx: Transaction, row: int, limit: int) -> BulkChunk:
    """Return at most `limit` rows that follow `row`."""
    found: Iterator[Any] = tx.each(
        """SELECT row, line, user, name, label, current_key, outcome, terms, key_id, digest FROM temp.bulk_row
        WHERE row > ? AND row <= ? ORDER BY user, app""",
        [row, row + limit],
    )
    rows = list(map(BulkRow._make, found))
    terms: Iterator[Any] = tx.each(
        """SELECT * FROM temp.bulk_terms
        WHERE id IN (SELECT terms FROM temp.bulk_row WHERE row > ? AND row <= ?)""",
        [row, row + limit],
    )
    return BulkChunk(row + 1, row + len(rows), rows, {each[0]: KeyTerms(*each) for each in terms})
