"""`gamcli key forecast`: how many keys expire when."""

from typing import Annotated, Literal

import typer

from gamcli.commands.options import Field, Format, noun
from gamcli.commands.session import Session
from gamcli.render.output import count
from gamcli.rules import durations

verbs = noun()


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

    session = Session.of(context)
    out = session.output(output, field, forecasts.Forecast)
    length = durations.parse(within)
    with session.gam() as gam:
        outlook = forecasts.forecast(gam, by, length)
    out.records(forecasts.Forecast, outlook.periods)
    if outlook.beyond:
        verb = "expires" if outlook.beyond == 1 else "expire"
        out.note(f"{count(outlook.beyond, 'active key')} {verb} beyond {outlook.until:%Y-%m-%d %H:%M}Z")
    if outlook.never:
        out.note(f"{count(outlook.never, 'active key')} never {'expires' if outlook.never == 1 else 'expire'}")
