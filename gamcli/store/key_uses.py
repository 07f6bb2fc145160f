"""How often API keys are used, when last and from where."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from gamcli.store.engine import Transaction
from gamcli.store.queries import with_asked
from gamcli.store.timestamps import to_micros


class KeyUse(NamedTuple):
    """Grants of a key `since` then that are not counted in the store yet, and the client address of the last one."""

    grants: int
    since: datetime
    last_at: datetime
    last_from: str | None


# Rows are locked in the order of their IDs, so that no two nodes deadlock.
_RECORD_USES = """UPDATE key SET grants = key.grants + due.grants, last_used_at = due.at, last_used_from = due.source
    FROM (SELECT asked.id, asked.grants, asked.at, asked.source FROM asked JOIN key ON key.id = asked.id
    ORDER BY asked.id FOR NO KEY UPDATE OF key) AS due WHERE key.id = due.id"""


def record(tx: Transaction, uses: Mapping[str, KeyUse]) -> None:
    rows = [(key_id, use.grants, to_micros(use.last_at), use.last_from) for key_id, use in uses.items()]
    if tx.node is None:
        tx.save("UPDATE key SET grants = grants + ?2, last_used_at = ?3, last_used_from = ?4 WHERE id = ?1", rows)
        return
    with_clause, values = with_asked("id, grants, at, source", rows)
    tx.save(with_clause + _RECORD_USES, [values])
