"""`gamcli init`."""

import os

import typer

from gamcli.actions import Gam, repository
from gamcli.commands.options import Field, Format, noun
from gamcli.commands.session import Session, actor, now
from gamcli.model import Repository
from gamcli.store import Store

verbs = noun()


@verbs.command("init")
def initialise(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """Create the store, with the authentication types apikey (the default) and local (disabled)."""
    session = Session.of(context)
    out = session.output(output, field, Repository)
    path = session.settings.store()
    with Store.create(path) as store:
        made = repository.initialise(Gam(store, now, os.urandom, actor(os.environ)))
    what = "created the store" if made.fresh else "the store is there already:"
    out.changed(made.record, f"{what} {path}, repository {made.record.guid}")
    if made.fresh:
        out.note("authentication types: apikey (APIkey, the default), local (GAMLocal, disabled)")
