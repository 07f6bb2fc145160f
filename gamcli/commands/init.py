"""`gamcli init`: create the store."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from gamcli.actions import DryRun, repository
from gamcli.commands.context import CliContext
from gamcli.commands.options import ChangeOptions, new_group, option
from gamcli.errors import StoreMissingError, UsageError
from gamcli.model import Repository
from gamcli.render.output import Output
from gamcli.store import Location, Store

verbs = new_group()


@verbs.command("init")
def initialise(
    schema: Annotated[str | None, option("NAME", "Schema of the PostgreSQL database (default: gamcli).")] = None,
    *,
    run: ChangeOptions,
) -> None:
    """Create the store, with the authentication types apikey and local (the default, disabled)."""
    out = run.make_output(Repository)
    path = run.cli.settings.store()
    if schema is not None:
        path = _with_schema(path, schema)
    if run.dry_run:
        _print_plan(out, path)
        return
    with Store.create(path) as store:
        created = repository.initialise(run.cli.make_gam(store))
    prefix = "created the store" if created.is_new else "the store already exists:"
    out.print_change(created.record, f"{prefix} {path}, repository {created.record.guid}")
    if created.is_new:
        out.print_note("authentication types: apikey (APIkey), local (GAMLocal, the default, disabled)")
    if schema is not None:
        out.print_note(f"use this store with: --store '{path}'")


def _with_schema(location: Location, schema: str) -> Location:
    from gamcli.store.postgres.url import PostgresUrl  # noqa: PLC0415 - start-up: few stores are databases

    if not isinstance(location, PostgresUrl):
        raise UsageError("--schema requires a store on PostgreSQL", "--store postgresql://user@host/database")
    return location.with_schema(schema)


def _print_plan(out: Output, location: Location) -> None:
    """Print what would be created, with a temporary store when there is none yet."""
    out.require_plan_format()
    recorded = DryRun()
    with (
        TemporaryDirectory(prefix="gamcli-") as folder,
        _open_for_plan(location, Path(folder)) as store,
        store.dry_run(),
    ):
        repository.initialise(replace(CliContext.make_gam(store), dry_run=recorded))
    out.print_plan(recorded.plan())


def _open_for_plan(location: Location, folder: Path) -> Store:
    if isinstance(location, Path):
        return Store.create(location if location.exists() else folder / "store.db")
    try:
        return Store.open(location)
    except StoreMissingError:
        return Store.create(folder / "store.db")
