"""How `show` shows one record: as every list does, or as a manifest would ask for it."""

from typing import Annotated, Literal

import typer

from gamcli.commands import delivery
from gamcli.commands.context import CliContext
from gamcli.errors import UsageError
from gamcli.model import App, Key
from gamcli.render.output import Output

RecordFormat = Annotated[
    Literal["table", "json", "jsonl", "csv", "toml", "value"] | None,
    typer.Option("-o", "--output", help="How to show it; toml as in a manifest.", show_default="table"),
]

ClientRecordFormat = Annotated[
    Literal["table", "json", "jsonl", "csv", "toml", "env", "github", "value"] | None,
    typer.Option("-o", "--output", help="How to show it; toml as in a manifest.", show_default="table"),
]


def prepare_output(cli: CliContext, output: str | None, field: str | None, kind: type) -> Output:
    """Return the voice; raises UsageError for what does not go together, before the store is opened."""
    if output == "toml" and field is not None:
        raise UsageError("--field shows one raw value, not toml", "-o value, or --field without -o")
    return cli.output(None if output == "toml" else output, field, kind)


def shows_overview(out: Output, output: str | None) -> bool:
    """Say whether people look, who are shown the surroundings too."""
    return out.is_human and output in (None, "table")


def print_record(out: Output, output: str | None, record: object) -> None:
    """Show the record, or the table of a manifest that asks for it."""
    if isinstance(record, App | Key) and out.format == "github":
        delivery.print_record(out, record)
        return
    if output != "toml":
        out.print_record(record)
        return
    from gamcli.provision import export  # noqa: PLC0415 - start-up: the other formats need no table of fields

    for line in export.format_manifest([export.build_table(record)]):
        out.print_line(line)
