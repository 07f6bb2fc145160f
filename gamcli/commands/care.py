"""`gamcli store`: looking after the file: facts, checks, backups."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gamcli.actions import care
from gamcli.commands.options import Field, Format, noun
from gamcli.commands.session import Session
from gamcli.errors import UsageError, command
from gamcli.model.care import Backup, Check, StoreInfo
from gamcli.render.output import Output, count

verbs = noun("The file of the store: facts, checks, backups.")

UNWELL = 8
"""The exit code of an answer that found something wrong."""

Replace = Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.", show_default=False)]


@verbs.command()
def info(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """Show where the store is, what it holds and how large it is."""
    session = Session.of(context)
    out = session.output(output, field, StoreInfo)
    with session.gam() as gam:
        out.record(care.info(gam))


@verbs.command()
def check(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """
    Check every page, reference and audit entry, and who may reach the files: 0 when all is well, else 8.

    Of a backup: gamcli --store FILE store check
    """
    session = Session.of(context)
    out = session.output(output, field, Check)
    found = care.check(session.settings.store())
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

    Example: gamcli store backup backup.db
    """
    session = Session.of(context)
    out = session.output(output, field, Backup)
    path = session.settings.store()
    if file == "-":
        _stream(path, out, full=full)
        return
    made = care.backup(path, Path(file), over=replace, whole=full)
    out.changed(made, f"wrote {file}: {_told(made)}")
    _tell_rest(made, file, out)


def _stream(path: Path, out: Output, *, full: bool) -> None:
    if not out.is_human:
        raise UsageError("stdout takes the backup or the record, not both", "leave -o and --field out")
    if sys.stdout.isatty():
        raise UsageError("a backup is no text for a terminal", "gamcli store backup - > FILE")
    with care.streamed(path, whole=full) as (made, file):
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()
    out.note(f"wrote {_told(made)}")
    _tell_rest(made, "FILE", out)


def _told(made: Backup) -> str:
    holds = [count(made.keys, "key"), count(made.users, "user"), count(made.apps, "application")]
    checked = "every page checked" if made.checked == "pages" else "counts checked"
    return f"{', '.join(holds)}; {checked}"


def _tell_rest(made: Backup, file: str, out: Output) -> None:
    if made.checked != "pages":
        out.note(f"to check every page: {command('--store', file, 'store', 'check')}")
