"""What people see: one thing with its surroundings, or the store as a whole, and what to type next."""

from typing import TYPE_CHECKING

from gamcli.commands.context import CliContext
from gamcli.errors import StoreMissingError, command
from gamcli.render.output import Output

if TYPE_CHECKING:
    from gamcli.actions import Gam


def show_record(out: Output, gam: "Gam", noun: str, name: str) -> None:
    """Show the application, user or key of that name."""
    from gamcli.actions import overviews  # noqa: PLC0415 - start-up: programs get the record alone
    from gamcli.render import panels  # noqa: PLC0415 - start-up, as above

    if noun == "app":
        panel = panels.app_panel(overviews.app_overview(gam, name), out.now())
    elif noun == "user":
        panel = panels.user_panel(overviews.user_overview(gam, name), out.now())
    else:
        panel = panels.key_panel(overviews.key_overview(gam, name), out.now())
    out.print_panel(panel)


def show_store(cli: CliContext) -> None:
    """Show what the store holds, or how to begin where there is none."""
    from gamcli.actions import overviews  # noqa: PLC0415 - start-up: other commands need no overview
    from gamcli.model.overviews import NextStep  # noqa: PLC0415 - start-up, as above
    from gamcli.render import panels  # noqa: PLC0415 - start-up, as above

    out = cli.output("table")
    try:
        with cli.open_gam() as gam:
            panel = panels.store_panel(overviews.store_overview(gam))
    except StoreMissingError:
        steps = (
            NextStep("make it", command("init")),
            NextStep("see it all work, without it", command("quickstart")),
            NextStep("see all commands", command("--help")),
        )
        panel = panels.missing_store_panel(cli.settings.store(), steps)
    out.print_panel(panel)
