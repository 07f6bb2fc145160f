"""`gamcli auth-type`: authentication types."""

from functools import partial
from typing import Annotated, Literal

import typer

from gamcli.actions import auth_types
from gamcli.commands import confirmation, overview
from gamcli.commands.context import CliContext
from gamcli.commands.options import (
    AcceptInvalidating,
    AuthTypeArgument,
    Description,
    DryRunOption,
    EnabledFilter,
    Field,
    Format,
    IfMissing,
    Limit,
    NewName,
    Preview,
    ShowAll,
    Sort,
    Wide,
    Yes,
    drop_none,
    new_group,
)
from gamcli.commands.overview import RecordFormat
from gamcli.errors import format_count
from gamcli.model import AuthType

verbs = new_group("Manage authentication types.")

Kind = Literal["APIkey", "GAMLocal"]
EnableSwitch = Annotated[
    bool | None, typer.Option("--enable/--disable", help="Enable or disable it.", show_default=False)
]


@verbs.command()
def create(
    context: typer.Context,
    name: NewName,
    kind: Annotated[Kind, typer.Option("--type", help="Type of authentication (TypeId in GAM).")],
    description: Description = None,
    enabled: EnableSwitch = None,
    if_missing: IfMissing = False,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Create an authentication type."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, AuthType)
    settings = drop_none(description=description, enabled=enabled)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        created = auth_types.create(gam, name, kind, settings, if_missing=if_missing)
    prefix = confirmation.created_prefix(created.is_new)
    out.print_change(created.record, f"{prefix} authentication type '{created.record.name}'")


@verbs.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[Kind | None, typer.Option("--type", help="Show only this type.")] = None,
    enabled: EnabledFilter = None,
    sort: Sort = None,
    limit: Limit = None,
    wide: Wide = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """List authentication types."""
    cli = CliContext.from_typer(context)
    with cli.open_gam() as gam, auth_types.search(gam, kind=kind, enabled=enabled, sort=sort) as rows:
        cli.output(output, field, AuthType, wide=wide).print_records(AuthType, confirmation.take(rows, limit))


@verbs.command()
def show(context: typer.Context, name: AuthTypeArgument, output: RecordFormat = None, field: Field = None) -> None:
    """Show an authentication type."""
    overview.show(context, AuthType, auth_types.show, name, output, field)


@verbs.command()
def update(
    context: typer.Context,
    name: AuthTypeArgument,
    description: Description = None,
    enabled: EnableSwitch = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Change settings of an authentication type."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, AuthType)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = auth_types.update(gam, name, drop_none(description=description, enabled=enabled))
    auth_type = result.record.name
    undo = ("auth-type", "update", auth_type, "--enable")
    confirmation.report_change(out, result, f"authentication type '{auth_type}'", undo)


@verbs.command("set-default")
def set_default(
    context: typer.Context,
    name: AuthTypeArgument,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Set the default authentication type."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, AuthType)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = auth_types.set_default(gam, name)
        uses = auth_types.count_default_use(gam)
    message = (
        "is now the default: it is used for token requests that do not name an authentication type"
        if result.is_changed
        else "is already the default"
    )
    out.print_change(result.record, f"authentication type '{result.record.name}' {message}")
    days = auth_types.DEFAULT_USE_DAYS
    out.print_note(f"{format_count(uses, 'token request')} of the last {days} days named no authentication type")


@verbs.command()
def delete(
    context: typer.Context,
    name: AuthTypeArgument,
    yes: Yes = False,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete an authentication type; suspends keys that no other type accepts."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, AuthType)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = confirmation.confirm_deleting(
            partial(auth_types.delete, gam, name), accept, yes=yes, show_all=show_all
        )
    suffix = confirmation.invalidated_suffix(result)
    out.print_change(result.record, f"deleted authentication type '{result.record.name}'{suffix}")
