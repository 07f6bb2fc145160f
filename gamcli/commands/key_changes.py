"""`gamcli key disable`, `enable` and `update`."""

from typing import Annotated

import typer

from gamcli.actions import key_changes
from gamcli.commands import confirmation
from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, KeyArgument, Preview, Reason, new_group
from gamcli.model import Key

verbs = new_group()


@verbs.command()
def disable(
    context: typer.Context,
    key: KeyArgument,
    reason: Reason = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Suspend a key and its access tokens until the key is enabled again.

    To revoke a key permanently, use `gamcli key revoke`.
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = key_changes.disable(gam, key, reason)
    key_id, status = result.record.id, result.record.status(out.now())
    if result.is_changed or result.record.is_valid(out.now()):
        confirmation.report_change(out, result, f"key {key_id}", ("key", "enable", key_id), "disabled")
    else:
        out.print_change(result.record, f"not disabled, because it is already {status}: key {key_id}")


@verbs.command()
def enable(
    context: typer.Context, key: KeyArgument, dry_run: Preview = False, output: Format = None, field: Field = None
) -> None:
    """Enable a disabled key, and its access tokens that have not expired."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = key_changes.enable(gam, key)
    confirmation.report_change(out, result, f"key {result.record.id}", ("key", "disable", result.record.id), "enabled")


@verbs.command()
def update(
    context: typer.Context,
    key: KeyArgument,
    label: Annotated[str, typer.Option(metavar="TEXT", help="New label; an empty value removes it.")],
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Change the label of a key."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = key_changes.update(gam, key, label)
    confirmation.report_change(out, result, f"key {result.record.id}", ("key", "update", result.record.id))
