"""
The options that several commands share, and how their values are parsed.

The metavar of an option says what its value names: completion looks up `USER`, `APP` and others in the store.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from gamcli.commands import prompts
from gamcli.commands.command_help import CHANGE, OUTPUT
from gamcli.errors import UsageError
from gamcli.rules import durations
from gamcli.rules.credentials import Secret


def new_group(help_text: str | None = None) -> typer.Typer:
    """Return a Typer with the settings that all groups of commands share."""
    return typer.Typer(
        help=help_text,
        add_completion=False,  # ours is faster: see complete.py
        rich_markup_mode=None,  # rich makes help three times slower
        pretty_exceptions_enable=False,  # a traceback that prints variables prints secrets
    )


Format = Annotated[
    Literal["table", "json", "jsonl", "csv", "value"] | None,
    typer.Option("-o", "--output", help="Output format.", show_default="table", rich_help_panel=OUTPUT),
]
SecretFormat = Annotated[
    Literal["table", "json", "jsonl", "csv", "env", "github", "value"] | None,
    typer.Option(
        "-o",
        "--output",
        help="Output format.",
        show_default="table",
        rich_help_panel=OUTPUT,
    ),
]
Field = Annotated[
    str | None, typer.Option(metavar="NAME", help="Print only the raw value of this field.", rich_help_panel=OUTPUT)
]
Sort = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Sort by this field; -FIELD sorts in reverse.", rich_help_panel=OUTPUT),
]
Limit = Annotated[
    int | None, typer.Option(min=0, max=1_000_000_000, metavar="N", help="Show at most N rows.", rich_help_panel=OUTPUT)
]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="Show all columns in full.", show_default=False, rich_help_panel=OUTPUT),
]
IfMissing = Annotated[
    bool,
    typer.Option(
        "--if-missing",
        help="Succeed if it already exists with these settings.",
        show_default=False,
        rich_help_panel=CHANGE,
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Do not ask for confirmation.", show_default=False, rich_help_panel=CHANGE)
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show what would change; change nothing.", show_default=False, rich_help_panel=CHANGE
    ),
]
Preview = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        "--preview",
        help="Show changes and affected active keys; change nothing.",
        show_default=False,
        rich_help_panel=CHANGE,
    ),
]
AcceptInvalidating = Annotated[
    int | None,
    typer.Option(
        "--accept-invalidating",
        metavar="N",
        min=0,
        help="Confirm that exactly N active keys are invalidated.",
        rich_help_panel=CHANGE,
    ),
]
ShowAll = Annotated[
    bool,
    typer.Option(
        "--show-all",
        help="List all affected keys, not only the first ten.",
        show_default=False,
        rich_help_panel=CHANGE,
    ),
]
OutFile = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the secret to this new file (mode 0600), not to stdout.",
        rich_help_panel=OUTPUT,
    ),
]
FromCsv = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="FILE", help="Create one for each row of this CSV file; '-' for stdin.", show_default=False
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="CHAR", help="Delimiter of the CSV file, such as ';' or tab.", show_default="detected"),
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Encoding of the CSV file, such as cp1252.", show_default="utf-8")
]
IgnoreColumn = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-column", metavar="NAME", help="Ignore this column of the CSV file; repeatable.", show_default=False
    ),
]
ApiKeyFile = Annotated[
    str | None,
    typer.Option("--api-key-file", metavar="FILE", help="Read the API key from this file; '-' for stdin."),
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Reason, stored with the key and in the audit log.")]
Within = Annotated[str, typer.Option(metavar="DURATION", help="Time window.")]
EarlierErrorFormat = Annotated[Literal["gam", "rfc6749"] | None, typer.Option("--error-format", hidden=True)]
"""The earlier name of --format."""
EnabledFilter = Annotated[
    bool | None,
    typer.Option("--enabled/--disabled", help="Show only enabled (or disabled) ones.", show_default=False),
]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="Description.")]

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Name, email or GUID.")]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="Name or client ID.")]
AuthTypeArgument = Annotated[str, typer.Argument(metavar="AUTH_TYPE", help="Name.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Key ID, or a unique prefix of it.")]
OptionalKeyArgument = Annotated[
    str | None, typer.Argument(metavar="KEY", help="Key ID, or a unique prefix of it.", show_default=False)
]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Unique name.")]


MAX_SECRET_CHARS = 64 * 1024
"""How much of a secret's file is read; secrets are shorter, and /dev/zero does not end."""


def parse_duration(text: str | None) -> timedelta | None:
    return None if text is None else durations.parse(text)


def parse_expiry(expires_in: str | None, expires_at: str | None) -> tuple[timedelta | None, datetime | None]:
    """Parse --expires-in and --expires-at, of which only one may be given."""
    if expires_in is not None and expires_at is not None:
        raise UsageError("--expires-in and --expires-at cannot be combined", "leave one of them out")
    return parse_duration(expires_in), None if expires_at is None else durations.parse_instant(expires_at)


def read_secret(
    path: str | None, option: str, prompt: str | None = None, *, twice: bool = False, any_lines: bool = False
) -> Secret | None:
    """
    Return the secret in the file `path` ('-' is stdin), without its line end.

    Without a path, ask on the terminal when there is a `prompt`, `twice` for a new secret. Raises UsageError when there
    is nothing to read, or a second line without `any_lines`.
    """
    if path is None:
        return _prompt_for_secret(prompt, option, twice=twice) if prompt else None
    if path == "-" and sys.stdin.isatty():
        return _prompt_for_secret(prompt or "Secret", option, twice=twice)
    try:
        text = _read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read {option} {path}: {reason}", f"{option} FILE, or '-' for stdin") from error
    secret = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
    if not secret:
        raise UsageError(f"{option} {path} is empty", "the file must contain only the secret, on one line")
    if not any_lines and len(secret.splitlines()) > 1:
        raise UsageError(
            f"{option} {path} has more than one line", "the file must contain only the secret, on one line"
        )
    return Secret(secret)


def _read_text(path: str) -> str:
    if path == "-":
        return sys.stdin.read(MAX_SECRET_CHARS)
    with Path(path).open(encoding="utf-8") as file:
        return file.read(MAX_SECRET_CHARS)


def _prompt_for_secret(prompt: str, option: str, *, twice: bool) -> Secret:
    if not sys.stdin.isatty():
        raise UsageError(f"missing option {option}", f"{option} FILE, or '-' for stdin")
    return Secret(prompts.ask_secret(prompt, twice=twice))


def drop_none(**values: object) -> dict[str, object]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def require_table(table: str | None, **options: object) -> None:
    """Raise UsageError when an option about the file of --from was given without --from."""
    given = next((name for name, value in options.items() if value), None)
    if table is None and given is not None:
        raise UsageError(f"--{given.replace('_', '-')} requires --from", "--from FILE.csv")


def reject_other_options(option: str, **others: object) -> None:
    """Raise UsageError when an option was given that cannot be combined with `option`."""
    for name, value in others.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} and {flag} cannot be combined", f"use a column of the file instead of {flag}")
