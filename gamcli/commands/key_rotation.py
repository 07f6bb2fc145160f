"""`gamcli key rotate` and `gamcli key due`."""

from itertools import chain
from typing import Annotated

import typer

from gamcli.actions import keys, rotation
from gamcli.commands import delivery, key_messages
from gamcli.commands.context import CliContext
from gamcli.commands.options import (
    Field,
    Format,
    KeyArgument,
    OutFile,
    Preview,
    SecretFormat,
    new_group,
    parse_duration,
)
from gamcli.model import Key
from gamcli.rules import durations

verbs = new_group()

ATTENTION_NEEDED = 7
"""The exit code when keys have to be rotated."""


@verbs.command()
def rotate(
    context: typer.Context,
    key: KeyArgument,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="Keep the old key valid for this long; 0 revokes it now.")
    ],
    if_due: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Do nothing unless the key expires within this time.")
    ] = None,
    dry_run: Preview = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Replace a key with one that has the same scopes, and print it once.

    Example: NEXT=$(gamcli key rotate 3GqWOffF --overlap 7d)
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key, "api_key")
    overlap_length, due = durations.parse(overlap), parse_duration(if_due)
    with (
        cli.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as save_secret,
    ):
        old = keys.show(gam, key)
        issued = rotation.rotate(gam, old.id, overlap_length, if_due=due, save_secret=save_secret)
    if issued is None:
        message = f"not due for rotation yet: {key_messages.describe_key(old)}"
        delivery.print_result(out, old, ("api_key", None), message)
        return
    old_key = f"key {old.id} stays valid for {overlap}" if overlap_length else f"key {old.id} is replaced"
    message = f"{key_messages.describe_key(issued.record)}; {old_key}"
    delivery.print_result(out, issued.record, ("api_key", issued.secret), message, out_file)


@verbs.command()
def due(
    context: typer.Context,
    within: Annotated[str, typer.Option(metavar="DURATION", help="Time window.")] = "14d",
    output: Format = None,
    field: Field = None,
) -> None:
    """
    List active keys that expire soon, soonest first; exit code 7 if any.

    Retiring keys are left out, since they were rotated already.

    Example: gamcli key due --within 14d || notify-send 'keys to rotate'
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    filters = keys.KeySearch(statuses=("active",), expiring_within=durations.parse(within), sort="expires_at")
    with cli.open_gam() as gam, keys.search(gam, filters) as rows:
        first = next(rows, None)
        out.print_records(Key, rows if first is None else chain((first,), rows))
    if first is not None:
        raise typer.Exit(ATTENTION_NEEDED)
