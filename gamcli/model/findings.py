"""Findings of `gamcli scan`: where a leaked credential is, whose it is, and whether it is still valid."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

FOREIGN = "foreign"
"""The status of a credential that is not in the store."""

UNKNOWN = "unknown"
"""The status of a credential when no store was checked."""


class ScanSource(NamedTuple):
    """Where bytes come from: a file, and the commit that added them when it comes from a git history."""

    file: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """
    A leaked credential, without its secret.

    `status` is that of a key, or `foreign` or `unknown`; `live` is whether it is still valid, None if unknown. A client
    secret has no `id`; `fingerprint` identifies it.
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
