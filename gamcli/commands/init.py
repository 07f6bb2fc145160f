"""`gamcli init`."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from gamcli.actions import DryRun, Gam, repository
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import DryRunOption, Field, Format, new_group
from gamcli.model import Repository
from gamcli.render.output import Output
from gamcli.store import Store
from gamcli.system.actor import describe_actor

verbs = new_group()


@verbs.command("init")
def initialise(
    context: typer.Context, dry_run: DryRunOption = False, output: Format = None, field: Field = None
) -> None:
    """Create the store, with the authentication types apikey (the default) and local (disabled)."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, Repository)
    path = session.settings.store()
    if dry_run:
        _print_plan(out, path)
        return
    with Store.create(path) as store:
        made = repository.initialise(Gam(store, now, os.urandom, describe_actor(os.environ)))
    what = "created the store" if made.is_new else "the store is there already:"
    out.print_change(made.record, f"{what} {path}, repository {made.record.guid}")
    if made.is_new:
        out.print_note("authentication types: apikey (APIkey, the default), local (GAMLocal, disabled)")


def _print_plan(out: Output, path: Path) -> None:
    """Show what would be done, on a store that lives as long as that takes when there is none yet."""
    out.require_plan_format()
    rehearsal = DryRun()
    with TemporaryDirectory(prefix="gamcli-") as folder:
        there = path if path.exists() else Path(folder) / "store.db"
        with Store.create(there) as store, store.dry_run():
            repository.initialise(Gam(store, now, os.urandom, describe_actor(os.environ), rehearsal))
    out.print_plan(rehearsal.plan())
