"""Format credentials for programs: dotenv files, and the outputs and masks of GitHub Actions."""

from collections.abc import Iterable
from shlex import quote

from gamcli.errors import FailedError
from gamcli.model import App, Key

Variables = Iterable[tuple[str, str]]
"""Names and values of environment variables."""


def client_variables(record: object, secret: str | None) -> list[tuple[str, str]]:
    """Return the client ID of an application or a key, and its secret if it was just issued."""
    assert isinstance(record, App | Key)
    name = "GAM_API_KEY" if isinstance(record, Key) else "GAM_CLIENT_SECRET"
    return [("GAM_CLIENT_ID", record.client_id), *([] if secret is None else [(name, secret)])]


def format_env(pairs: Variables) -> str:
    """Return NAME=value lines, quoted so that POSIX shells and dotenv files read the same value."""
    return "".join(f"{name}={quote(_require_printable(value))}\n" for name, value in pairs)


def format_github_outputs(pairs: Variables) -> str:
    """Return NAME=value lines, unquoted, as GitHub reads the outputs of a step."""
    return "".join(f"{name}={_require_printable(value)}\n" for name, value in pairs)


def format_github_mask(secret: str) -> str:
    """Return the workflow command that hides a secret in the log."""
    return f"::add-mask::{_require_printable(secret)}"


def _require_printable(value: str) -> str:
    if not value.isprintable():  # possible only if another program wrote it into the store
        raise FailedError("a credential contains an unprintable character", "use -o json to show it")
    return value
