"""Requests for keys that may be repeated: the id under which somebody asked, what they asked for, and the key made."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from gamcli.store.database import Transaction


class Request(NamedTuple):
    """What was asked under an id (canonical JSON), and the id of the `key` that was made for it."""

    id: str
    key: str
    asked: str


def find(tx: Transaction, request_id: str) -> Request | None:
    """Return the request with that id, or None."""
    row: Any = tx.one("SELECT id, key, asked FROM key_request WHERE id = ?", request_id)
    return None if row is None else Request(*row)


def add(tx: Transaction, requests: Iterable[Request]) -> None:
    """Keep new requests, whose keys are there."""
    tx.run_many("INSERT INTO key_request (id, key, asked) VALUES (?, ?, ?)", requests)
