"""`gamcli key forecast`: how many keys expire when."""

from typing import Annotated, Literal

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, new_group
from gamcli.errors import format_count
from gamcli.rules import durations

verbs = new_group()


@verbs.command()
def forecast(
    context: typer.Context,
    by: Annotated[
        Literal["day", "week", "month"], typer.Option(help="The periods, in UTC; weeks begin on Monday.")
    ] = "week",
    within: Annotated[str, typer.Option(metavar="DURATION", help="How far to look.")] = "12w",
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Count the active keys that expire in each week to come, or day, or month.

    Keys that retire were rotated already. Example: gamcli key forecast --by month --within 365d
    """
    from gamcli.actions import forecasts  # noqa: PLC0415 - start-up

    session = CliContext.from_typer(context)
    out = session.output(output, field, forecasts.Forecast)
    length = durations.parse(within)
    with session.open_gam() as gam:
        outlook = forecasts.forecast(gam, by, length)
    out.print_records(forecasts.Forecast, outlook.periods)
    if outlook.expiring_later:
        verb = "expires" if outlook.expiring_later == 1 else "expire"
        out.print_note(
            f"{format_count(outlook.expiring_later, 'active key')} {verb} beyond {outlook.until:%Y-%m-%d %H:%M}Z"
        )
    if outlook.never_expiring:
        out.print_note(
            f"{format_count(outlook.never_expiring, 'active key')} never {'expires' if outlook.never_expiring == 1 else 'expire'}"
        )
