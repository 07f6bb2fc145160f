"""
The options that several commands share, alone and in groups, and how their values are parsed.

The metavar of an option says what its value names: completion looks up `USER`, `APP` and others in the store.
"""

import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gamcli.commands import prompts
from gamcli.commands.command_help import CHANGE, OUTPUT, OptionGroup
from gamcli.errors import UsageError
from gamcli.render.output import Output
from gamcli.rules import durations
from gamcli.rules.credentials import Secret

if TYPE_CHECKING:
    from gamcli.actions import Gam


def new_group(help_text: str | None = None) -> typer.Typer:
    """Return a Typer with the settings that all groups of commands share."""
    return typer.Typer(
        help=help_text,
        add_completion=False,  # ours is faster: see complete.py
        rich_markup_mode=None,  # rich makes help three times slower
        pretty_exceptions_enable=False,  # a traceback that prints variables prints secrets
    )


def flag(help_text: str, *names: str, panel: str | None = None) -> Any:  # noqa: ANN401 - what typer.Option returns
    """Return an option without a value, or with a value when a name has the form `--yes/--no`."""
    return typer.Option(*names, help=help_text, show_default=False, rich_help_panel=panel)


def option(
    metavar: str | None,
    help_text: str,
    *names: str,
    default: bool | str = False,
    panel: str | None = None,
    **limits: Any,  # noqa: ANN401 - such as `min`
) -> Any:  # noqa: ANN401 - what typer.Option returns
    """Return an option with a value; `default` is its default for the help, or whether to show that of the function."""
    return typer.Option(*names, metavar=metavar, help=help_text, show_default=default, rich_help_panel=panel, **limits)


def argument(metavar: str, help_text: str, **limits: Any) -> Any:  # noqa: ANN401 - as above, for an argument
    return typer.Argument(metavar=metavar, help=help_text, show_default=False, **limits)


def format_option(help_text: str = "Output format.", default: bool | str = "table", panel: str | None = None) -> Any:  # noqa: ANN401 - as above
    return option(None, help_text, "-o", "--output", default=default, panel=panel)


Format = Annotated[Literal["table", "json", "jsonl", "csv", "value"] | None, format_option(panel=OUTPUT)]
SecretFormat = Annotated[
    Literal["table", "json", "jsonl", "csv", "env", "github", "value"] | None, format_option(panel=OUTPUT)
]
Field = Annotated[str | None, option("NAME", "Print only the raw value of this field.", panel=OUTPUT)]
Sort = Annotated[str | None, option("FIELD", "Sort by this field; -FIELD sorts in reverse.", panel=OUTPUT)]
Limit = Annotated[int | None, option("N", "Show at most N rows.", panel=OUTPUT, min=0, max=1_000_000_000)]
Wide = Annotated[bool, flag("Show all columns in full.", "--wide", panel=OUTPUT)]
IfMissing = Annotated[bool, flag("Succeed if it already exists with these settings.", "--if-missing", panel=CHANGE)]
Yes = Annotated[bool, flag("Do not ask for confirmation.", "--yes", panel=CHANGE)]
DryRunOption = Annotated[bool, flag("Show what would change; change nothing.", "--dry-run", panel=CHANGE)]
Preview = Annotated[
    bool, flag("Show changes and affected active keys; change nothing.", "--dry-run", "--preview", panel=CHANGE)
]
AcceptInvalidating = Annotated[
    int | None,
    option("N", "Confirm that exactly N active keys are invalidated.", "--accept-invalidating", panel=CHANGE, min=0),
]
ShowAll = Annotated[bool, flag("List all affected keys, not only the first ten.", "--show-all", panel=CHANGE)]
OutFile = Annotated[
    str | None, option("FILE", "Write the secret to this new file (mode 0600), not to stdout.", "--out", panel=OUTPUT)
]
ApiKeyFile = Annotated[str | None, option("FILE", "Read the API key from this file; '-' for stdin.", "--api-key-file")]
Reason = Annotated[str | None, option("TEXT", "Reason, stored with the key and in the audit log.")]
Within = Annotated[str, option("DURATION", "Time window.", default=True)]
EarlierErrorFormat = Annotated[Literal["gam", "rfc6749"] | None, typer.Option("--error-format", hidden=True)]
"""The earlier name of --format."""
EnabledFilter = Annotated[bool | None, flag("Show only enabled (or disabled) ones.", "--enabled/--disabled")]
Description = Annotated[str | None, option("TEXT", "Description.")]

UserArgument = Annotated[str, argument("USER", "Name, email or GUID.")]
AppArgument = Annotated[str, argument("APP", "Name or client ID.")]
AuthTypeArgument = Annotated[str, argument("AUTH_TYPE", "Name.")]
KeyArgument = Annotated[str, argument("KEY", "Key ID, or a unique prefix of it.")]
OptionalKeyArgument = Annotated[str | None, argument("KEY", "Key ID, or a unique prefix of it.")]
NewName = Annotated[str, argument("NAME", "Unique name.")]


