"""`gamcli store`: looking after the file: facts, checks, backups, restoring."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gamcli.actions import maintenance
from gamcli.commands.options import DryRun, Field, Format, noun
from gamcli.commands.session import Session
from gamcli.errors import UsageError, command
from gamcli.model.maintenance import Backup, Check, Compacted, Migrated, Restored, StoreInfo
from gamcli.model.plan import CREATE, UPDATE, Change, FieldChange, Plan
from gamcli.render.output import Output, count
from gamcli.system import signals

verbs = noun("The file of the store: facts, checks, backups, restoring.")

KINDNESS = 10
"""How much a backup steps back, in the units of `nice`: beside a server it gets a tenth of a processor, else all."""

UNWELL = 8
"""The exit code of an answer that found something wrong."""

Replace = Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.", show_default=False)]


@verbs.command()
def info(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """Show where the store is, what it holds and how large it is."""
    session = Session.of(context)
    out = session.output(output, field, StoreInfo)
    with session.gam() as gam:
        out.record(maintenance.info(gam))


@verbs.command()
def check(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """
    Check every page, reference and audit entry, and who may reach the files: 0 when all is well, else 8.

    Of a backup: gamcli --store FILE store check
    """
    session = Session.of(context)
    out = session.output(output, field, Check)
    found = maintenance.check(session.settings.store())
    out.records(Check, found)
    wrong = sum(not each.ok for each in found)
    if wrong:
        out.warn(f"{wrong} of {len(found)} checks found something wrong")
        raise typer.Exit(UNWELL)
    out.note("all is well")


@verbs.command()
def backup(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; '-' writes stdout.", show_default=False)],
    replace: Replace = False,
    full: Annotated[
        bool, typer.Option("--full", help="Check every page of the copy, of a large store too.", show_default=False)
    ] = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Copy the store, of one moment and while others write, and check the copy.

    When the copy is whole but what the store holds is not as it should be, it is kept, and the exit code is 8; an
    earlier backup is not replaced by it.

    Example: gamcli store backup backup.db
    """
    session = Session.of(context)
    out = session.output(output, field, Backup)
    path = session.settings.store()
    _step_back()
    with signals.tidy():
        if file == "-":
            _stream(path, out, full=full)
            return
        made = maintenance.backup(path, Path(file), over=replace, whole=full)
    out.changed(made, f"wrote {file}: {_told(made)}")
    _tell_rest(made, file, out)


@verbs.command()
def restore(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What 'store backup' wrote.", show_default=False)],
    replace: Replace = False,
    dry_run: DryRun = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Put a backup in place: checked first, and what is there stays under another name.

    Example: gamcli store restore backup.db --replace
    """
    from gamcli.actions import restore  # noqa: PLC0415 - start-up: the others need less

    session = Session.of(context)
    out = session.output(output, field, Restored)
    path = session.settings.store()
    if dry_run:
        out.require_plan()
    with signals.tidy():
        made = restore.restore(path, Path(file), session.acting, over=replace, rehearsed=dry_run)
    if dry_run:
        action = CREATE if made.kept is None else UPDATE
        out.plan(Plan.of([Change(action, "store", str(path), fields_of(made, "guid", "keys", "users", "apps"))], []))
        return
    out.changed(made, f"restored {path} from {file}: {_held(made)}")
    if made.version_before != made.version:
        out.note(f"the backup was of version {made.version_before}: brought to version {made.version}")
    if made.kept:
        out.note(f"what was there before lies in {made.kept}")


@verbs.command()
def migrate(context: typer.Context, dry_run: DryRun = False, output: Format = None, field: Field = None) -> None:
    """Bring the store to the version of this gamcli, as every command does; a copy of what was before is kept."""
    from gamcli.actions import restore  # noqa: PLC0415 - start-up, as above

    session = Session.of(context)
    out = session.output(output, field, Migrated)
    path = session.settings.store()
    if dry_run:
        out.require_plan()
        before, after = restore.versions(path)
        steps = [Change(UPDATE, "store", str(path), (FieldChange("version", before, after),))]
        out.plan(Plan.of(steps if before != after else [], []))
        return
    made = restore.migrate(path)
    if made.backup is None:
        out.changed(made, f"the store is of version {made.version} already: nothing to change")
    else:
        out.changed(made, f"brought {path} from version {made.version_before} to {made.version}")
        out.note(f"what it was before lies in {made.backup}")


@verbs.command()
def compact(context: typer.Context, dry_run: DryRun = False, output: Format = None, field: Field = None) -> None:
    """Give back the room that deleted records took; nobody else writes meanwhile."""
    from gamcli.actions import restore  # noqa: PLC0415 - start-up, as above

    session = Session.of(context)
    out = session.output(output, field, Compacted)
    path = session.settings.store()
    if dry_run:
        out.require_plan()
        with session.gam() as gam:
            found = maintenance.info(gam)
        least = found.size - found.free_pages * found.page_size
        told = FieldChange("bytes", found.size + found.wal_size, least)
        out.plan(Plan.of([Change(UPDATE, "store", str(path), (told,))] if told.old != told.new else [], []))
        return
    made = restore.compact(path)
    out.changed(made, f"compacted {path}: {made.bytes_before} bytes before, {made.bytes_after} now")


def fields_of(record: object, *names: str) -> tuple[FieldChange, ...]:
    """Return fields of a new record as a change shows them."""
    return tuple(FieldChange(name, None, getattr(record, name)) for name in names)


def _step_back() -> None:
    """Leave the processor to whoever serves this store meanwhile."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(KINDNESS)


def _stream(path: Path, out: Output, *, full: bool) -> None:
    if not out.is_human:
        raise UsageError("stdout takes the backup or the record, not both", "leave -o and --field out")
    if sys.stdout.isatty():
        raise UsageError("a backup is no text for a terminal", "gamcli store backup - > FILE")
    with maintenance.streamed(path, whole=full) as (made, file):
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
    out.note(f"wrote {_told(made)}")
    _tell_rest(made, "FILE", out)


def _told(made: Backup) -> str:
    checked = "every page checked" if made.checked == "pages" else "counts checked"
    return f"{_held(made)}; {checked}"


def _held(made: Backup | Restored) -> str:
    return f"{count(made.keys, 'key')}, {count(made.users, 'user')}, {count(made.apps, 'application')}"


def _tell_rest(made: Backup, file: str, out: Output) -> None:
    if made.checked != "pages":
        out.note(f"to check every page: {command('--store', file, 'store', 'check')}")
