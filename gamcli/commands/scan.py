"""`gamcli scan`: credentials where they should not be, whose they are, and whether they still live."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal, NamedTuple

import typer

from gamcli.actions import Gam, findings
from gamcli.commands import confirmation
from gamcli.commands.leaks import Tally
from gamcli.commands.options import Field, Preview, Yes, noun
from gamcli.commands.session import Session
from gamcli.errors import UsageError, command
from gamcli.model.findings import Sighting, Source
from gamcli.render.output import Output, count
from gamcli.rules.leak_detection import Leak
from gamcli.scan import external_rules
from gamcli.scan.file_scan import Reader, require_all

verbs = noun()

ATTENTION = 7
"""The exit code of an answer that asks for somebody to act."""

LEAKED = "leaked"
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
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why they end.", show_default=LEAKED)]
Rules = Annotated[
    Literal["gitleaks"] | None,
    typer.Option(help="Print the rules for another scanner, and look for nothing.", show_default=False),
]
Shown = Annotated[
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
    output: Shown = None,
    field: Field = None,
) -> None:
    """
    Find credentials that leaked, say whose they are and whether they live; exit code 7 when one does.

    They are told by form and checksum, then the store is asked. Without one nobody knows whether they live: then 7
    says that there are any. Example: gamcli scan src && gamcli scan --git
    """
    if rules is not None:
        for line in external_rules.RULES[rules]():
            Output.data(line)
        return
    session = Session.of(context)
    out = session.output(output, field, Sighting)
    if not revoke and (reason is not None or yes or dry_run):
        raise UsageError("--reason, --yes and --dry-run go with --revoke", "add --revoke to end the live keys found")
    looked = _looked(paths or [], out, git=git, staged=staged)
    tally = Tally(frozenset(ignore or ()))
    with _knowing(session, out, no_store=no_store, dry_run=dry_run) as gam:
        found = findings.judged(gam, tally.kept(looked.sighted))
        if revoke:
            found = iter(_revoked(gam, [*found], reason or LEAKED, yes=yes))
        if not dry_run:
            tally.show(out, found)
    tally.tell(out, looked.told())
    if tally.live or tally.unknown:
        raise typer.Exit(ATTENTION)


class Looked(NamedTuple):
    """What is looked through: what lies there, and what can be told of it once all was read."""

    sighted: Iterator[tuple[Source, Leak]]
    told: Callable[[], str]


def _looked(paths: Sequence[str], out: Output, *, git: bool, staged: bool) -> Looked:
    if git and staged:
        raise UsageError("--git and --staged contradict each other", "one after the other: each has its own exit code")
    if git or staged:
        if len(paths) > 1 or "-" in paths:
            raise UsageError("that is one repository at a time", command("scan", "--git", "PATH"))
        from gamcli.scan.git_scan import Repository  # noqa: PLC0415 - start-up: files need no git

        repository = Repository(paths[0] if paths else ".", out.warn)
        told = lambda: f"searched {count(repository.objects, 'object')} of git, {_size(repository.size)}"  # noqa: E731
        return Looked(repository.staged() if staged else repository.history(), told)
    if not paths:
        raise UsageError("say what to look through", EXAMPLES)
    require_all(paths)
    reader = Reader(out.warn)
    return Looked(reader.leaks(paths), lambda: _read(reader))


def _read(reader: Reader) -> str:
    unread = f"; {count(reader.unread, 'file')} could not be read" if reader.unread else ""
    return f"searched {count(reader.files, 'file')}, {_size(reader.size)}{unread}"


def _size(size: int) -> str:
    return f"{-(-size // 1000):,} kB"


@contextmanager
def _knowing(session: Session, out: Output, *, no_store: bool, dry_run: bool) -> Iterator[Gam | None]:
    """Open the store; without one yield None, unless somebody named it."""
    is_named = session.settings.value("store").origin != "default"
    if no_store or not (is_named or session.settings.store().exists()):
        out.note("no store is asked, so nobody knows whether what is found lives")
        yield None
        return
    with session.changing(out, dry_run=dry_run) as gam:
        yield gam


def _revoked(gam: Gam | None, found: list[Sighting], reason: str, *, yes: bool) -> list[Sighting]:
    if gam is None:
        raise UsageError("--revoke needs a store: keys end there", command("--store", "FILE", "scan", "--revoke"))
    return confirmation.to_end_keys(
        lambda accepted: findings.revoke(gam, found, reason, yes=yes or accepted is not None), None
    )
