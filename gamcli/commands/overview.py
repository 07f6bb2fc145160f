"""What people see: one thing with its surroundings, or the store as a whole, and what to type next."""

from typing import TYPE_CHECKING

from gamcli.commands.session import Session
from gamcli.errors import StoreMissingError, command
from gamcli.render.output import Output

if TYPE_CHECKING:
    from gamcli.actions import Gam


def show(out: Output, gam: "Gam", noun: str, name: str) -> None:
    """Show the application, user or key of that name."""
    from gamcli.actions import overviews  # noqa: PLC0415 - start-up: programs get the record alone
    from gamcli.render import panels  # noqa: PLC0415 - start-up, as above

    if noun == "app":
        panel = panels.app(overviews.app(gam, name), out.now())
    elif noun == "user":
        panel = panels.user(overviews.user(gam, name), out.now())
    else:
        panel = panels.key(overviews.key(gam, name), out.now())
    out.screen(panel)


def whole(session: Session) -> None:
    """Show what the store holds, or how to begin where there is none."""
    from gamcli.actions import overviews  # noqa: PLC0415 - start-up: other commands need no overview
    from gamcli.model.overviews import Step  # noqa: PLC0415 - start-up, as above
    from gamcli.render import panels  # noqa: PLC0415 - start-up, as above

    out = session.output("table")
    try:
        with session.gam() as gam:
            panel = panels.store(overviews.whole(gam))
    except StoreMissingError:
        steps = (
            Step("make it", command("init")),
            Step("see it all work, without it", command("quickstart")),
            Step("see all commands", command("--help")),
        )
        panel = panels.begin(session.settings.store(), steps)
    out.screen(panel)
