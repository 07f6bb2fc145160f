"""`gamcli auth-type`: authentication types."""

from functools import partial
from typing import Annotated, Literal

import typer

from gamcli.actions import auth_types
from gamcli.commands import confirmation, example_output
from gamcli.commands.context import CliContext
from gamcli.commands.example_output import RecordFormat
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
    Sort,
    Yes,
    drop_none,
    new_group,
)
from gamcli.model import AuthType

verbs = new_group("Authentication types.")

Kind = Literal["APIkey", "GAMLocal"]
EnableSwitch = Annotated[bool | None, typer.Option("--enable/--disable", help="May it be used.", show_default=False)]


@verbs.command()
def create(
    context: typer.Context,
    name: NewName,
    kind: Annotated[Kind, typer.Option("--type", help="What kind it is (GAM: TypeId).")],
    description: Description = None,
    enabled: EnableSwitch = None,
    if_missing: IfMissing = False,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Create an authentication type."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, AuthType)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        changes = drop_none(description=description, enabled=enabled)
        made = auth_types.create(gam, name, kind, changes, if_missing=if_missing)
    out.print_change(
        made.record, f"{confirmation.created_prefix(made.is_new)} authentication type '{made.record.name}'"
    )


@verbs.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[Kind | None, typer.Option("--type", help="Only of that kind.")] = None,
    enabled: EnabledFilter = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the authentication types."""
    session = CliContext.from_typer(context)
    with session.open_gam() as gam, auth_types.search(gam, kind=kind, enabled=enabled, sort=sort) as found:
        session.output(output, field, AuthType).print_records(AuthType, confirmation.take(found, limit))


@verbs.command()
def show(context: typer.Context, name: AuthTypeArgument, output: RecordFormat = None, field: Field = None) -> None:
    """Show an authentication type."""
    session = CliContext.from_typer(context)
    out = example_output.prepare_output(session, output, field, AuthType)
    with session.open_gam() as gam:
        example_output.print_record(out, output, auth_types.show(gam, name))


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
    """Change an authentication type; what is not named stays."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, AuthType)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        changed = auth_types.update(gam, name, drop_none(description=description, enabled=enabled))
    undo = ("auth-type", "update", changed.record.name, "--enable")
    confirmation.report_change(out, changed, f"authentication type '{changed.record.name}'", undo)


@verbs.command("set-default")
def set_default(
    context: typer.Context,
    name: AuthTypeArgument,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Make an authentication type the repository's default."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, AuthType)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        changed = auth_types.set_default(gam, name)
    told = "is now the default" if changed.is_changed else "is the default already"
    if changed.is_changed:
        told += ": token requests that name no authentication type get it"
    out.print_change(changed.record, f"authentication type '{changed.record.name}' {told}")


@verbs.command()
def delete(
    context: typer.Context,
    name: AuthTypeArgument,
    yes: Yes = False,
    accept: AcceptInvalidating = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete an authentication type; its live keys end for good."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, AuthType)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        deleted = confirmation.confirm_deleting(partial(auth_types.delete, gam, name), accept, yes=yes)
    told = f"deleted authentication type '{deleted.record.name}'{confirmation.invalidated_suffix(deleted)}"
    out.print_change(deleted.record, told)
