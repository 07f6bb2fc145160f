"""`gamcli export`: the store as a manifest."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from gamcli.commands.options import Run, format_option, new_group, option
from gamcli.commands.provisioning import VarFiles
from gamcli.errors import UsageError, format_count
from gamcli.provision import export, export_update, var_files
from gamcli.provision.export import Selection
from gamcli.render import machine

verbs = new_group()


@verbs.command("export")
def export_(
    app: Annotated[list[str] | None, option("APP", "Export only this application and its keys; repeatable.")] = None,
    user: Annotated[list[str] | None, option("USER", "Export only this user and their keys; repeatable.")] = None,
    auth_type: Annotated[
        list[str] | None, option("AUTH_TYPE", "Export only this authentication type; repeatable.")
    ] = None,
    keys: Annotated[bool, typer.Option("--keys/--no-keys", help="Include active keys.")] = True,
    update: Annotated[
        list[str] | None, option("FILE", "Update this manifest and keep its comments; repeatable.")
    ] = None,
    var_file: VarFiles = None,
    output: Annotated[Literal["toml", "json"] | None, format_option(default="toml")] = None,
    *,
    run: Run,
) -> None:
    """
    Print the store, or the selected objects, as a manifest without secrets.

    Example: gamcli export --app portal > portal.toml && gamcli plan portal.toml
    """
    out = run.cli.output()
    if update and output is not None:
        raise UsageError("--update writes TOML to its file and nothing to stdout", "omit -o")
    selection = Selection(tuple(app or ()), tuple(user or ()), tuple(auth_type or ()), keys)
    with run.cli.open_gam() as gam:
        if update:
            paths, environment = [Path(each) for each in update], {**os.environ, **var_files.read(var_file or ())}
            for path, counts in export_update.update(gam, paths, environment, selection).items():
                parts = [f"{verb} {format_count(count, 'object')}" for verb, count in counts._asdict().items() if count]
                out.print_note(f"updated {path}: {', '.join(parts)}" if parts else f"no changes: {path} is up to date")
            return
        tables = export.collect_tables(gam, selection)
    if imported := sum(table.comment == export.IMPORTED for table in tables):
        count = format_count(imported, "imported key")
        out.print_note(f"{count} exported without the secret; to import it elsewhere, see: gamcli help manifests")
    if (output or out.format) == "json":
        out.print_line(machine.json_document(export.to_document(tables)))
        return
    for line in export.format_manifest(tables):
        out.print_line(line)
