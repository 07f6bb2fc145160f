"""Repeatable requests: the client's request id, what was requested, and the key that was issued."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gamcli.model import Key
from gamcli.store import keys
from gamcli.store.damage import parse_json, reports_damage
from gamcli.store.engine import Row, Transaction


class KeyRequest(NamedTuple):
    """A request that was answered with a key; `request_json` is canonical JSON, compared when the id is used again."""

    id: str
    key_id: str
    request_json: str


def find(tx: Transaction, request_id: str) -> KeyRequest | None:
    return tx.build(_build_record, "SELECT id, key, asked FROM key_request WHERE id = ?", request_id)


def load_all(tx: Transaction) -> Iterator[KeyRequest]:
    return map(_build_record, tx.stream("SELECT id, key, asked FROM key_request"))


@reports_damage("key_request", KeyRequest._fields)
def _build_record(row: Row) -> KeyRequest:
    request = KeyRequest(*map(str, row))
    parse_json(request.request_json, dict, "settings of the request")
    return request


def add(tx: Transaction, requests: Iterable[KeyRequest]) -> None:
    tx.run_many("INSERT INTO key_request (id, key, asked) VALUES (?, ?, ?)", requests)


def add_pending(tx: Transaction, rows: Iterable[tuple[int, int, str, str]]) -> None:
    """Insert the requests of bulk rows that have no key yet: row, line, request id, request JSON."""
    tx.run_many("INSERT INTO temp.bulk_request (row, line, id, asked) VALUES (?, ?, ?, ?)", rows)


def find_duplicates(tx: Transaction, limit: int) -> Iterator[tuple[int, int]]:
    """Yield lines that repeat a request id, each with the first such line; `limit` bounds the ids."""
    rows: Iterator[Any] = tx.each(
        """SELECT bulk_request.line, first FROM temp.bulk_request
        JOIN (SELECT id, min(line) AS first FROM temp.bulk_request GROUP BY id HAVING count(*) > 1 LIMIT ?) AS same
        ON same.id = bulk_request.id WHERE bulk_request.line > first""",
        [limit],
    )
    return rows


def find_repeated(tx: Transaction, first: int, last: int) -> Iterator[tuple[int, int, str, KeyRequest, Key | None]]:
    """Return row, line, request JSON, the earlier request and its key for those of the rows whose id was used."""
    rows: list[Any] = list(
        tx.each(
            """SELECT row, line, bulk_request.asked, key_request.id, key_request.key, key_request.asked
            FROM temp.bulk_request CROSS JOIN key_request ON key_request.id = bulk_request.id
            WHERE row BETWEEN ? AND ? ORDER BY row""",
            [first, last],
        )
    )
    requests = [_build_record(request) for request in (row[3:] for row in rows)]
    found = keys.find_all(tx, (request.key_id for request in requests))
    return ((*row[:3], request, found.get(request.key_id)) for row, request in zip(rows, requests, strict=True))


def save_pending(tx: Transaction, first: int, last: int, key_ids: Mapping[int, str]) -> None:
    """Save the requests of the rows `first` to `last` that got new keys."""
    rows: Iterator[Any] = tx.each(
        "SELECT row, id, asked FROM temp.bulk_request WHERE row BETWEEN ? AND ?", [first, last]
    )
    add(tx, [KeyRequest(request_id, key_ids[row], asked) for row, request_id, asked in rows if row in key_ids])


def exists_for_key(tx: Transaction, key_id: str) -> bool:
    return tx.one("SELECT 1 FROM key_request WHERE key = ?", key_id) is not None
