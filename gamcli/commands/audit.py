"""`gamcli audit`: the audit log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from gamcli.actions import audit, audit_history
from gamcli.actions.audit import AuditVerification
from gamcli.actions.audit_history import HistorySubject
from gamcli.commands.context import now
from gamcli.commands.options import PrintOptions, Run, SortedListOptions, argument, format_option, new_group, option
from gamcli.errors import UsageError
from gamcli.model import AuditEntry
from gamcli.rules import timestamps
from gamcli.rules.names import escape_unprintable
from gamcli.store.audit import AuditFilter
from gamcli.store.hash_chain import ChainHead

verbs = new_group("Show, verify and export the audit log.")

_HASH = re.compile(r"[0-9a-f]{64}")

MAX_LINE_BYTES = 1 << 24
"""How much of a line is read; entries are shorter, and /dev/zero does not end."""


@verbs.command("list")
def list_(
    actor: Annotated[
        str | None, option("NAME", "Show only entries of this OS user or CI job (github=acme/app#7).")
    ] = None,
    action: Annotated[
        str | None, option("ACTION", "Show only this action, such as key.revoke; key for all actions on keys.")
    ] = None,
    target: Annotated[str | None, option("NAME", "Show only changes to this object, such as portal.")] = None,
    key: Annotated[str | None, option("KEY", "Show all entries about this key, even if it was deleted.")] = None,
    user: Annotated[str | None, option("USER", "Show all entries about this user and their keys.")] = None,
    app: Annotated[str | None, option("APP", "Show all entries about this application and its keys.")] = None,
    since: Annotated[str | None, option("TIME", "Start time, such as 7d, 2026-03-01 or 2026-03-01T12:00:00Z.")] = None,
    until: Annotated[str | None, option("TIME", "End time (exclusive).")] = None,
    *,
    run: SortedListOptions,
) -> None:
    """
    List audit entries; '*' in ACTION and NAME matches any text.

    Newest first on a terminal, oldest first otherwise. A user who acted through sudo is found by either name.

    Example: gamcli audit list --sort -seq --limit 20
    """
    out, start = run.make_output(AuditEntry), now()
    begin, end = (None if text is None else timestamps.parse(text, start) for text in (since, until))
    newest_first = "-seq" if out.is_human and out.is_terminal else None
    filters = AuditFilter(actor, action, target, begin, end, sort=run.sort or newest_first)
    subject = HistorySubject(key, user, app)
    with run.cli.open_gam() as gam, audit_history.search(gam, subject, filters, run.limit) as entries:
        out.print_records(AuditEntry, entries)


@verbs.command()
def show(seq: Annotated[int, argument("SEQ", "Number of the entry.", min=1)], run: PrintOptions) -> None:
    """Show an audit entry with all its details."""
    out = run.make_output(AuditEntry)
    with run.cli.open_gam() as gam:
        out.print_record(audit.show(gam, seq))


@verbs.command()
def verify(
    head: Annotated[str | None, option("HASH", "Hash from `gamcli audit head` that must still be in the log.")] = None,
    export_file: Annotated[
        str | None, option("FILE", "Verify this export instead of the store; '-' for stdin.", "--from")
    ] = None,
    *,
    run: PrintOptions,
) -> None:
    """
    Verify that no audit entry was changed, removed, inserted or moved.

    To detect that the last entries were removed, or that the whole log was rewritten, pass a head that was saved
    elsewhere.

    Example: gamcli audit verify --head "$(cat head-of-last-week)"
    """
    out = run.make_output(AuditVerification)
    saved_head = None if head is None else _parse_hash(head)
    if export_file is not None:
        file_name = "stdin" if export_file == "-" else export_file
        with _open_export(export_file) as lines:
            result = audit.verify_export(file_name, lines, saved_head)
    else:
        with run.cli.open_gam() as gam:
            result = audit.verify(gam, saved_head)
    out.print_record(result)
    if out.is_human:
        out.print_note(f"the audit log is intact, from entry 1 to entry {result.entries}")


def _parse_hash(text: str) -> str:
    hash_text = text.strip().lower()
    if not _HASH.fullmatch(hash_text):
        raise UsageError(f"invalid hash '{escape_unprintable(text)}' for --head", "use the output of gamcli audit head")
    return hash_text


@contextmanager
def _open_export(path: str) -> Iterator[Iterator[bytes]]:
    try:
        with open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb") as file:
            yield iter(partial(file.readline, MAX_LINE_BYTES), b"")
    except OSError as error:
        raise UsageError(f"cannot read --from {path}: {error.strerror}", "--from FILE, or '-' for stdin") from error


@verbs.command()
def head(run: PrintOptions) -> None:
    """
    Print the hash of the last audit entry, for `gamcli audit verify --head`.

    Example: gamcli audit head | ssh other-host 'cat >> heads'
    """
    out = run.make_output(ChainHead)
    with run.cli.open_gam() as gam:
        last = audit.read_head(gam)
    if out.is_human:
        out.print_line(last.hash)
    else:
        out.print_record(last)


@verbs.command()
def export(
    output: Annotated[Literal["jsonl", "json", "csv"], format_option(default=True)] = "jsonl", *, run: Run
) -> None:
    """
    Print the audit log with its hashes, for `gamcli audit verify --from`.

    Example: gamcli audit export > audit.jsonl && gamcli audit verify --from audit.jsonl
    """
    with run.cli.open_gam() as gam, audit.search(gam, AuditFilter()) as entries:
        run.cli.output(output).print_records(AuditEntry, entries)
