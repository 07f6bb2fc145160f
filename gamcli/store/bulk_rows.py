"""
Keys that are wanted: the rows of an input, checked, in a temporary table that only this connection sees.

SQLite keeps it in a file of its own, so that a million rows need no memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from gamcli.model import Key
from gamcli.store import keys
from gamcli.store.queries import chunks, placeholders
from gamcli.store.sqlite.database import Transaction

_TABLES = (
    # `held` is the id of a key that is there, `renewed` whether that one is what is wanted, see RENEWED.
    """CREATE TEMP TABLE wanted (row INTEGER PRIMARY KEY, line INTEGER, user INTEGER, name TEXT, app INTEGER,
    terms INTEGER, label TEXT, held TEXT, renewed INTEGER)""",
    """CREATE TEMP TABLE wanted_terms (id INTEGER PRIMARY KEY, app INTEGER, name TEXT, client_id TEXT,
    auth_type TEXT, scopes TEXT, life INTEGER, words TEXT, expires_in TEXT, is_cut INTEGER)""",
    # Of the rows that say under which id they ask: few inputs have any.
    "CREATE TEMP TABLE wanted_request (row INTEGER PRIMARY KEY, line INTEGER, id TEXT, asked TEXT)",
)

RENEWED, REPEATED = 1, 2
"""What a row gets whose key is there: a fresh secret for it, or the key without one, which has reached its owner."""

_PERSON = "number, guid, name, enabled, blocked"


class BulkUser(NamedTuple):
    """What the rules ask of a user, the number that keys carry, and the `text` that named it."""

    text: str
    number: int
    guid: str
    name: str
    enabled: int
    blocked: int


class KeyTerms(NamedTuple):
    """What rows agree in: the application, and what a key for it may be; `life` in microseconds, None = for ever."""

    id: int
    app: int
    name: str
    client_id: str
    auth_type: str
    scopes: str
    lifetime_us: int | None
    requested_scopes: str
    expires_in: str
    is_shortened: bool


class BulkRow(NamedTuple):
    """One row: whose key, the key that its pair has already, and the id of what the new one may be."""

    row: int
    line: int
    user: int
    name: str
    label: str
    current_key: str | None
    outcome: int | None
    terms: int


class BulkChunk(NamedTuple):
    """The rows from `first` to `last`, in the order in which keys are found by users and applications."""

    first: int
    last: int
    rows: list[BulkRow]
    terms: dict[int, KeyTerms]


class BulkCounts(NamedTuple):
    """How many rows there are, how many get a fresh secret, live shorter than asked, and reveal nothing."""

    rows: int
    renewed: int
    shortened: int
    without_scopes: int


def create_tables(tx: Transaction) -> None:
    """Begin with no rows."""
    for name in ("wanted", "wanted_terms", "wanted_request"):
        tx.run(f"DROP TABLE IF EXISTS temp.{name}")
    for table in _TABLES:
        tx.run(table)


def find_users(tx: Transaction, texts: Iterable[str]) -> dict[str, BulkUser]:
    """Return the users that folded `texts` name, by name, email or GUID; sorted texts cost least."""
    found: dict[str, BulkUser] = {}
    for some in chunks(texts):
        for column in ("fold", "email_fold", "guid"):
            rest = [text for text in some if text not in found]
            if rest:
                rows = tx.each(f"SELECT {column}, {_PERSON} FROM user WHERE {column} IN ({placeholders(rest)})", rest)
                found.update((person.text, person) for person in map(BulkUser._make, rows))
    return found


def find_users_by_number(tx: Transaction, numbers: Sequence[int]) -> dict[int, BulkUser]:
    """Return the users of those numbers."""
    found: dict[int, BulkUser] = {}
    for at in range(0, len(numbers), 250):
        some = numbers[at : at + 250]
        rows: Iterator[Any] = tx.each(f"SELECT fold, {_PERSON} FROM user WHERE number IN ({placeholders(some)})", some)
        found.update((person.number, person) for person in map(BulkUser._make, rows))
    return found


def find_app_number(tx: Transaction, client_id: str) -> tuple[int, bool]:
    """Return the number of an application, and whether there are keys for it."""
    row: Any = tx.one(
        "SELECT number, EXISTS (SELECT 1 FROM key WHERE app_number = number) FROM app WHERE client_id = ?", client_id
    )
    return row[0], bool(row[1])


def add_terms(tx: Transaction, terms: KeyTerms) -> None:
    """Keep what some rows agree in."""
    tx.run(f"INSERT INTO temp.wanted_terms VALUES ({placeholders(terms)})", *terms)


def add(tx: Transaction, rows: Iterable[tuple[int, int, int, str, int, int, str]]) -> None:
    """Keep rows: their number in the input, line, user, the user's name, application, terms and label."""
    tx.run_many("INSERT INTO temp.wanted (row, line, user, name, app, terms, label) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def find_duplicate_pairs(tx: Transaction, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the line of each row whose pair came before, and the line where it came first; `most` pairs at most."""
    pairs: list[Any] = list(
        tx.each("SELECT user, app, min(line) FROM temp.wanted GROUP BY user, app HAVING count(*) > 1 LIMIT ?", [limit])
    )
    if pairs:
        tx.run("CREATE INDEX IF NOT EXISTS temp.wanted_by_pair ON wanted (user, app)")
    for user, app, first in pairs:
        rows: Iterator[Any] = tx.each("SELECT line FROM temp.wanted WHERE user = ? AND app = ?", [user, app])
        yield from ((line, first) for (line,) in rows if line != first)


def find_current_keys(tx: Transaction, first: int, last: int) -> Iterator[tuple[int, int, Key]]:
    """Yield the rows from `first` to `last` whose pair has a current key, each with its line and that key."""
    found: Iterator[Any] = tx.each(
        """SELECT wanted.row, wanted.line, key.id FROM temp.wanted
        CROSS JOIN key ON key.user_number = wanted.user AND key.app_number = wanted.app AND key.current = 1
        WHERE wanted.row BETWEEN ? AND ? ORDER BY wanted.row""",
        [first, last],
    )
    for row, line, key_id in found:
        key = keys.find(tx, key_id)
        assert key is not None
        yield row, line, key


def set_outcomes(tx: Transaction, rows: Iterable[tuple[str, int, int]]) -> None:
    """Record the present key of rows, and what becomes of it: nothing, RENEWED or REPEATED."""
    tx.run_many("UPDATE temp.wanted SET held = ?, renewed = ? WHERE row = ?", rows)


def find_decided_rows(tx: Transaction, first: int, last: int) -> set[int]:
    """Return those of the rows from `first` to `last` of whose key it is known what becomes."""
    rows: Iterator[Any] = tx.each(
        "SELECT row FROM temp.wanted WHERE renewed IS NOT NULL AND row BETWEEN ? AND ?", [first, last]
    )
    return {row for (row,) in rows}


def count_rows(tx: Transaction) -> BulkCounts:
    """Return how many rows of which kind there are."""
    row: Any = tx.one(
        """SELECT count(*), coalesce(sum(renewed = 1), 0), coalesce(sum(is_cut), 0), coalesce(sum(scopes = ''), 0)
        FROM temp.wanted JOIN temp.wanted_terms ON wanted_terms.id = wanted.terms"""
    )
    return BulkCounts(*row)


def next_chunk(tx: Transaction, row: int, limit: int) -> BulkChunk:
    """Return the next rows behind `row`, so many at most."""
    found: Iterator[Any] = tx.each(
        """SELECT row, line, user, name, label, held, renewed, terms FROM temp.wanted
        WHERE row > ? AND row <= ? ORDER BY user, app""",
        [row, row + limit],
    )
    rows = list(map(BulkRow._make, found))
    answers: Iterator[Any] = tx.each(
        """SELECT * FROM temp.wanted_terms
        WHERE id IN (SELECT terms FROM temp.wanted WHERE row > ? AND row <= ?)""",
        [row, row + limit],
    )
    return BulkChunk(row + 1, row + len(rows), rows, {each[0]: KeyTerms(*each) for each in answers})
