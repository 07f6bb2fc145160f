"""Parse times: RFC 3339, a day, or a duration ago."""

import re
from datetime import UTC, datetime

from gamcli.errors import UsageError
from gamcli.rules import durations

_DAY = r"\d{4}-\d\d-\d\d"
_INSTANT = re.compile(rf"{_DAY}([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
"""RFC 3339 §5.6, or a day of it; a time without its offset could be anywhere."""

_SECONDS = re.compile(r"\.\d+")

TIME_FORMATS = "use a duration ago such as 7d, a day such as 2026-03-01, or a time such as 2026-03-01T12:00:00Z"


def parse(text: str, now: datetime) -> datetime:
    """Parse a time; a duration is counted back from `now`, a day begins at midnight UTC. Raises UsageError."""
    stripped = text.strip()
    try:
        if not _INSTANT.fullmatch(stripped):
            return now - durations.parse(stripped.removesuffix(" ago"))
        instant = datetime.fromisoformat(_SECONDS.sub("", stripped.upper()))
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (UsageError, ValueError, OverflowError) as error:
        raise UsageError(f"invalid time '{text}'", TIME_FORMATS) from error
