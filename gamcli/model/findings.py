"""Leaks, as records: where a credential lies that should not, whose it is, and whether it still lives."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

FOREIGN = "foreign"
"""The status of a credential that the store does not know."""

UNKNOWN = "unknown"
"""The status of a credential when there is no store to ask."""


class ScanSource(NamedTuple):
    """Where bytes come from: a file, and the commit that brought them when it is one of a history."""

    file: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """
    A credential that was found, without its secret: where it is, whose it is, and whether it lives.

    `status` is that of a key, or `foreign` or `unknown`; `live` is None when nobody can know. A client secret has no
    `id`; `fingerprint` tells it from others.
    """

    file: str
    line: int
    column: int
    commit: str | None
    kind: str
    id: str | None
    status: str
    live: bool | None
    user: str | None
    app: str | None
    last_used_at: datetime | None
    fingerprint: str
