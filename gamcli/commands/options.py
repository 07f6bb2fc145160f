"""
The options that several commands share, and how their texts become values.

A metavar in capitals says what a value names: completion looks the names up in the store by it.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from gamcli.errors import UsageError
from gamcli.rules import durations
from gamcli.rules.credentials import Secret


def new_group(about: str | None = None) -> typer.Typer:
    """Return what the verbs of a noun are registered at."""
    return typer.Typer(
        help=about,
        add_completion=False,  # our own is faster: see completing
        rich_markup_mode=None,  # plain help costs a third
        pretty_exceptions_enable=False,  # a traceback that prints variables prints secrets
    )


Format = Annotated[
    Literal["table", "json", "jsonl", "csv", "value"] | None,
    typer.Option("-o", "--output", help="How to show records.", show_default="table"),
]
SecretFormat = Annotated[
    Literal["table", "json", "jsonl", "csv", "env", "github", "value"] | None,
    typer.Option("-o", "--output", help="How to show the record and its secret.", show_default="table"),
]
Field = Annotated[str | None, typer.Option(metavar="NAME", help="The one field to show, raw.")]
Sort = Annotated[str | None, typer.Option(metavar="FIELD", help="The field to sort by; '-' before it reverses.")]
Limit = Annotated[int | None, typer.Option(min=0, max=1_000_000_000, metavar="N", help="Show at most so many.")]
IfMissing = Annotated[
    bool, typer.Option("--if-missing", help="Be content when it is there already, as asked.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.", show_default=False)]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.", show_default=False)]
Preview = Annotated[
    bool,
    typer.Option(
        "--dry-run", "--preview", help="Only show what it would do, and to which live keys.", show_default=False
    ),
]
AcceptInvalidating = Annotated[
    int | None,
    typer.Option("--accept-invalidating", metavar="N", min=0, help="Do it although it ends exactly N live keys."),
]
OutFile = Annotated[
    str | None, typer.Option("--out", metavar="FILE", help="Write the secret to this new file (0600), not to stdout.")
]
FromCsv = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="FILE", help="Many, a row of this CSV file each; '-' reads stdin.", show_default=False
    ),
]
EnabledFilter = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Only those.", show_default=False)]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")]

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Name, email or GUID.")]
AppArgument = Annotated[str, typer.Argument(metavar="APP", help="Name or client id.")]
AuthTypeArgument = Annotated[str, typer.Argument(metavar="AUTH_TYPE", help="Its name.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Id, or the beginning of one.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


MAX_SECRET_CHARS = 64 * 1024
"""So many characters of a file are read: a secret is shorter, and /dev/zero longer."""


def parse_duration(text: str | None) -> timedelta | None:
    """Return what `90d` and the like mean."""
    return None if text is None else durations.parse(text)


def read_secret(path: str | None, option: str, prompt: str | None = None, *, twice: bool = False) -> Secret | None:
    """
    Return the secret in the file `path` (`-` reads stdin), without its line end.

    Without a path, a terminal is asked when there is a `prompt`, `twice` for a new secret. Raises UsageError when there
    is nothing to read.
    """
    if path is None:
        return _prompt_for_secret(prompt, option, twice=twice) if prompt else None
    if path == "-" and sys.stdin.isatty():
        return _prompt_for_secret(prompt or "Secret", option, twice=twice)
    try:
        text = _read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read {option} {path}: {reason}", f"{option} PATH, or '-' for stdin") from error
    found = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
    if not found:
        raise UsageError(f"{option} {path} is empty", "the secret alone, in one line")
    return Secret(found)


def _read_text(path: str) -> str:
    if path == "-":
        return sys.stdin.read(MAX_SECRET_CHARS)
    with Path(path).open(encoding="utf-8") as file:
        return file.read(MAX_SECRET_CHARS)


def _prompt_for_secret(prompt: str, option: str, *, twice: bool) -> Secret:
    if not sys.stdin.isatty():
        raise UsageError(f"{option} is missing", f"{option} PATH, or '-' for stdin")
    text = typer.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True)
    return Secret(str(text))


def drop_none(**values: object) -> dict[str, object]:
    """Return those of `values` that were given."""
    return {name: value for name, value in values.items() if value is not None}


def reject_other_options(option: str, **others: object) -> None:
    """Raise UsageError when something was given that does not go with `option`."""
    for name, value in others.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} and {flag} contradict each other", f"a column of the file instead of {flag}")
