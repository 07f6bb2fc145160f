"""
Credentials as programs take them: lines that a shell reads as it reads a dotenv file, and what CI systems hide.

Nothing here prints: secrets come in revealed, and text goes out.
"""

from collections.abc import Iterable
from shlex import quote

from gamcli.errors import FailedError
from gamcli.model import App, Key

Variables = Iterable[tuple[str, str]]
"""Names and values, as environments have them."""


def client_variables(record: object, secret: str | None) -> list[tuple[str, str]]:
    """Return what an application or a key tells its client: the client id, and the secret issued with the record."""
    assert isinstance(record, App | Key)
    name = "GAM_API_KEY" if isinstance(record, Key) else "GAM_CLIENT_SECRET"
    return [("GAM_CLIENT_ID", record.client_id), *([] if secret is None else [(name, secret)])]


def format_env(pairs: Variables) -> str:
    """Return a line for each name and value, quoted as a POSIX shell asks, which dotenv files read alike."""
    return "".join(f"{name}={quote(_require_printable(value))}\n" for name, value in pairs)


def format_github_outputs(pairs: Variables) -> str:
    """Return a line for each name and value, raw, as GitHub reads the outputs of a step."""
    return "".join(f"{name}={_require_printable(value)}\n" for name, value in pairs)


def format_github_mask(secret: str) -> str:
    """Return the line that tells GitHub to hide a secret wherever the log would show it."""
    return f"::add-mask::{_require_printable(secret)}"


def _require_printable(value: str) -> str:
    if not value.isprintable():  # somebody wrote it into the store past all that gamcli checks
        raise FailedError("a credential holds a character that cannot be printed", "-o json shows it")
    return value
