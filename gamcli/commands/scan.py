"""`gamcli scan`: credentials where they should not be, whose they are, and whether they still live."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal, NamedTuple

import typer

from gamcli.actions import Gam, findings
from gamcli.commands import confirmation
from gamcli.commands.context import CliContext
from gamcli.commands.leaks import ScanSummary
from gamcli.commands.options import Field, Preview, Yes, new_group
from gamcli.errors import UsageError, command, format_count
from gamcli.model.findings import ScanFinding, ScanSource
from gamcli.render.output import Output
from gamcli.rules.leak_detection import Leak
from gamcli.scan import external_rules
from gamcli.scan.file_scan import FileScanner, require_readable

verbs = new_group()

ATTENTION_NEEDED = 7
"""The exit code of an answer that asks for somebody to act."""

DEFAULT_REASON = "leaked"
"""Why a key ends that was found, unless somebody says more."""

EXAMPLES = "gamcli scan .   gamcli scan --git   gamcli scan --staged   gamcli scan - <FILE"

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH...", help="Files, folders and all below; '-' reads stdin.", show_default=False),
]
Git = Annotated[
    bool, typer.Option("--git", help="The whole history of the repository at PATH, or here.", show_default=False)
]
Staged = Annotated[bool, typer.Option("--staged", help="What is staged there for the next commit.", show_default=False)]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="The id or fingerprint of one to pass over; repeatable.", show_default=False),
]
NoStore = Annotated[bool, typer.Option("--no-store", help="Ask no store whose they are.", show_default=False)]
Revoke = Annotated[bool, typer.Option("--revoke", help="End the live keys that are found.", show_default=False)]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why they end.", show_default=DEFAULT_REASON)]
Rules = Annotated[
    Literal["gitleaks"] | None,
    typer.Option(help="Print the rules for another scanner, and look for nothing.", show_default=False),
]
OutputFormat = Annotated[
    Literal["table", "json", "jsonl", "csv", "sarif", "value"] | None,
    typer.Option("-o", "--output", help="How to show what was found.", show_default="table"),
]


@verbs.command()
def scan(
    context: typer.Context,
    paths: Paths = None,
    git: Git = False,
    staged: Staged = False,
    ignore: Ignore = None,
    no_store: NoStore = False,
    revoke: Revoke = False,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: Preview = False,
    rules: Rules = None,
    output: OutputFormat = None,
    field: Field = None,
) -> None:
    """
    Find credentials that leaked, say whose they are and whether they live; exit code 7 when one does.

    They are told by form and checksum, then the store is asked. Without one nobody knows whether they live: then 7
    says that there are any. Example: gamcli scan src && gamcli scan --git
    """
    if rules is not None:
        for line in external_rules.RULE_WRITERS[rules]():
            Output.print_line(line)
        return
    session = CliContext.from_typer(context)
    out = session.output(output, field, ScanFinding)
    if not revoke and (reason is not None or yes or dry_run):
        raise UsageError("--reason, --yes and --dry-run go with --revoke", "add --revoke to end the live keys found")
    looked = _open_input(paths or [], out, git=git, staged=staged)
    tally = ScanSummary(frozenset(ignore or ()))
    with _open_store(session, out, no_store=no_store, dry_run=dry_run) as gam:
        found = findings.look_up_leaks(gam, tally.skip_ignored(looked.leaks))
        if revoke:
            found = iter(_revoke(gam, [*found], reason or DEFAULT_REASON, yes=yes))
        if not dry_run:
            tally.print_findings(out, found)
    tally.print_summary(out, looked.describe())
    if tally.active or tally.unknown:
        raise typer.Exit(ATTENTION_NEEDED)


class ScanInput(NamedTuple):
    """What is looked through: what lies there, and what can be told of it once all was read."""

    leaks: Iterator[tuple[ScanSource, Leak]]
    describe: Callable[[], str]


def _open_input(paths: Sequence[str], out: Output, *, git: bool, staged: bool) -> ScanInput:
    if git and staged:
        raise UsageError("--git and --staged contradict each other", "one after the other: each has its own exit code")
    if git or staged:
        if len(paths) > 1 or "-" in paths:
            raise UsageError("that is one repository at a time", command("scan", "--git", "PATH"))
        from gamcli.scan.git_scan import GitRepository  # noqa: PLC0415 - start-up: files need no git

        repository = GitRepository(paths[0] if paths else ".", out.print_warning)
        told = lambda: (
            f"searched {format_count(repository.objects, 'object')} of git, {_format_size(repository.bytes_read)}"
        )
        return ScanInput(repository.scan_staged() if staged else repository.scan_history(), told)
    if not paths:
        raise UsageError("say what to look through", EXAMPLES)
    require_readable(paths)
    reader = FileScanner(out.print_warning)
    return ScanInput(reader.scan(paths), lambda: _describe_files(reader))


def _describe_files(scanner: FileScanner) -> str:
    unread = f"; {format_count(scanner.unreadable, 'file')} could not be read" if scanner.unreadable else ""
    return f"searched {format_count(scanner.files, 'file')}, {_format_size(scanner.bytes_read)}{unread}"


def _format_size(size: int) -> str:
    return f"{-(-size // 1000):,} kB"


@contextmanager
def _open_store(cli: CliContext, out: Output, *, no_store: bool, dry_run: bool) -> Iterator[Gam | None]:
    """Open the store; without one yield None, unless somebody named it."""
    is_named = cli.settings.value("store").origin != "default"
    if no_store or not (is_named or cli.settings.store().exists()):
        out.print_note("no store is asked, so nobody knows whether what is found lives")
        yield None
        return
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        yield gam


def _revoke(gam: Gam | None, found: list[ScanFinding], reason: str, *, yes: bool) -> list[ScanFinding]:
    if gam is None:
        raise UsageError("--revoke needs a store: keys end there", command("--store", "FILE", "scan", "--revoke"))
    return confirmation.confirm_invalidating(
        lambda accepted: findings.revoke(gam, found, reason, yes=yes or accepted is not None), None
    )
