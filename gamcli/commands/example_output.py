"""How `show` shows one record: as every list does, or as a manifest would ask for it."""

from typing import Annotated, Literal

import typer

from gamcli.commands import delivery
from gamcli.commands.session import Session
from gamcli.errors import UsageError
from gamcli.model import App, Key
from gamcli.render.output import Output

Shown = Annotated[
    Literal["table", "json", "jsonl", "csv", "toml", "value"] | None,
    typer.Option("-o", "--output", help="How to show it; toml as in a manifest.", show_default="table"),
]

OfClient = Annotated[
    Literal["table", "json", "jsonl", "csv", "toml", "env", "github", "value"] | None,
    typer.Option("-o", "--output", help="How to show it; toml as in a manifest.", show_default="table"),
]


def prepare(session: Session, output: str | None, field: str | None, kind: type) -> Output:
    """Return the voice; raises UsageError for what does not go together, before the store is opened."""
    if output == "toml" and field is not None:
        raise UsageError("--field shows one raw value, not toml", "-o value, or --field without -o")
    return session.output(None if output == "toml" else output, field, kind)


def is_screen(out: Output, output: str | None) -> bool:
    """Say whether people look, who are shown the surroundings too."""
    return out.is_human and output in (None, "table")


def show(out: Output, output: str | None, record: object) -> None:
    """Show the record, or the table of a manifest that asks for it."""
    if isinstance(record, App | Key) and out.format == "github":
        delivery.show(out, record)
        return
    if output != "toml":
        out.record(record)
        return
    from gamcli.provision import export  # noqa: PLC0415 - start-up: the other formats need no table of fields

    for line in export.text([export.table(record)]):
        out.data(line)
