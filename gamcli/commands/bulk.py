"""`gamcli key generate --from` and `gamcli user create --from`: many at once, of a CSV file."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gamcli.actions import Gam, bulk_issue, bulk_validation, users
from gamcli.actions.bulk_validation import KeyRow, ValidatedInput
from gamcli.actions.problems import ProblemList, error_message
from gamcli.actions.users import UserRow
from gamcli.bulk import csv_input, results_file, user_columns
from gamcli.bulk.csv_input import CsvSource
from gamcli.bulk.results_file import ResultsFile
from gamcli.commands.context import CliContext
from gamcli.errors import StoreError, UsageError, format_count
from gamcli.model.plan import Plan, PlanSummary
from gamcli.render import progress
from gamcli.render.output import Output
from gamcli.render.progress import ProgressCallback

KEY_COLUMNS = ("user", "app", "scopes", "expires_in", "label", "request_id")
REQUIRED_KEY_COLUMNS = ("user", "app")

PROGRESS_INTERVAL = 4096
"""After so many rows the bar moves."""


def generate(cli: CliContext, out: Output, path: str, out_file: str | None, *, dry_run: bool) -> None:
    """Make the keys that the rows of the CSV file at `path` ask for, and write them to `out_file`."""
    if out_file is None:
        raise UsageError("--from needs --out", "--out FILE.csv, where the keys go")
    with (
        cli.open_gam() as gam,
        csv_input.open_csv(path) as source,
        results_file.open_results(out_file, source.file) as found,
        _gc_paused(),
    ):
        batch = bulk_issue.find_batch(gam, source.digest)
        there = found.read_existing(gam, batch)
        faults = ProblemList(source.name)
        with progress.progress_bar(out, "checking", source.size) as reached:
            rows = _read_rows(source, faults, (KEY_COLUMNS, REQUIRED_KEY_COLUMNS), reached)
            checked = bulk_validation.validate_rows(
                gam, faults, (KeyRow(line, *row) for line, row in rows), batch, there
            )
        if dry_run:
            _print_plan(out, checked)
            return
        _issue_keys(gam, out, checked, source, found)
    _print_summary(out, checked, out_file)


def _read_rows(
    source: CsvSource,
    problems: ProblemList,
    columns: tuple[Sequence[str], Sequence[str]],
    report_progress: ProgressCallback,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the rows with their lines, the fields in the order of `columns`: those known, and those required."""
    rows = csv_input.read_rows(source, problems)
    line, header = next(rows, (1, []))
    pick = csv_input.column_picker(header, *columns, lambda what: problems.add(line, what))
    problems.require_none()
    for number, (at, row) in enumerate(rows):
        if number % PROGRESS_INTERVAL == 0:
            report_progress(source.file.tell())
        yield at, pick(row)


def _issue_keys(gam: Gam, out: Output, checked: ValidatedInput, source: CsvSource, results_file: ResultsFile) -> None:
    run = bulk_issue.start_run(gam, checked, source.digest, str(Path(results_file.path).absolute()))
    results_file.begin()
    done = 0
    with progress.progress_bar(out, "making keys", checked.counts.rows) as reached:

        def deliver(made: Sequence[bulk_issue.DeliveredKey]) -> None:
            nonlocal done
            results_file.append_keys(made)
            done += len(made)
            reached(done)

        try:
            bulk_issue.issue_keys(gam, run, deliver)
        except StoreError as error:
            error.hint = f"{error.hint}; the same command goes on with the {done} keys in {results_file.path}"
            raise


@contextmanager
def _gc_paused() -> Iterator[None]:
    """Look for no circles among records that have none: that takes a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _print_plan(out: Output, checked: ValidatedInput) -> None:
    counts = checked.counts
    new = counts.rows - counts.renewed - checked.repeated
    if out.is_human:
        out.print_note(f"{new:,} to make{_other_counts(checked)}; nothing was changed")
    else:
        out.print_record(Plan((), summary=PlanSummary(new, counts.renewed, 0, 0, 0)))
    _print_warnings(out, checked)


def _print_summary(out: Output, checked: ValidatedInput, out_file: str) -> None:
    made = format_count(checked.counts.rows - checked.counts.renewed - checked.repeated, "key")
    out.print_note(
        f"made {made}{_other_counts(checked)}; {out_file} holds {checked.delivered_rows + checked.counts.rows:,}"
    )
    _print_warnings(out, checked)


def _other_counts(checked: ValidatedInput) -> str:
    renewed = f", {checked.counts.renewed:,} with a fresh secret" if checked.counts.renewed else ""
    repeated = f", {checked.repeated:,} without their secrets, which have arrived before" if checked.repeated else ""
    there = f", {checked.delivered_rows:,} there already" if checked.delivered_rows else ""
    return renewed + repeated + there


def _print_warnings(out: Output, checked: ValidatedInput) -> None:
    counts = checked.counts
    if counts.shortened:
        out.print_warning(f"applications let {format_count(counts.shortened, 'key')} live less long than was asked")
    if counts.without_scopes:
        out.print_warning(
            f"{format_count(counts.without_scopes, 'key')} for applications that publish no scope: they reveal nothing"
        )


def create_users(cli: CliContext, out: Output, path: str, *, if_missing: bool, dry_run: bool) -> None:
    """Make the users that the rows of the CSV file at `path` describe, all of them or none."""
    with csv_input.open_csv(path) as source, cli.open_for_change(out, dry_run=dry_run) as gam:
        faults = ProblemList(source.name)
        with progress.progress_bar(out, "making users", source.size) as reached:
            made, there = users.create_all(gam, faults, _read_users(source, faults, reached), if_missing=if_missing)
    out.print_note(f"created {format_count(made, 'user')}" + (f", {there:,} there already" if there else ""))


def _read_users(source: CsvSource, problems: ProblemList, report_progress: ProgressCallback) -> Iterator[UserRow]:
    for line, row in _read_rows(
        source, problems, (user_columns.COLUMNS, user_columns.REQUIRED_COLUMNS), report_progress
    ):
        try:
            fields = user_columns.parse_row(dict(zip(user_columns.COLUMNS, row, strict=True)))
        except UsageError as error:
            problems.add(line, error_message(error))
            continue
        name, guid = fields.pop("name", ""), fields.pop("guid", None)
        yield UserRow(line, str(name), None if guid is None else str(guid), fields)
