"""`gamcli plan`, `apply` and `drift`: manage the store with manifests in git."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import typer

from gamcli.actions import Gam
from gamcli.commands import confirmation, prompts, secret_files
from gamcli.commands.command_help import CHANGE
from gamcli.commands.context import without_gc
from gamcli.commands.options import (
    AcceptInvalidating,
    Preview,
    Run,
    ShowAll,
    argument,
    flag,
    format_option,
    new_group,
    option,
)
from gamcli.errors import (
    DeletesObjectsError,
    GamcliError,
    InvalidatesKeysError,
    ProblemsError,
    UsageError,
    format_count,
)
from gamcli.model.plan import CREATE, DELETE, UPDATE
from gamcli.provision import manifest, plan_file, pruning, var_files
from gamcli.provision.apply import Applied, ApplyOptions, find_problems, make_plan
from gamcli.provision.apply import apply as apply_manifests
from gamcli.provision.desired import Desired
from gamcli.provision.plan import RELEASE, ExecutionPlan, PlanOptions
from gamcli.render import manifest_plans
from gamcli.render.output import Output
from gamcli.store import Transaction
from gamcli.system import new_files

plans, applies, drifts = new_group(), new_group(), new_group()

DONE = {CREATE: "created", UPDATE: "updated", DELETE: "deleted", RELEASE: "released"}

PENDING = 6
"""The exit code for pending changes."""

Files = Annotated[list[str], argument("FILE...", "Manifests, folders of manifests, or one saved plan.")]
Owner = Annotated[
    str | None, option("NAME", "Owner of the objects.", default="the owner comment or the path of the file")
]
Prune = Annotated[bool, flag("Delete objects of this owner that are no longer listed.", "--prune")]
Adopt = Annotated[bool, flag("Take over objects of other owners.", "--adopt")]
VarFiles = Annotated[
    list[str] | None, option("FILE", "Read values for ${NAME} from lines NAME=value; repeatable.", "--var-file")
]


class ManifestRun(Run):
    """Reads manifests, and prints a plan."""

    var_file: VarFiles = None
    output: Annotated[Literal["table", "json", "jsonl", "markdown", "github"] | None, format_option()] = None

    def make_plan_output(self) -> Output:
        out = self.cli.output("table" if self.output in ("markdown", "github") else self.output)
        out.require_plan_format()
        return out


class Loaded(NamedTuple):
    """What the files ask for; `saved` is set if they are one saved plan."""

    desired: Desired
    options: PlanOptions
    saved: plan_file.SavedPlan | None = None

    def make_plan(self, gam: Gam, tx: Transaction, *, is_exact: bool = True) -> ExecutionPlan:
        """Return the plan; with `is_exact`, raise ConflictError if a saved plan is out of date."""
        require = self.saved.require if self.saved and is_exact else lambda _tx, _plan: None
        require(tx, None)
        new_plan = make_plan(tx, gam, self.desired, self.options)
        require(tx, new_plan)
        return new_plan


def _load(run: ManifestRun, files: list[str], owner: str | None, options: PlanOptions) -> Loaded:
    """Read manifests, or a saved plan, which has its own options."""
    environment = {**os.environ, **var_files.read(run.var_file or ())}
    if len(files) != 1 or not plan_file.is_saved_plan(files[0]):
        try:
            desired = manifest.read(files, environment, owner)
        except manifest.InvalidManifestError as error:
            raise _add_store_problems(run, error) from None
        return Loaded(desired, options)
    if owner is not None or options.prune or options.adopt:
        raise UsageError("a saved plan includes owner, prune and adopt", "omit --owner, --prune and --adopt")
    saved = plan_file.read(files[0], environment)
    return Loaded(saved.desired, saved.options, saved)


def _add_store_problems(run: ManifestRun, error: manifest.InvalidManifestError) -> ProblemsError:
    """Return the error with what else is wrong as far as the store shows it, so that one run lists all problems."""
    if error.desired is None:
        return error
    try:
        with run.cli.open_gam() as gam, gam.store.reading() as tx:
            found = [*error.problems, *find_problems(tx, gam, error.desired, error.broken)]
    except GamcliError:
        return error
    files = [*dict.fromkeys(each.file for each in found)]
    return ProblemsError(sorted(found, key=lambda each: (files.index(each.file), each.line)))


@contextmanager
def _report_problems(output: str | None) -> Iterator[None]:
    """Report the problems of the files where a pull request shows them: as annotations, or as Markdown on stdout."""
    try:
        yield
    except ProblemsError as error:
        if output == "github":
            for problem in error.problems:
                sys.stderr.write(f"{manifest_plans.annotate_problem(problem)}\n")
        elif output == "markdown":
            Output.print_line(manifest_plans.format_problems_markdown(error.problems))
        raise


@plans.command()
@without_gc()
def plan(
    files: Files,
    owner: Owner = None,
    prune: Prune = False,
    adopt: Adopt = False,
    out_file: Annotated[str | None, option("FILE", "Save the plan to this file, for `gamcli apply`.", "--out")] = None,
    exit_code: Annotated[bool, flag("Use exit code 6 if changes are pending.", "--exit-code")] = False,
    *,
    run: ManifestRun,
) -> None:
    """
    Show what `gamcli apply` would change, and which active keys it would invalidate.

    Example: gamcli plan apps.toml --out apps.plan && gamcli apply apps.plan --secrets-out secrets.env
    """
    out = run.make_plan_output()
    overwrite = out_file is not None and plan_file.is_saved_plan(out_file)
    if out_file is not None and not overwrite:
        new_files.require_new(out_file, "--out")
    with _report_problems(run.output):
        loaded = _load(run, files, owner, PlanOptions(prune, adopt))
        if loaded.saved is not None and out_file is not None:
            raise UsageError(f"{files[0]} is already a saved plan", "omit --out")
        with run.cli.open_gam() as gam, gam.store.reading() as tx:
            new_plan = loaded.make_plan(gam, tx)
            text = None if out_file is None else plan_file.serialize(tx, new_plan, loaded.options)
    if out_file is not None and text is not None:
        new_files.write_new_file(out_file, text, "--out", overwrite=overwrite)
    _print_plan(out, new_plan, run.output)
    if exit_code and new_plan.steps:
        raise typer.Exit(PENDING)


@drifts.command()
@without_gc()
def drift(files: Files, owner: Owner = None, adopt: Adopt = False, *, run: ManifestRun) -> None:
    """
    Check whether the store matches manifests or a saved plan; exit code 6 if it does not.

    Objects that the owner manages but the files no longer list count as drift.

    Example: gamcli drift apps.toml || alert
    """
    out = run.make_plan_output()
    with _report_problems(run.output):
        loaded = _load(run, files, owner, PlanOptions(adopt=adopt))
        with run.cli.open_gam() as gam, gam.store.reading() as tx:
            new_plan = loaded.make_plan(gam, tx, is_exact=False)
    _print_plan(out, new_plan, run.output)
    if new_plan.steps or new_plan.unlisted:
        raise typer.Exit(PENDING)


@applies.command()
@without_gc()
def apply(
    files: Files,
    owner: Owner = None,
    prune: Prune = False,
    adopt: Adopt = False,
    accept: AcceptInvalidating = None,
    show_all: ShowAll = False,
    accept_deleting: Annotated[
        int | None, option("N", "Confirm that exactly N objects are deleted.", panel=CHANGE, min=0)
    ] = None,
    secrets_out: Annotated[
        str | None, option("FILE", "Write new secrets to this new file: dotenv, or JSON for .json.")
    ] = None,
    dry_run: Preview = False,
    *,
    run: ManifestRun,
) -> None:
    """
    Apply manifests or a saved plan to the store, in one transaction.

    Example: gamcli apply apps.toml --secrets-out secrets.env
    """
    out = run.make_plan_output()
    with _report_problems(run.output):
        loaded = _load(run, files, owner, PlanOptions(prune, adopt))
        options = ApplyOptions(loaded.options, accept, accept_deleting=accept_deleting)
        if loaded.saved is not None:
            options = replace(options, require=loaded.saved.require)
        with run.cli.open_gam() as gam:
            if dry_run:
                _print_plan(out, _make_plan(gam, loaded.desired, options.plan), run.output)
                return
            with secret_files.open_destination(gam, secrets_out, run.output or out.format) as save_secrets:
                options = replace(options, save_secrets=save_secrets)
                applied = _apply_or_confirm(gam, loaded.desired, options, out, show_all=show_all)
    _print_applied(out, applied, secrets_out, run.output)


def _apply_or_confirm(gam: Gam, desired: Desired, options: ApplyOptions, out: Output, *, show_all: bool) -> Applied:
    """Apply; on a terminal, show the plan and ask for confirmation if keys are invalidated or many objects deleted."""
    try:
        return apply_manifests(gam, desired, options)
    except InvalidatesKeysError as error:
        error.shows_all = show_all
        if options.accept is not None or not sys.stdin.isatty():
            raise
    except DeletesObjectsError:
        if options.accept_deleting is not None or not sys.stdin.isatty():
            raise
    new_plan = _make_plan(gam, desired, options.plan)
    _print_plan(out, new_plan)
    desired = replace(desired, warnings=())  # they were printed with the plan
    count = new_plan.deletion_count
    if options.accept_deleting is None and count > pruning.MAX_UNCONFIRMED:
        prompts.confirm(f"this deletes {format_count(count, 'object')}; continue?")
        options = replace(options, accept_deleting=count)
    return confirmation.confirm_invalidating(
        lambda number: apply_manifests(gam, desired, replace(options, accept=number)), options.accept, show_all=show_all
    )


def _make_plan(gam: Gam, desired: Desired, options: PlanOptions) -> ExecutionPlan:
    with gam.store.reading() as tx:
        return make_plan(tx, gam, desired, options)


def _print_warnings(out: Output, done: ExecutionPlan) -> None:
    for warning in done.desired.warnings:  # not before an error, which may be JSON
        out.print_warning(warning)


def _print_plan(out: Output, new_plan: ExecutionPlan, output: str | None = None) -> None:
    _print_warnings(out, new_plan)
    summary = new_plan.summary()
    if output == "markdown":
        out.print_line(manifest_plans.format_markdown(summary))
        return
    out.print_manifest_plan(summary)
    if output == "github":
        for line in manifest_plans.annotate_warnings(manifest_plans.format_affected_keys(summary)):
            out.print_line(line)


def _print_applied(out: Output, applied: Applied, secrets_out: str | None, output: str | None) -> None:
    _print_warnings(out, applied.plan)
    if output == "markdown":
        out.print_line(manifest_plans.format_markdown(applied.plan.summary(), _summarize(applied.plan)))
        return
    if not out.is_human:
        secrets = {} if secrets_out or not applied.issued else {"secrets": applied.issued.to_dict()}
        with secret_files.report_lost_secrets(applied.issued, secrets_out):
            out.print_manifest_plan(applied.plan.summary(), **secrets)
        return
    for step in applied.plan.steps:
        out.print_line(manifest_plans.format_step(step.action, step.kind, step.name))
    out.print_note(_summarize(applied.plan))
    if applied.issued and secrets_out is not None:
        out.print_note(f"the new secrets are in {secrets_out}; save them now; they are not shown again")
    suspended = sum(not impact.is_permanent for impact in applied.plan.impacts)
    if suspended:
        out.print_warning(f"this suspends {format_count(suspended, 'active key')}")


def _summarize(done: ExecutionPlan) -> str:
    invalidated, counts = len(done.invalidated), Counter(step.action for step in done.steps)
    parts = [f"{counts[action]} {word}" for action, word in DONE.items() if counts[action]]
    parts += [f"{len(done.adoptions)} adopted"] if done.adoptions else []
    ending = f"; {format_count(invalidated, 'key')} permanently invalidated" if invalidated else ""
    return (", ".join(parts) or "no changes: the store matches the manifests") + ending
