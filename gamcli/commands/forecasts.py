"""`gamcli key forecast`: when keys expire."""

from typing import Annotated, Literal

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, Within, new_group
from gamcli.errors import format_count
from gamcli.rules import durations

verbs = new_group()


@verbs.command()
def forecast(
    context: typer.Context,
    by: Annotated[
        Literal["day", "week", "month"], typer.Option(help="Length of a period, in UTC; weeks start on Monday.")
    ] = "week",
    within: Within = "12w",
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Count the active keys that will expire, by week, day or month.

    Retiring keys are not counted, because they were rotated already.

    Example: gamcli key forecast --by month --within 365d
    """
    from gamcli.actions import forecasts  # noqa: PLC0415 - start-up: keys.py imports this module

    cli = CliContext.from_typer(context)
    out = cli.output(output, field, forecasts.Forecast)
    window = durations.parse(within)
    with cli.open_gam() as gam:
        outlook = forecasts.forecast(gam, by, window)
    out.print_records(forecasts.Forecast, outlook.periods)
    if later := outlook.expiring_later:
        verb = "expires" if later == 1 else "expire"
        out.print_note(f"{format_count(later, 'active key')} {verb} after {outlook.until:%Y-%m-%d %H:%M}Z")
    if never := outlook.never_expiring:
        out.print_note(f"{format_count(never, 'active key')} never {'expires' if never == 1 else 'expire'}")
