"""`gamcli scan`: find leaked credentials, their users and their status."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from gamcli.commands.command_help import OUTPUT
from gamcli.commands.options import Field, Preview, Run, Wide, Yes, argument, flag, format_option, new_group, option
from gamcli.errors import FailedError, UsageError, command, format_count
from gamcli.model.credential_formats import API_KEY, LENGTHS
from gamcli.model.findings import FOREIGN, UNKNOWN, ScanFinding, ScanSource
from gamcli.render.output import Output, add_global_options
from gamcli.rules.leak_detection import Leak, build_finding
from gamcli.scan import external_rules
from gamcli.scan.file_scan import FileScanner, require_readable

if TYPE_CHECKING:
    from gamcli.actions import Gam

verbs = new_group()

ATTENTION_NEEDED = 7
DEFAULT_REASON = "leaked"

MAX_NAMED = 10
"""Suggested commands name at most this many keys or applications."""

EXAMPLES = "gamcli scan .   gamcli scan --git   gamcli scan --staged   gamcli scan - <FILE"


class ScanOptions(Run):
    """Finds credentials, and prints them."""

    paths: Annotated[list[str] | None, argument("PATH...", "Files and folders to scan; '-' for stdin.")] = None
    git: Annotated[bool, flag("Scan the history of the git repository at PATH.", "--git")] = False
    staged: Annotated[bool, flag("Scan the staged files of the git repository.", "--staged")] = False
    ignore: Annotated[list[str] | None, option("ID", "Ignore this key ID or fingerprint; repeatable.")] = None
    no_store: Annotated[bool, flag("Do not look up the credentials in a store.", "--no-store")] = False
    no_archives: Annotated[bool, flag("Do not search inside archives and compressed files.", "--no-archives")] = False
    allow_partial: Annotated[bool, flag("Succeed even if something could not be read.", "--allow-partial")] = False
    revoke: Annotated[bool, flag("Revoke the active keys found.", "--revoke")] = False
    reason: Annotated[str | None, option("TEXT", "With --revoke: reason.", default=DEFAULT_REASON)] = None
    yes: Yes = False
    dry_run: Preview = False
    rules: Annotated[Literal["gitleaks"] | None, option(None, "Print the patterns as rules for another scanner.")] = (
        None
    )
    wide: Wide = False
    output: Annotated[
        Literal["table", "json", "jsonl", "csv", "sarif", "value"] | None, format_option(panel=OUTPUT)
    ] = None
    field: Field = None


@verbs.command()
def scan(run: ScanOptions) -> None:
    """
    Find leaked credentials, their users and their status; exit code 7 if one is active.

    Credentials are recognized by format and checksum, even if they are encoded or in an archive, and looked up in the
    store. Without a store their status is unknown, and the exit code is 7 if any are found. Exit code 1 if something
    could not be read.

    Example: gamcli scan src && gamcli scan --git
    """
    if run.rules is not None:
        for line in external_rules.RULE_WRITERS[run.rules]():
            Output.print_line(line)
        return
    out = run.make_output(ScanFinding, wraps=True)
    if not run.revoke and (run.reason is not None or run.yes or run.dry_run):
        raise UsageError("--reason, --yes and --dry-run require --revoke", "add --revoke to revoke the active keys")
    scan_input = _open_repository(run, out) if run.git or run.staged else _open_files(run, out)
    summary = ScanSummary(frozenset(run.ignore or ()))
    with _open_store(run, out) as gam:
        found = _look_up(gam, summary.skip_ignored(scan_input.leaks))
        if run.revoke:
            found = iter(_revoke(gam, [*found], run.reason or DEFAULT_REASON, yes=run.yes))
        if not run.dry_run:
            summary.print_findings(out, found)
    summary.print_summary(out, scan_input.describe())
    if summary.active or summary.unknown:
        raise typer.Exit(ATTENTION_NEEDED)
    if scan_input.count_unread() and not run.allow_partial:
        raise FailedError(
            "the scan is incomplete: some input could not be read",
            "see the warnings; to accept them, use --allow-partial",
        )


class ScanInput(NamedTuple):
    """The leaks in the input, and what was searched and could not be read, complete once all leaks are read."""

    leaks: Iterator[tuple[ScanSource, Leak]]
    describe: Callable[[], str]
    count_unread: Callable[[], int]


def _open_repository(run: ScanOptions, out: Output) -> ScanInput:
    paths = run.paths or []
    if run.git and run.staged:
        raise UsageError("--git and --staged cannot be combined", "run the command twice")
    if len(paths) > 1 or "-" in paths:
        raise UsageError("only one repository can be scanned at a time", command("scan", "--git", paths[0]))
    from gamcli.scan.git_scan import GitRepository  # noqa: PLC0415 - start-up: files need no git

    repository = GitRepository(
        paths[0] if paths else None,
        out.print_warning,
        reads_archives=not run.no_archives,
        allows_partial=run.allow_partial,
    )

    def describe() -> str:
        objects = format_count(repository.objects, "object")
        return f"searched {objects} of git, {_format_size(repository.bytes_read)}"

    leaks = repository.scan_staged() if run.staged else repository.scan_history()
    return ScanInput(leaks, describe, lambda: repository.incomplete)


def _open_files(run: ScanOptions, out: Output) -> ScanInput:
    paths = run.paths
    if not paths:
        raise UsageError("missing argument 'PATH'", EXAMPLES)
    require_readable(paths)
    scanner = FileScanner(out.print_warning, reads_archives=not run.no_archives)

    def describe() -> str:
        searched = f"searched {format_count(scanner.files, 'file')}, {_format_size(scanner.bytes_read)}"
        unread = {"file": scanner.unreadable, "archive member": scanner.unread_members}
        return searched + "".join(
            f"; {format_count(count, what)} could not be read" for what, count in unread.items() if count
        )

    return ScanInput(scanner.scan(paths), describe, lambda: scanner.unreadable + scanner.unread_members)


def _format_size(size: int) -> str:
    return f"{-(-size // 1000):,} kB"


def _look_up(gam: "Gam | None", leaks: Iterator[tuple[ScanSource, Leak]]) -> Iterator[ScanFinding]:
    if gam is None:
        return (build_finding(source, leak, UNKNOWN) for source, leak in leaks)
    from gamcli.actions import findings  # noqa: PLC0415 - start-up: not needed without a store

    return findings.look_up_leaks(gam, leaks)


@contextmanager
def _open_store(run: ScanOptions, out: Output) -> Iterator["Gam | None"]:
    """Open the store; yield None if the default store does not exist."""
    location = run.cli.settings.store()
    is_default = next(run.cli.settings.sources("store"))[1] == "default"
    if run.no_store or (is_default and isinstance(location, Path) and not location.exists()):
        out.print_note("no store was checked, so the status of these credentials is unknown")
        yield None
        return
    with run.open_for_change(out) as gam:
        yield gam


def _revoke(gam: "Gam | None", scan_findings: list[ScanFinding], reason: str, *, yes: bool) -> list[ScanFinding]:
    if gam is None:
        raise UsageError("--revoke requires a store", command("--store", "FILE", "scan", "--revoke"))
    from gamcli.actions import findings  # noqa: PLC0415 - as above
    from gamcli.commands import confirmation  # noqa: PLC0415 - as above

    return confirmation.confirm_invalidating(
        lambda accepted: findings.revoke(gam, scan_findings, reason, yes=yes or accepted is not None), None
    )


@dataclass(slots=True)
class ScanSummary:
    """Counts findings, except those whose ID or fingerprint is `ignored`."""

    ignored: frozenset[str]
    ignored_count: int = 0
    found: int = 0
    active: int = 0
    unknown: int = 0
    foreign: int = 0
    active_keys: dict[str, None] = field(default_factory=dict)
    active_apps: dict[str, None] = field(default_factory=dict)
    cut_short: dict[str, int] = field(default_factory=dict)

    def skip_ignored(self, leaks: Iterable[tuple[ScanSource, Leak]]) -> Iterator[tuple[ScanSource, Leak]]:
        for source, leak in leaks:
            if leak.id in self.ignored or leak.fingerprint in self.ignored:
                self.ignored_count += 1
            else:
                yield source, leak

    def print_findings(self, out: Output, findings: Iterable[ScanFinding]) -> None:
        """Print findings as they are found; without any, print no empty table."""
        counted = self._count(findings)
        if out.format == "sarif":
            out.print_sarif(counted)
            return
        first = next(counted, None)
        if first is not None or not out.is_human:
            out.print_records(ScanFinding, () if first is None else chain((first,), counted))

    def _count(self, findings: Iterable[ScanFinding]) -> Iterator[ScanFinding]:
        for finding in findings:
            self.found += 1
            self.active += finding.live is True
            self.unknown += finding.live is None
            self.foreign += finding.status == FOREIGN
            names, name = (self.active_apps, finding.app)
            if finding.kind == API_KEY:
                names, name = (self.active_keys, finding.id)
            if finding.live and name is not None and len(names) <= MAX_NAMED:
                names[name] = None
            if finding.id and finding.length and len(self.cut_short) < MAX_NAMED:
                self.cut_short[finding.id] = finding.length
            yield finding

    def print_summary(self, out: Output, searched: str) -> None:
        """Print the counts, and suggest commands for active credentials."""
        counts = {"active": self.active, "foreign": self.foreign, "ignored": self.ignored_count}
        details = "".join(f", {count:,} {word}" for word, count in counts.items() if count)
        out.print_note(f"{self.found or 'nothing'} found{details}; {searched}")
        for key_id, length in self.cut_short.items():
            out.print_note(f"looks like key {key_id}, truncated: {length} of {LENGTHS[API_KEY]} characters")
        if self.active_keys:
            names = [*self.active_keys] if len(self.active_keys) <= MAX_NAMED else ["KEY..."]
            revoke = command("key", "revoke", *names, "--reason", DEFAULT_REASON)
            out.print_note(f"to revoke active keys: {add_global_options(revoke, out.global_options)}")
        for app in self.active_apps:
            rotate = command("app", "rotate-secret", app, "--overlap", "0")
            out.print_note(f"to replace an active client secret: {add_global_options(rotate, out.global_options)}")
        if self.foreign:
            out.print_warning("foreign credentials are not in this store, but may be valid in another one")
