"""`gamcli auth-type`: authentication types."""

from functools import partial
from typing import Annotated, Literal

import typer

from gamcli.actions import auth_types
from gamcli.commands import confirmation, example_output
from gamcli.commands.example_output import Shown
from gamcli.commands.options import (
    Accept,
    AuthTypeArgument,
    Description,
    DryRun,
    Enabled,
    Field,
    Format,
    IfMissing,
    Limit,
    NewName,
    Preview,
    Sort,
    Yes,
    given,
    noun,
)
from gamcli.commands.session import Session
from gamcli.model import AuthType

verbs = noun("Authentication types.")

Kind = Literal["APIkey", "GAMLocal"]
Enable = Annotated[bool | None, typer.Option("--enable/--disable", help="May it be used.", show_default=False)]


@verbs.command()
def create(
    context: typer.Context,
    name: NewName,
    kind: Annotated[Kind, typer.Option("--type", help="What kind it is (GAM: TypeId).")],
    description: Description = None,
    enabled: Enable = None,
    if_missing: IfMissing = False,
    dry_run: DryRun = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Create an authentication type."""
    session = Session.of(context)
    out = session.output(output, field, AuthType)
    with session.changing(out, dry_run=dry_run) as gam:
        changes = given(description=description, enabled=enabled)
        made = auth_types.create(gam, name, kind, changes, if_missing=if_missing)
    out.changed(made.record, f"{confirmation.made(made.fresh)} authentication type '{made.record.name}'")


@verbs.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[Kind | None, typer.Option("--type", help="Only of that kind.")] = None,
    enabled: Enabled = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the authentication types."""
    session = Session.of(context)
    with session.gam() as gam, auth_types.listed(gam, kind=kind, enabled=enabled, sort=sort) as found:
        session.output(output, field, AuthType).records(AuthType, confirmation.first(found, limit))


@verbs.command()
def show(context: typer.Context, name: AuthTypeArgument, output: Shown = None, field: Field = None) -> None:
    """Show an authentication type."""
    session = Session.of(context)
    out = example_output.prepare(session, output, field, AuthType)
    with session.gam() as gam:
        example_output.show(out, output, auth_types.show(gam, name))


@verbs.command()
def update(
    context: typer.Context,
    name: AuthTypeArgument,
    description: Description = None,
    enabled: Enable = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Change an authentication type; what is not named stays."""
    session = Session.of(context)
    out = session.output(output, field, AuthType)
    with session.changing(out, dry_run=dry_run) as gam:
        changed = auth_types.update(gam, name, given(description=description, enabled=enabled))
    undo = ("auth-type", "update", changed.record.name, "--enable")
    confirmation.tell(out, changed, f"authentication type '{changed.record.name}'", undo)


@verbs.command("set-default")
def set_default(
    context: typer.Context, name: AuthTypeArgument, dry_run: DryRun = False, output: Format = None, field: Field = None
) -> None:
    """Make an authentication type the repository's default."""
    session = Session.of(context)
    out = session.output(output, field, AuthType)
    with session.changing(out, dry_run=dry_run) as gam:
        changed = auth_types.set_default(gam, name)
    told = "is now the default" if changed.differs else "is the default already"
    if changed.differs:
        told += ": token requests that name no authentication type get it"
    out.changed(changed.record, f"authentication type '{changed.record.name}' {told}")


@verbs.command()
def delete(
    context: typer.Context,
    name: AuthTypeArgument,
    yes: Yes = False,
    accept: Accept = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Delete an authentication type; its live keys end for good."""
    session = Session.of(context)
    out = session.output(output, field, AuthType)
    with session.changing(out, dry_run=dry_run) as gam:
        deleted = confirmation.to_delete(partial(auth_types.delete, gam, name), accept, yes=yes)
    told = f"deleted authentication type '{deleted.record.name}'{confirmation.ended(deleted)}"
    out.changed(deleted.record, told)
