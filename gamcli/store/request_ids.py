"""Requests for keys that may be repeated: the id under which somebody asked, what they asked for, and the key made."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gamcli.store.sqlite.database import Transaction


class KeyRequest(NamedTuple):
    """What was asked under an id (canonical JSON), and the id of the `key` that was made for it."""

    id: str
    key_id: str
    request_json: str


def find(tx: Transaction, request_id: str) -> KeyRequest | None:
    """Return the request with that id, or None."""
    row: Any = tx.one("SELECT id, key, asked FROM key_request WHERE id = ?", request_id)
    return None if row is None else KeyRequest(*row)


def add(tx: Transaction, requests: Iterable[KeyRequest]) -> None:
    """Keep new requests, whose keys are there."""
    tx.run_many("INSERT INTO key_request (id, key, asked) VALUES (?, ?, ?)", requests)


def add_pending(tx: Transaction, rows: Iterable[tuple[int, int, str, str]]) -> None:
    """Keep the requests of rows that are wanted, beside them: number, line, id, and what is asked."""
    tx.run_many("INSERT INTO temp.wanted_request (row, line, id, asked) VALUES (?, ?, ?, ?)", rows)


def find_duplicates(tx: Transaction, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the line of each row whose request id came before, and the line where it came first."""
    found: Iterator[Any] = tx.each(
        """SELECT wanted_request.line, first FROM temp.wanted_request
        JOIN (SELECT id, min(line) AS first FROM temp.wanted_request GROUP BY id HAVING count(*) > 1 LIMIT ?) AS same
        ON same.id = wanted_request.id WHERE wanted_request.line > first""",
        [limit],
    )
    return found


def find_repeated(tx: Transaction, first: int, last: int) -> Iterator[tuple[int, int, str, KeyRequest]]:
    """Yield the rows from `first` to `last` whose request was made before: number, line, what is asked, and that."""
    found: Iterator[Any] = tx.each(
        """SELECT row, line, wanted_request.asked, key_request.id, key_request.key, key_request.asked
        FROM temp.wanted_request CROSS JOIN key_request ON key_request.id = wanted_request.id
        WHERE row BETWEEN ? AND ? ORDER BY row""",
        [first, last],
    )
    return ((row, line, asked, KeyRequest(*request)) for row, line, asked, *request in found)


def save_pending(tx: Transaction, first: int, last: int, keys: Mapping[int, str]) -> None:
    """Keep the requests of the rows from `first` to `last` that got new `keys`."""
    found: Iterator[Any] = tx.each(
        "SELECT row, id, asked FROM temp.wanted_request WHERE row BETWEEN ? AND ?", [first, last]
    )
    add(tx, [KeyRequest(request_id, keys[row], asked) for row, request_id, asked in found if row in keys])


def exists_for_key(tx: Transaction, key_id: str) -> bool:
    """Say whether a request led to that key."""
    return tx.one("SELECT 1 FROM key_request WHERE key = ?", key_id) is not None