class Run(OptionGroup):
    """A run of a command: its settings and store in `cli`, and those of these options that it has."""

    output: str | None = None
    field: str | None = None
    wide: bool | None = None
    dry_run: bool = False

    def make_output(self, kind: type | None = None, *issued: str, wraps: bool = False) -> Output:
        """
        Return the output for records of that `kind`, with the secrets `issued`.

        With `wraps`, a table without --wide wraps long texts, and leaves no column out.
        """
        return self.cli.output(self.output, self.field, kind, *issued, wide=self.wide or (None if wraps else self.wide))

    def open_for_change(self, out: Output) -> "AbstractContextManager[Gam]":
        """Open the store for a change; with --dry-run, print the plan instead and exit the command."""
        return self.cli.open_for_change(out, dry_run=self.dry_run)


class PrintOptions(Run):
    """--output and --field."""

    output: Format = None
    field: Field = None


class ListOptions(PrintOptions):
    """--output, --field and --wide."""

    wide: Wide = False


class SortedListOptions(ListOptions):
    """--output, --field, --wide, --sort and --limit."""

    sort: Sort = None
    limit: Limit = None


class ChangeOptions(PrintOptions):
    """--output, --field and --dry-run."""

    dry_run: DryRunOption = False


class KeyChangeOptions(PrintOptions):
    """--output, --field and --dry-run, which also shows the affected keys."""

    dry_run: Preview = False


class DeleteOptions(KeyChangeOptions):
    """--output, --field, --dry-run, --yes, --accept-invalidating and --show-all."""

    yes: Yes = False
    accept: AcceptInvalidating = None
    show_all: ShowAll = False


class IssueOptions(Run):
    """--dry-run, --output, --field and --out."""

    dry_run: DryRunOption = False
    output: SecretFormat = None
    field: Field = None
    out_file: OutFile = None


class CsvTable(OptionGroup):
    """The CSV file of --from, and how to read it."""

    table: Annotated[
        str | None, option("FILE", "Create one for each row of this CSV file; '-' for stdin.", "--from")
    ] = None
    delimiter: Annotated[
        str | None, option("CHAR", "Delimiter of the CSV file, such as ';' or tab.", default="detected")
    ] = None
    encoding: Annotated[str | None, option("NAME", "Encoding of the CSV file, such as cp1252.", default="utf-8")] = None
    ignore_column: Annotated[
        list[str] | None, option("NAME", "Ignore this column of the CSV file; repeatable.", "--ignore-column")
    ] = None

    def require_for(self, **options: object) -> None:
        """Raise UsageError when one of these options or one of this group was given without --from."""
        own = {"delimiter": self.delimiter, "encoding": self.encoding, "ignore_column": self.ignore_column}
        given = next((name for name, value in (options | own).items() if value), None)
        if self.table is None and given is not None:
            raise UsageError(f"--{given.replace('_', '-')} requires --from", "--from FILE.csv")


MAX_SECRET_CHARS = 64 * 1024
"""How much of a secret's file is read; secrets are shorter, and /dev/zero does not end."""


def parse_duration(text: str | None) -> timedelta | None:
    return None if text is None else durations.parse(text)


def parse_expiry(expires_in: str | None, expires_at: str | None) -> tuple[timedelta | None, datetime | None]:
    """Parse --expires-in and --expires-at, of which only one may be given."""
    if expires_in is not None and expires_at is not None:
        raise UsageError("--expires-in and --expires-at cannot be combined", "leave one of them out")
    return parse_duration(expires_in), None if expires_at is None else durations.parse_instant(expires_at)


def read_secret(path: str | None, option: str) -> Secret | None:
    """Return the secret in the file of an option, None without a file."""
    return None if path is None else require_secret(path, option)


def require_secret(
    path: str | None, option: str, prompt: str = "Secret", *, twice: bool = False, any_lines: bool = False
) -> Secret:
    """
    Return the secret in the file `path` ('-' is stdin), without its line end.

    Without a path, ask on the terminal, `twice` for a new secret. Raises UsageError when there is nothing to read, or a
    second line without `any_lines`.
    """
    if path is None or (path == "-" and sys.stdin.isatty()):
        if not sys.stdin.isatty():
            raise UsageError(f"missing option {option}", f"{option} FILE, or '-' for stdin")
        return Secret(prompts.ask_secret(prompt, twice=twice))
    try:
        with nullcontext(sys.stdin) if path == "-" else Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_SECRET_CHARS)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read {option} {path}: {reason}", f"{option} FILE, or '-' for stdin") from error
    secret = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
    if not secret or (not any_lines and len(secret.splitlines()) > 1):
        problem = "has more than one line" if secret else "is empty"
        raise UsageError(f"{option} {path} {problem}", "the file must contain only the secret, on one line")
    return Secret(secret)


def drop_none(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def reject_other_options(option: str, **others: object) -> None:
    """Raise UsageError when an option was given that cannot be combined with `option`."""
    for name, value in others.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} and {flag} cannot be combined", f"use a column of the file instead of {flag}")
