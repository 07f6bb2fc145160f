"""`gamcli store`: maintenance of the store."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from gamcli.actions import maintenance
from gamcli.actions import restore as restoring
from gamcli.commands import prompts
from gamcli.commands.context import CliContext
from gamcli.commands.locations import parse_location, read_url_file
from gamcli.commands.options import ChangeOptions, ListOptions, PrintOptions, argument, flag, new_group, option
from gamcli.errors import ReactivatesError, UsageError, command, format_count
from gamcli.model.maintenance import (
    BackupResult,
    CompactResult,
    CopyResult,
    MigrateResult,
    RestoreResult,
    StoreCheck,
    StoreInfo,
)
from gamcli.model.plan import CREATE, DELETE, UPDATE, Change, FieldChange, Plan
from gamcli.render.output import Output, print_message
from gamcli.system import signals

verbs = new_group("Inspect, check, back up and restore the store.")

BACKUP_NICENESS = 10
"""How far a backup lowers its priority, as for `nice`: about a tenth of a CPU while a server is busy."""

CHECK_FAILED = 8
"""The exit code when a check failed."""

ReplaceExisting = Annotated[bool, flag("Replace the existing file or store.", "--replace")]


@verbs.command()
def info(run: PrintOptions) -> None:
    """Show the path, the contents and the size of the store."""
    out = run.make_output(StoreInfo)
    with run.cli.open_gam() as gam:
        out.print_record(maintenance.info(gam))


@verbs.command()
def check(run: ListOptions) -> None:
    """
    Check integrity and file permissions; exit code 8 if a check fails.

    Example, for a backup: gamcli --store backup.db store check
    """
    out = run.make_output(StoreCheck, wraps=True)
    checks = maintenance.check(run.cli.settings.store())
    out.print_records(StoreCheck, checks)
    failed = sum(not check.ok for check in checks)
    if failed:
        out.print_warning(f"{failed} of {len(checks)} checks failed")
        raise typer.Exit(CHECK_FAILED)
    out.print_note("all checks passed")


@verbs.command()
def backup(
    file: Annotated[str, argument("FILE", "File to write; '-' for stdout.")],
    replace: ReplaceExisting = False,
    full: Annotated[bool, flag("Check every page of the copy, even if it is large.", "--full")] = False,
    *,
    run: PrintOptions,
) -> None:
    """
    Copy the store, even while it is in use, and check the copy.

    If the copy is complete but the contents of the store are damaged, the copy is kept and the exit code is 8; an
    existing backup is not replaced by it.

    Example: gamcli store backup backup.db
    """
    out = run.make_output(BackupResult)
    path = _require_file(run.cli, "backup")
    if hasattr(os, "nice"):  # not on Windows; leaves a server of this store more of the CPU
        os.nice(BACKUP_NICENESS)
    with signals.cleanup_on_signals():
        if file == "-":
            _stream_backup(path, out, full=full)
            return
        result = maintenance.backup(path, Path(file), overwrite=replace, check_all_pages=full)
    out.print_change(result, f"wrote {file}: {_backup_summary(result)}")
    _suggest_full_check(result, file, out)


@verbs.command()
def restore(
    file: Annotated[str, argument("FILE", "File written by `gamcli store backup`; '-' for stdin.")],
    replace: ReplaceExisting = False,
    accept: Annotated[
        int | None,
        option("N", "Confirm that exactly N objects become usable again.", "--accept-reactivating", min=0),
    ] = None,
    revoke_again: Annotated[
        bool, flag("Repeat the revocations, blocks and rotations since the backup.", "--revoke-again")
    ] = False,
    *,
    run: ChangeOptions,
) -> None:
    """
    Check a backup, replace the store with it, and keep a copy of the old store.

    Example: gamcli store restore backup.db --replace
    """
    out, dry_run = run.make_output(RestoreResult), run.dry_run
    path = _require_file(run.cli, "restore")
    if dry_run:
        out.require_plan_format()
    with signals.cleanup_on_signals(), _open_backup(file) as source:
        accepted = restoring.Reactivation(accept, revoke_again)
        restore_file = partial(restoring.restore, path, source, run.cli.make_gam, overwrite=replace)
        result = _restore(restore_file, accepted, dry_run)
    if result.note:
        out.print_warning(result.note)
    if dry_run or (accept is not None and not revoke_again):  # with the commands that end them again
        for line in result.reactivated:
            out.print_notice(line)
    if dry_run:
        counts = tuple(FieldChange(name, None, getattr(result, name)) for name in ("guid", "keys", "users", "apps"))
        changed = Change(CREATE if result.kept is None else UPDATE, "store", str(path), counts)
        lost = [Change(DELETE, kind, name, ()) for kind, name in result.only_present]
        out.print_plan(Plan.from_changes([changed, *lost], []))
        return
    out.print_change(result, f"restored {path} from {source.name if file == '-' else file}: {_format_counts(result)}")
    if result.version_before != result.version:
        out.print_note(f"migrated the backup from version {result.version_before} to {result.version}")
    if result.kept:
        out.print_note(f"the replaced store is in {result.kept}")


def _restore(restore: Callable[..., RestoreResult], accepted: restoring.Reactivation, dry_run: bool) -> RestoreResult:
    """Restore; on a terminal, list what becomes usable again and ask."""
    try:
        return restore(accept=accepted, dry_run=dry_run)
    except ReactivatesError as error:
        if accepted.number is not None or not sys.stdin.isatty():
            raise
        for line in error.lines:
            print_message(line)
        prompts.confirm(f"{error.message}; continue?")
        return restore(accept=restoring.Reactivation(error.count))


@verbs.command()
def migrate(
    to: Annotated[str | None, option("STORE", "Copy everything to this store: a URL or a file.")] = None,
    to_url_file: Annotated[str | None, option("FILE", "Read the URL of the other store from FILE.")] = None,
    *,
    run: ChangeOptions,
) -> None:
    """
    Migrate the store to the current schema version, after a backup, or copy it to another store.

    Keys and tokens stay valid in a copy, and its audit log has the same head. Stop the servers of the store first.

    Example: gamcli store migrate --to postgresql://gam@db.example.com/gam
    """
    if to is not None or to_url_file is not None:
        if run.dry_run:
            raise UsageError("--dry-run and --to cannot be combined", "leave one of them out")
        if to is not None and to_url_file is not None:
            raise UsageError("--to and --to-url-file cannot be combined", "leave one of them out")
        _copy_store(run.cli, run.make_output(CopyResult), to, to_url_file)
        return
    out = run.make_output(MigrateResult)
    path = run.cli.settings.store()
    if run.dry_run:
        out.require_plan_format()
        before, after = restoring.read_versions(path)
        _print_plan(out, Change(UPDATE, "store", str(path), (FieldChange("version", before, after),)))
        return
    result = restoring.migrate(path)
    if result.version_before == result.version:
        out.print_change(result, f"the store already has schema version {result.version}")
    else:
        out.print_change(result, f"migrated {path} from version {result.version_before} to {result.version}")
        if result.backup is not None:
            out.print_note(f"backup: {result.backup}")


@verbs.command()
def compact(run: ChangeOptions) -> None:
    """Free the disk space of deleted records; blocks writes while it runs."""
    out = run.make_output(CompactResult)
    path = _require_file(run.cli, "compact")
    if run.dry_run:
        out.require_plan_format()
        with run.cli.open_gam() as gam:
            info = maintenance.info(gam)
        smallest_size = info.size - info.free_pages * info.page_size
        size = FieldChange("bytes", info.size + info.wal_size, smallest_size)
        _print_plan(out, Change(UPDATE, "store", str(path), (size,)))
        return
    result = restoring.compact(path)
    out.print_change(result, f"compacted {path} from {result.bytes_before} to {result.bytes_after} bytes")


@contextmanager
def _open_backup(file: str) -> Iterator[Path]:
    """Yield the path of the backup; stdin is copied to a temporary file that only this user can read."""
    if file != "-":
        yield Path(file)
        return
    if sys.stdin.isatty():
        raise UsageError("a backup cannot be read from a terminal", "gamcli store restore - < FILE")
    with TemporaryDirectory(prefix="gamcli-") as folder:
        copy = Path(folder) / "stdin"
        with copy.open("xb") as target:
            shutil.copyfileobj(sys.stdin.buffer, target)
        yield copy


def _print_plan(out: Output, change: Change) -> None:
    is_change = any(field.old != field.new for field in change.fields)
    out.print_plan(Plan.from_changes([change] if is_change else [], []))


def _stream_backup(path: Path, out: Output, *, full: bool) -> None:
    if not out.is_human:
        raise UsageError("a backup on stdout cannot be combined with -o or --field", "gamcli store backup - > FILE")
    if sys.stdout.isatty():
        raise UsageError("a backup cannot be written to a terminal", "gamcli store backup - > FILE")
    with maintenance.stream_backup(path, check_all_pages=full) as (result, file):
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
    out.print_note(f"wrote {_backup_summary(result)}")
    _suggest_full_check(result, "FILE", out)


def _backup_summary(backup: BackupResult) -> str:
    checked = "every page checked" if backup.checked == "pages" else "counts checked"
    return f"{_format_counts(backup)}; {checked}"


def _format_counts(copy: BackupResult | RestoreResult) -> str:
    counts = {"key": copy.keys, "user": copy.users, "application": copy.apps}
    return ", ".join(format_count(count, noun) for noun, count in counts.items())


def _suggest_full_check(result: BackupResult, file: str, out: Output) -> None:
    if result.checked != "pages":
        out.print_note(f"to check every page: {command('--store', file, 'store', 'check')}")


RESTORE_LINE = (
    "psql --dbname='{url}' --single-transaction --set=ON_ERROR_STOP=1 "
    "--command='ALTER SCHEMA {schema} RENAME TO {schema}_replaced' --file=backup.sql"
)
"""Without stopping at an error, psql would mix the backup with the rows of a schema that exists."""

COMMAND_LINES = {
    "backup": ("back up a database with its own tools", "pg_dump --schema={schema} --dbname='{url}' --file=backup.sql"),
    "restore": ("restore a database with its own tools", RESTORE_LINE),
    "compact": ("it frees the space of deleted rows itself", "psql --dbname='{url}' --command='VACUUM (ANALYZE)'"),
}
"""Why a command is for files only, and the command line to use for a database instead."""


def _require_file(cli: CliContext, verb: str) -> Path:
    """Return the path of the store; raises UsageError with the command line to use for a database instead."""
    location = cli.settings.store()
    if isinstance(location, Path):
        return location
    reason, line = COMMAND_LINES[verb]
    raise UsageError(f"the store is a PostgreSQL database: {reason}", location.format_command(line))


def _copy_store(cli: CliContext, out: Output, to: str | None, to_url_file: str | None) -> None:
    """Copy the store to another one, named by its location or by a file with its URL."""
    target = read_url_file(Path(to_url_file)) if to_url_file else parse_location(str(to), "--to")
    result = maintenance.copy_store(cli.settings.store(), target)
    out.print_change(result, f"copied {result.rows:,} rows to {result.path}; head of the audit log: {result.head[:12]}")
    out.print_note(f"use it with: --store '{result.path}'")
