"""Where a store is: the path of a file or the URL of a database, from an option, a setting or a file."""

import os
from pathlib import Path

from gamcli.commands.config_files import describe_read_error
from gamcli.errors import UsageError

TYPE_CHECKING = False  # start-up: as in `complete`
if TYPE_CHECKING:
    from gamcli.store import Location
    from gamcli.store.postgres.url import PostgresUrl

MAX_URL_LENGTH = 4096
"""Characters that are read of a file with a URL."""


def parse_url(text: str, source: str, *, may_have_password: bool = False) -> "PostgresUrl | None":
    """Return the URL of a database, None for a path; raises UsageError for any other URL."""
    scheme, separator, rest = text.strip().partition(":")
    if not separator or len(scheme) == 1 or not scheme.translate(dict.fromkeys(map(ord, "+.-"))).isalnum():
        return None
    from gamcli.store.postgres import url  # noqa: PLC0415 - start-up: few stores are databases

    if scheme.lower() in url.SCHEMES and rest.startswith("//"):
        return url.parse_url(text, may_have_password=may_have_password)
    if scheme.lower() not in url.SCHEMES and not rest.startswith("/"):
        return None
    start = scheme + ":" + "/" * (len(rest) - len(rest.lstrip("/")))
    message = f"{source}: a store is a file or a PostgreSQL database, and this is a URL that begins with '{start}'"
    raise UsageError(message, "use the path of a file, or postgresql://user@host/database")


def parse_location(text: str, source: str) -> "Location":
    """Return the URL or the absolute path that names a store; raises UsageError."""
    if not text:  # it would mean the working directory
        raise UsageError(f"{source} is empty", "use the path of a file, or postgresql://user@host/database")
    url = parse_url(text, source)
    if url is not None:
        return url
    path = Path(text).expanduser()
    try:
        return path.absolute()
    except FileNotFoundError as error:
        raise UsageError(
            f"the working directory no longer exists, and the path of the store, {path}, is relative",
            "change to another folder, or use an absolute path",
        ) from error


def read_url_file(path: Path) -> "PostgresUrl":
    """Return the URL in a file, which may contain a password if only its owner can read it."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            mode, text = os.fstat(file.fileno()).st_mode & 0o7777, file.read(MAX_URL_LENGTH).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {describe_read_error(error)}", "--store-url-file FILE") from error
    if mode & 0o077:
        from shlex import join  # noqa: PLC0415 - start-up: only this error needs it

        raise UsageError(f"others can read {path}, which may contain a password", join(("chmod", "600", str(path))))
    url = parse_url(text, str(path), may_have_password=True)
    if url is None:
        raise UsageError(f"{path} does not contain the URL of a store", "postgresql://user:password@host/database")
    return url
