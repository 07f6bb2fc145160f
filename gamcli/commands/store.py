"""`gamcli store`: looking after the file: facts, checks, backups, restoring."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gamcli.actions import maintenance
from gamcli.commands.context import CliContext
from gamcli.commands.options import DryRunOption, Field, Format, new_group
from gamcli.errors import UsageError, command, format_count
from gamcli.model.maintenance import BackupResult, CompactResult, MigrateResult, RestoreResult, StoreCheck, StoreInfo
from gamcli.model.plan import CREATE, UPDATE, Change, FieldChange, Plan
from gamcli.render.output import Output
from gamcli.system import signals

verbs = new_group("The file of the store: facts, checks, backups, restoring.")

BACKUP_NICENESS = 10
"""How much a backup steps back, in the units of `nice`: beside a server it gets a tenth of a processor, else all."""

CHECK_FAILED = 8
"""The exit code of an answer that found something wrong."""

ReplaceExisting = Annotated[
    bool, typer.Option("--replace", help="Put it in the place of what is there.", show_default=False)
]


@verbs.command()
def info(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """Show where the store is, what it holds and how large it is."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, StoreInfo)
    with session.open_gam() as gam:
        out.print_record(maintenance.info(gam))


@verbs.command()
def check(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """
    Check every page, reference and audit entry, and who may reach the files: 0 when all is well, else 8.

    Of a backup: gamcli --store FILE store check
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, StoreCheck)
    found = maintenance.check(session.settings.store())
    out.print_records(StoreCheck, found)
    wrong = sum(not each.ok for each in found)
    if wrong:
        out.print_warning(f"{wrong} of {len(found)} checks found something wrong")
        raise typer.Exit(CHECK_FAILED)
    out.print_note("all is well")


@verbs.command()
def backup(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; '-' writes stdout.", show_default=False)],
    replace: ReplaceExisting = False,
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
    session = CliContext.from_typer(context)
    out = session.output(output, field, BackupResult)
    path = session.settings.store()
    _lower_priority()
    with signals.cleanup_on_signals():
        if file == "-":
            _stream_backup(path, out, full=full)
            return
        made = maintenance.backup(path, Path(file), overwrite=replace, check_all_pages=full)
    out.print_change(made, f"wrote {file}: {_backup_summary(made)}")
    _suggest_full_check(made, file, out)


@verbs.command()
def restore(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What 'store backup' wrote.", show_default=False)],
    replace: ReplaceExisting = False,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Put a backup in place: checked first, and what is there stays under another name.

    Example: gamcli store restore backup.db --replace
    """
    from gamcli.actions import restore  # noqa: PLC0415 - start-up: the others need less

    session = CliContext.from_typer(context)
    out = session.output(output, field, RestoreResult)
    path = session.settings.store()
    if dry_run:
        out.require_plan_format()
    with signals.cleanup_on_signals():
        made = restore.restore(path, Path(file), session.make_gam, overwrite=replace, dry_run=dry_run)
    if dry_run:
        action = CREATE if made.kept is None else UPDATE
        out.print_plan(
            Plan.from_changes(
                [Change(action, "store", str(path), field_changes(made, "guid", "keys", "users", "apps"))], []
            )
        )
        return
    out.print_change(made, f"restored {path} from {file}: {_record_counts(made)}")
    if made.version_before != made.version:
        out.print_note(f"the backup was of version {made.version_before}: brought to version {made.version}")
    if made.kept:
        out.print_note(f"what was there before lies in {made.kept}")


@verbs.command()
def migrate(context: typer.Context, dry_run: DryRunOption = False, output: Format = None, field: Field = None) -> None:
    """Bring the store to the version of this gamcli, as every command does; a copy of what was before is kept."""
    from gamcli.actions import restore  # noqa: PLC0415 - start-up, as above

    session = CliContext.from_typer(context)
    out = session.output(output, field, MigrateResult)
    path = session.settings.store()
    if dry_run:
        out.require_plan_format()
        before, after = restore.read_versions(path)
        steps = [Change(UPDATE, "store", str(path), (FieldChange("version", before, after),))]
        out.print_plan(Plan.from_changes(steps if before != after else [], []))
        return
    made = restore.migrate(path)
    if made.backup is None:
        out.print_change(made, f"the store is of version {made.version} already: nothing to change")
    else:
        out.print_change(made, f"brought {path} from version {made.version_before} to {made.version}")
        out.print_note(f"what it was before lies in {made.backup}")


@verbs.command()
def compact(context: typer.Context, dry_run: DryRunOption = False, output: Format = None, field: Field = None) -> None:
    """Give back the room that deleted records took; nobody else writes meanwhile."""
    from gamcli.actions import restore  # noqa: PLC0415 - start-up, as above

    session = CliContext.from_typer(context)
    out = session.output(output, field, CompactResult)
    path = session.settings.store()
    if dry_run:
        out.require_plan_format()
        with session.open_gam() as gam:
            found = maintenance.info(gam)
        least = found.size - found.free_pages * found.page_size
        told = FieldChange("bytes", found.size + found.wal_size, least)
        out.print_plan(
            Plan.from_changes([Change(UPDATE, "store", str(path), (told,))] if told.old != told.new else [], [])
        )
        return
    made = restore.compact(path)
    out.print_change(made, f"compacted {path}: {made.bytes_before} bytes before, {made.bytes_after} now")


def field_changes(record: object, *names: str) -> tuple[FieldChange, ...]:
    """Return fields of a new record as a change shows them."""
    return tuple(FieldChange(name, None, getattr(record, name)) for name in names)


def _lower_priority() -> None:
    """Leave the processor to whoever serves this store meanwhile."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(BACKUP_NICENESS)


def _stream_backup(path: Path, out: Output, *, full: bool) -> None:
    if not out.is_human:
        raise UsageError("stdout takes the backup or the record, not both", "leave -o and --field out")
    if sys.stdout.isatty():
        raise UsageError("a backup is no text for a terminal", "gamcli store backup - > FILE")
    with maintenance.stream_backup(path, check_all_pages=full) as (made, file):
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
    out.print_note(f"wrote {_backup_summary(made)}")
    _suggest_full_check(made, "FILE", out)


def _backup_summary(backup: BackupResult) -> str:
    checked = "every page checked" if backup.checked == "pages" else "counts checked"
    return f"{_record_counts(backup)}; {checked}"


def _record_counts(copy: BackupResult | RestoreResult) -> str:
    return f"{format_count(copy.keys, 'key')}, {format_count(copy.users, 'user')}, {format_count(copy.apps, 'application')}"


def _suggest_full_check(made: BackupResult, file: str, out: Output) -> None:
    if made.checked != "pages":
        out.print_note(f"to check every page: {command('--store', file, 'store', 'check')}")
