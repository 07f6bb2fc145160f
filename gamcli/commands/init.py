"""`gamcli init`: create the store."""

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
    """Create the store, with the authentication types apikey and local (the default, disabled)."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Repository)
    path = cli.settings.store()
    if dry_run:
        _print_plan(out, path)
        return
    with Store.create(path) as store:
        created = repository.initialise(Gam(store, now, os.urandom, describe_actor(os.environ)))
    prefix = "created the store" if created.is_new else "the store already exists:"
    out.print_change(created.record, f"{prefix} {path}, repository {created.record.guid}")
    if created.is_new:
        out.print_note("authentication types: apikey (APIkey), local (GAMLocal, the default, disabled)")


def _print_plan(out: Output, path: Path) -> None:
    """Print what would be created, with a temporary store when there is none yet."""
    out.require_plan_format()
    recorded = DryRun()
    with TemporaryDirectory(prefix="gamcli-") as folder:
        store_path = path if path.exists() else Path(folder) / "store.db"
        with Store.create(store_path) as store, store.dry_run():
            repository.initialise(Gam(store, now, os.urandom, describe_actor(os.environ), recorded))
    out.print_plan(recorded.plan())
