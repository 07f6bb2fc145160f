"""`gamcli plan`, `apply`, `drift`: applications from files in git."""

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Literal

import typer

from gamcli.actions import Gam
from gamcli.commands import confirmation, secret_files
from gamcli.commands.context import CliContext
from gamcli.commands.options import AcceptInvalidating, new_group
from gamcli.errors import InvalidatesKeysError, UsageError, format_count
from gamcli.model.plan import CREATE, DELETE, UPDATE
from gamcli.provision import manifest, plan_file
from gamcli.provision.apply import Applied, Order, let_be
from gamcli.provision.apply import apply as make_so
from gamcli.provision.desired import Desired
from gamcli.provision.draft import RELEASE
from gamcli.provision.proposal import Options, Proposal, propose
from gamcli.render import manifest_plans
from gamcli.render.output import Output
from gamcli.system import new_files

plans, applies, drifts = new_group(), new_group(), new_group()

DONE = {CREATE: "created", UPDATE: "updated", DELETE: "deleted", RELEASE: "let go"}

PENDING = 6
"""The exit code of an answer that there is something to change."""

Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Manifests, or folders of them.", show_default=False)
]
Owner = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who manages what the files name. Default: the path of each file as given."),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Delete what the owner made and names no longer.", show_default=False)
]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over what another owner manages.", show_default=False)]
Shown = Annotated[
    Literal["table", "json", "jsonl", "markdown"] | None,
    typer.Option("-o", "--output", help="How to show the plan.", show_default="table"),
]


@contextmanager
def _unhurried() -> Iterator[None]:
    """Let nothing be collected meanwhile: what a plan is made of lives as long as the plan."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@plans.command()
@_unhurried()
def plan(
    context: typer.Context,
    files: Files,
    owner: Owner = None,
    prune: Prune = False,
    adopt: Adopt = False,
    out_file: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Save the plan in this file, new or an earlier plan, for apply."),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 6 when changes are pending.", show_default=False)
    ] = False,
    output: Shown = None,
) -> None:
    """
    Show what apply would change, and which live keys that ends; touch nothing.

    Example: gamcli plan apps.toml --out apps.plan && gamcli apply apps.plan --secrets-out secrets.env
    """
    out = _output(context, output)
    again = out_file is not None and plan_file.is_one(out_file)
    if out_file is not None and not again:
        new_files.require_new(out_file, "--out")
    desired = _desired(files, owner)
    options = Options(prune, adopt)
    with CliContext.from_typer(context).open_gam() as gam, gam.store.reading() as tx:
        proposal = _proposed(gam, desired, options)
        text = None if out_file is None else plan_file.written(tx, proposal, options)
    if out_file is not None and text is not None:
        new_files.write_new_file(out_file, text, "--out", overwrite=again)
    _show(out, proposal, as_markdown=output == "markdown")
    if exit_code and proposal.changes:
        raise typer.Exit(PENDING)


@drifts.command()
@_unhurried()
def drift(context: typer.Context, files: Files, owner: Owner = None, output: Shown = None) -> None:
    """
    Say whether the store still is as the files say; exit code 6 when anything differs.

    What the owner manages and the files name no longer differs too. Example: gamcli drift apps.toml || alert
    """
    out = _output(context, output)
    desired = _desired(files, owner)
    with CliContext.from_typer(context).open_gam() as gam:
        proposal = _proposed(gam, desired, Options())
    _show(out, proposal, as_markdown=output == "markdown")
    if proposal.changes or proposal.draft.leaves:
        raise typer.Exit(PENDING)


@applies.command()
@_unhurried()
def apply(
    context: typer.Context,
    files: Files,
    owner: Owner = None,
    prune: Prune = False,
    adopt: Adopt = False,
    accept: AcceptInvalidating = None,
    secrets_out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write new secrets to this new file (0600): dotenv, or JSON by .json."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "--preview", help="Only show what it would do, as plan does.", show_default=False),
    ] = False,
    output: Annotated[
        Literal["table", "json", "jsonl", "github"] | None,
        typer.Option("-o", "--output", help="How to show what was done.", show_default="table"),
    ] = None,
) -> None:
    """
    Make the store as the files say, or as a saved plan says: all of it or nothing.

    Example: gamcli apply apps.toml --secrets-out secrets.env
    """
    out = _output(context, "table" if output == "github" else output)
    decided = plan_file.read(files[0]) if len(files) == 1 and plan_file.is_one(files[0]) else None
    if decided is not None and (owner is not None or prune or adopt):
        raise UsageError("a saved plan says itself who owns and what is deleted", "leave --owner, --prune, --adopt out")
    desired = decided.desired if decided else _desired(files, owner)
    options = decided.options if decided else Options(prune, adopt)
    with CliContext.from_typer(context).open_gam() as gam:
        if dry_run:
            _show(out, _proposed(gam, desired, options))
            return
        with secret_files.open_destination(gam, secrets_out, output or out.format) as keep:
            done = _applied(gam, desired, Order(options, accept, keep, decided.require if decided else let_be), out)
    _tell(out, done, secrets_out)


def _applied(gam: "Gam", desired: "Desired", order: "Order", out: Output) -> "Applied":
    """Return what was done; a terminal is shown the plan, and asked, when live keys would end."""
    try:
        return make_so(gam, desired, order)
    except InvalidatesKeysError:
        if order.accept is not None or not sys.stdin.isatty():
            raise
    _show(out, _proposed(gam, desired, order.options))
    return confirmation.confirm_invalidating(lambda number: make_so(gam, desired, replace(order, accept=number)), None)


def _output(context: typer.Context, output: str | None) -> Output:
    out = CliContext.from_typer(context).output(None if output == "markdown" else output)
    out.require_plan_format()
    return out


def _desired(files: list[str], owner: str | None) -> Desired:
    return manifest.read(files, os.environ, owner)


def _proposed(gam: Gam, desired: Desired, options: Options) -> Proposal:
    with gam.store.reading() as tx:
        return propose(tx, gam, desired, options)


def _show(out: Output, proposal: Proposal, *, as_markdown: bool = False) -> None:
    if as_markdown:
        out.print_line(manifest_plans.format_markdown(proposal.plan()))
    else:
        out.print_manifest_plan(proposal.plan())


def _tell(out: Output, done: Applied, secrets_out: str | None) -> None:
    if not out.is_human:
        secrets = {} if secrets_out or not done.issued else {"secrets": done.issued.plain()}
        with secret_files.report_lost_secrets(done.issued, secrets_out):
            out.print_manifest_plan(done.proposal.plan(), **secrets)
        return
    for step in done.proposal.draft.steps:
        out.print_line(manifest_plans.format_step(step.action, step.kind, step.name))
    out.print_note(_summary(done))
    if done.issued and secrets_out is not None:
        out.print_note(f"the new secrets are in {secrets_out}; keep them now, they are not shown again")
    suspended = sum(not each.is_permanent for each in done.proposal.impacts)
    if suspended:
        out.print_warning(f"this suspends {format_count(suspended, 'live key')}")


def _summary(done: Applied) -> str:
    draft, ended = done.proposal.draft, len(done.proposal.ending)
    counts = Counter(step.action for step in draft.steps)
    told = [f"{counts[action]} {word}" for action, word in DONE.items() if counts[action]]
    told += [f"{len(draft.adopts)} taken over"] if draft.adopts else []
    ends = f"; {format_count(ended, 'key')} ended for good" if ended else ""
    return (", ".join(told) or "nothing to change: all is as the files say") + ends
