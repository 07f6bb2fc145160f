"""Instants as people write them: RFC 3339, a day, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from gamcli.errors import UsageError
from gamcli.rules import durations

_DAY = r"\d{4}-\d\d-\d\d"
_INSTANT = re.compile(rf"{_DAY}([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
"""RFC 3339 §5.6, or a day of it; a time without its offset could be anywhere."""

_SECONDS = re.compile(r"\.\d+")

TIME_FORMATS = "how long ago, such as 7d or 24h, a day such as 2026-03-01, or 2026-03-01T12:00:00Z"


def parse(text: str, now: datetime) -> datetime:
    """Return the instant that `text` says, a duration counted back from `now`, a day from its beginning in UTC."""
    plain = text.strip()
    if not _INSTANT.fullmatch(plain):
        return now - _parse_age(text)
    try:
        found = datetime.fromisoformat(_SECONDS.sub("", plain.upper()))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _invalid_time(text) from error


def _parse_age(text: str) -> timedelta:
    try:
        return durations.parse(text.strip().removesuffix(" ago"))
    except UsageError as error:
        raise _invalid_time(text) from error


def _invalid_time(text: str) -> UsageError:
    return UsageError(f"'{text}' is no time", TIME_FORMATS)
