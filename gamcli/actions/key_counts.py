"""How many keys there are, for monitoring."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from gamcli.actions import Gam
from gamcli.store import counts


class KeyCounts(NamedTuple):
    """The number of keys by status, and of those that expire soon and were not rotated."""

    by_status: Mapping[str, int]
    expiring: int


def count_keys(gam: Gam, within: timedelta) -> KeyCounts:
    """Count all keys from indexes; raises StoreError."""
    now = gam.now()
    with gam.store.reading() as tx:
        by_status = counts.count_by_status(tx, now)
        return KeyCounts(by_status, counts.count_expiring(tx, now, now + within))
