"""`gamcli export`: what the store holds, as a manifest."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import new_group
from gamcli.errors import UsageError, format_count
from gamcli.provision import export, export_update
from gamcli.provision.export import Selection
from gamcli.render import machine
from gamcli.render.output import Output

verbs = new_group()


@verbs.command("export")
def export_(
    context: typer.Context,
    app: Annotated[
        list[str] | None,
        typer.Option(metavar="APP", help="Only this application and its keys; repeatable.", show_default=False),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(metavar="USER", help="Only this user and their keys; repeatable.", show_default=False),
    ] = None,
    auth_type: Annotated[
        list[str] | None,
        typer.Option(metavar="AUTH_TYPE", help="Only this authentication type; repeatable.", show_default=False),
    ] = None,
    keys: Annotated[bool, typer.Option("--keys/--no-keys", help="Active keys too, or none.")] = True,
    update: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Bring this manifest up to the store; comments and order stay."),
    ] = None,
    output: Annotated[
        Literal["toml", "json"] | None,
        typer.Option("-o", "--output", help="How to write it.", show_default="toml"),
    ] = None,
) -> None:
    """
    Print what the store holds as a manifest, without secrets: all of it, or what is named.

    Example: gamcli export --app portal > portal.toml && gamcli plan portal.toml
    """
    session = CliContext.from_typer(context)
    out = session.output()
    if update is not None and output is not None:
        raise UsageError("--update writes TOML to its file, nothing to stdout", "leave -o out")
    wanted = Selection(tuple(app or ()), tuple(user or ()), tuple(auth_type or ()), keys)
    with session.open_gam() as gam:
        if update is not None:
            _tell(out, update, export_update.update(gam, Path(update), os.environ, wanted))
            return
        tables = export.collected(gam, wanted)
    if (output or out.format) == "json":
        out.print_line(machine.json_document(export.document(tables)))
        return
    for line in export.text(tables):
        out.print_line(line)


def _tell(out: Output, path: str, done: export_update.Update) -> None:
    parts = (f"{verb} {format_count(number, 'object')}" for verb, number in done._asdict().items() if number)
    out.print_note(f"updated {path}: {', '.join(parts)}" if any(done) else f"{path} is so already: nothing to change")
