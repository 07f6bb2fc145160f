"""`gamcli auth-type`: authentication types."""

from itertools import islice
from typing import Annotated, Literal

from gamcli.actions import auth_types
from gamcli.commands import confirmation, overview
from gamcli.commands.options import (
    AuthTypeArgument,
    ChangeOptions,
    Description,
    EnabledFilter,
    IfMissing,
    KeyChangeOptions,
    NewName,
    SortedListOptions,
    drop_none,
    flag,
    new_group,
    option,
)
from gamcli.commands.state_verbs import add_delete
from gamcli.errors import format_count
from gamcli.model import AuthType

verbs = new_group("Manage authentication types.")

Kind = Literal["APIkey", "GAMLocal"]
EnableSwitch = Annotated[bool | None, flag("Enable or disable it.", "--enable/--disable")]


@verbs.command()
def create(
    name: NewName,
    kind: Annotated[Kind, option(None, "Type of authentication (TypeId in GAM).", "--type")],
    description: Description = None,
    enabled: EnableSwitch = None,
    if_missing: IfMissing = False,
    *,
    run: ChangeOptions,
) -> None:
    """Create an authentication type."""
    out = run.make_output(AuthType)
    settings = drop_none(description=description, enabled=enabled)
    with run.open_for_change(out) as gam:
        created = auth_types.create(gam, name, kind, settings, if_missing=if_missing)
    prefix = confirmation.created_prefix(created.is_new)
    out.print_change(created.record, f"{prefix} authentication type '{created.record.name}'")


@verbs.command("list")
def list_(
    kind: Annotated[Kind | None, option(None, "Show only this type.", "--type")] = None,
    enabled: EnabledFilter = None,
    *,
    run: SortedListOptions,
) -> None:
    """List authentication types."""
    with run.cli.open_gam() as gam, auth_types.search(gam, kind=kind, enabled=enabled, sort=run.sort) as rows:
        run.make_output(AuthType).print_records(AuthType, islice(rows, run.limit))


@verbs.command()
def show(name: AuthTypeArgument, run: overview.RecordPrintOptions) -> None:
    """Show an authentication type."""
    overview.show(run, AuthType, auth_types.show, name)


@verbs.command()
def update(
    name: AuthTypeArgument, description: Description = None, enabled: EnableSwitch = None, *, run: KeyChangeOptions
) -> None:
    """Change settings of an authentication type."""
    out = run.make_output(AuthType)
    with run.open_for_change(out) as gam:
        result = auth_types.update(gam, name, drop_none(description=description, enabled=enabled))
    auth_type = result.record.name
    undo = ("auth-type", "update", auth_type, "--enable")
    confirmation.report_change(out, result, f"authentication type '{auth_type}'", undo)


@verbs.command("set-default")
def set_default(name: AuthTypeArgument, run: ChangeOptions) -> None:
    """Set the default authentication type."""
    out = run.make_output(AuthType)
    with run.open_for_change(out) as gam:
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


add_delete(
    verbs,
    "Delete an authentication type; suspends keys that no other type accepts.",
    AuthTypeArgument,
    AuthType,
    auth_types.delete,
)
