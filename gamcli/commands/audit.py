"""`gamcli audit`: who did what, when and from where, and whether anybody changed that."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Literal

import typer

from gamcli.actions import audit
from gamcli.actions.audit import AuditHead, AuditVerification
from gamcli.commands.context import CliContext, now
from gamcli.commands.options import Field, Format, Limit, Sort, new_group
from gamcli.errors import UsageError
from gamcli.model import AuditEntry
from gamcli.render.output import Output
from gamcli.rules import timestamps
from gamcli.store.audit import AuditFilter

verbs = new_group("The audit trail: who did what, when, from where.")

_HASH = re.compile(r"[0-9a-f]{64}")

MAX_LINE_BYTES = 1 << 24
"""In bytes; no entry is longer, and /dev/zero is."""


@verbs.command("list")
def list_(
    context: typer.Context,
    actor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only by this OS user, also behind a sudo, or CI job such as github=acme/app#7."
        ),
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Only this action, such as key.revoke, or key for all on keys.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="NAME", help="Only what was done to this.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only from then on: 7d ago, 2026-03-01, 2026-03-01T12:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only before then.")] = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    List the entries, oldest first; in ACTION and NAME, '*' stands for any text.

    Example, what was done last: gamcli audit list --sort -seq --limit 20
    """
    session = CliContext.from_typer(context)
    out, this = session.output(output, field, AuditEntry), now()
    begin, end = (None if text is None else timestamps.parse(text, this) for text in (since, until))
    filters = AuditFilter(actor, action, target, begin, end, sort)
    with session.open_gam() as gam, audit.search(gam, filters, limit) as found:
        out.print_records(AuditEntry, found)


@verbs.command()
def verify(
    context: typer.Context,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head from earlier on, which must be in the trail still.")
    ] = None,
    export_file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Verify this export, without a store; '-' reads stdin."),
    ] = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Prove that each entry is as it was written: none changed, removed, put in or moved.

    Only a head that was kept elsewhere shows that the end was not cut off, or all of it written anew.
    Example: gamcli audit verify --head "$(cat head-of-last-week)"
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, AuditVerification)
    kept = None if head is None else _parse_hash(head)
    if export_file is not None:
        with _open_export(export_file) as lines:
            _print_verification(out, audit.verify_export("stdin" if export_file == "-" else export_file, lines, kept))
        return
    with session.open_gam() as gam:
        _print_verification(out, audit.verify(gam, kept))


def _print_verification(out: Output, found: AuditVerification) -> None:
    out.print_record(found)
    if out.is_human:
        out.print_note(f"the audit trail is whole, from entry 1 to entry {found.entries}")


def _parse_hash(text: str) -> str:
    found = text.strip().lower()
    if not _HASH.fullmatch(found):
        raise UsageError("--head takes a hash of 64 hex digits", "what gamcli audit head printed")
    return found


@contextmanager
def _open_export(path: str) -> Iterator[Iterator[bytes]]:
    """Open an export; what is no file is told as bad usage."""
    try:
        with open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb") as file:
            yield _read_lines(file)
    except OSError as error:
        raise UsageError(f"cannot read --from {path}: {error.strerror}", "--from FILE, or '-' for stdin") from error


def _read_lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES):
        yield line


@verbs.command()
def head(context: typer.Context, output: Format = None, field: Field = None) -> None:
    """
    Print the hash of the last entry; kept elsewhere, it proves later that nothing before it was changed.

    Example: gamcli audit head | ssh elsewhere 'cat >> heads'
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, AuditHead)
    with session.open_gam() as gam:
        found = audit.read_head(gam)
    if out.is_human:
        out.print_line(found.hash)
    else:
        out.print_record(found)


@verbs.command()
def export(
    context: typer.Context,
    output: Annotated[
        Literal["jsonl", "json", "csv"],
        typer.Option("-o", "--output", help="How to write it."),
    ] = "jsonl",
) -> None:
    """
    Print the whole trail, with the hashes: audit verify --from checks it without the store, and so can others.

    Example: gamcli audit export > trail.jsonl && gamcli audit verify --from trail.jsonl
    """
    session = CliContext.from_typer(context)
    with session.open_gam() as gam, audit.search(gam, AuditFilter()) as found:
        session.output(output).print_records(AuditEntry, found)
