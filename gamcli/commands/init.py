"""`gamcli init`."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from gamcli.actions import Gam, Rehearsal, repository
from gamcli.commands.options import DryRun, Field, Format, noun
from gamcli.commands.session import Session, now
from gamcli.model import Repository
from gamcli.render.output import Output
from gamcli.store import Store
from gamcli.system.actor import actor

verbs = noun()


@verbs.command("init")
def initialise(context: typer.Context, dry_run: DryRun = False, output: Format = None, field: Field = None) -> None:
    """Create the store, with the authentication types apikey (the default) and local (disabled)."""
    session = Session.of(context)
    out = session.output(output, field, Repository)
    path = session.settings.store()
    if dry_run:
        _rehearse(out, path)
        return
    with Store.create(path) as store:
        made = repository.initialise(Gam(store, now, os.urandom, actor(os.environ)))
    what = "created the store" if made.fresh else "the store is there already:"
    out.changed(made.record, f"{what} {path}, repository {made.record.guid}")
    if made.fresh:
        out.note("authentication types: apikey (APIkey, the default), local (GAMLocal, disabled)")


def _rehearse(out: Output, path: Path) -> None:
    """Show what would be done, on a store that lives as long as that takes when there is none yet."""
    out.require_plan()
    rehearsal = Rehearsal()
    with TemporaryDirectory(prefix="gamcli-") as folder:
        there = path if path.exists() else Path(folder) / "store.db"
        with Store.create(there) as store, store.rehearsing():
            repository.initialise(Gam(store, now, os.urandom, actor(os.environ), rehearsal))
    out.plan(rehearsal.plan())
