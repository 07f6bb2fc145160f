"""Findings of `gamcli scan`: where a leaked credential is, whose it is, and whether it is still valid."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

FOREIGN = "foreign"
"""The status of a credential that is not in the store."""

DELETED = "deleted"
"""The status of a key that was deleted with its user or application; the audit log names both."""

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

    `status` is that of a key, or `deleted`, `foreign` or `unknown`; `live` is whether it is still valid, None if
    unknown. A client secret has no `id`; `fingerprint` identifies it. Of a key that is `cut_short` only the ID is
    certain, and `length` is how many characters were found.
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
    cut_short: bool = False
    length: int | None = None
