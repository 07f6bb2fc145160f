"""`gamcli key generate --from` and `gamcli user create --from`: one record for each row of a CSV file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gamcli.actions import Gam, bulk_issue, bulk_validation, users
from gamcli.actions.bulk_terms import KeyRow
from gamcli.actions.bulk_validation import ValidatedInput
from gamcli.actions.problems import ProblemList, error_message
from gamcli.actions.users import ExistingUsers, UserRow
from gamcli.bulk import csv_format, csv_input, results_file, results_folder, user_columns
from gamcli.bulk.csv_format import Columns, CsvOptions
from gamcli.bulk.csv_input import CsvSource
from gamcli.bulk.results_file import ResultsFile
from gamcli.bulk.results_folder import ResultsFolder
from gamcli.commands.context import without_gc
from gamcli.commands.key_options import KeyIssueOptions
from gamcli.commands.options import ChangeOptions, CsvTable
from gamcli.errors import StoreError, UsageError, format_count
from gamcli.model.plan import Plan, PlanSummary
from gamcli.render import progress
from gamcli.render.output import Output
from gamcli.render.progress import ProgressCallback
from gamcli.rules import lists
from gamcli.rules.credentials import NO_SECRET, Secret

KEY_COLUMNS = Columns(
    ("user", "app", "scopes", "expires_in", "label", "request_id", "expires_at", "api_key"),
    required=("user", "app"),
    obsolete={"auth_type": "the column auth_type is ignored: a key is not bound to an authentication type"},
)
USER_COLUMNS = Columns(user_columns.COLUMNS, user_columns.REQUIRED_COLUMNS)

Results = ResultsFile | ResultsFolder

PROGRESS_INTERVAL = 4096
"""After how many rows the progress bar is updated."""


def generate(
    run: KeyIssueOptions, out: Output, csv: CsvTable, out_dir: str | None, *, reissue: int | None, only_missing: bool
) -> None:
    """Issue a key for each row of a CSV file, into a CSV file for all keys, or into a folder of files."""
    if out.format in ("env", "github"):
        raise UsageError(f"-o {out.format} and --from cannot be combined", "--from FILE.csv --out KEYS.csv")
    options = csv_format.parse_options(csv.delimiter, csv.encoding, csv.ignore_column)
    if run.out_file is not None and out_dir is not None:
        raise UsageError("--out and --out-dir cannot be combined", "--out FILE.csv, or --out-dir DIR")
    if run.out_file is None and out_dir is None:
        raise UsageError("--from requires --out", "--out FILE.csv, or --out-dir DIR")
    with (
        run.cli.open_gam() as gam,
        csv_input.open_csv(str(csv.table)) as source,
        results_folder.open_folder(out_dir, dry_run=run.dry_run)
        if out_dir is not None
        else results_file.open_results(str(run.out_file), source.file) as results,
        without_gc(),
    ):
        batch = bulk_issue.find_batch(gam, source.digest)
        delivered = results.read_existing(gam, batch)
        problems = ProblemList(source.name)
        with progress.progress_bar(out, "checking", source.size) as report_progress:
            rows = _read_rows(source, problems, (KEY_COLUMNS, options), report_progress)
            key_rows = (key_row(line, row) for line, row in rows)
            target = bulk_validation.BulkTarget(batch, str(Path(results.path).absolute()), reissue, only_missing)
            validated = bulk_validation.validate_rows(gam, problems, key_rows, target, delivered)
        for warning in problems.warnings:
            out.print_warning(warning)
        if run.dry_run:
            _print_plan(out, validated)
            return
        _issue_keys(gam, out, validated, source, results)
    total = format_count(validated.delivered_rows + validated.counts.rows, "key")
    out.print_note(f"issued {_format_counts(validated)}; {results.path} has {total}")
    _print_warnings(out, validated)


def _read_rows(
    source: CsvSource,
    problems: ProblemList,
    table: tuple[Columns, CsvOptions],
    report_progress: ProgressCallback,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line number and the fields of each row, and report the progress."""
    for number, row in enumerate(csv_input.read_table(source, problems, *table)):
        if number % PROGRESS_INTERVAL == 0:
            report_progress(source.file.tell())
        yield row


def key_row(line: int, fields: tuple[str, ...]) -> KeyRow:
    user, app, scopes, expires_in, label, request_id, expires_at, api_key = fields
    words = "+".join(lists.split(scopes)) if scopes else ""
    secret = Secret(api_key) if api_key else NO_SECRET
    return KeyRow(line, user, app, words, expires_in, label, request_id, expires_at, secret)


def _issue_keys(gam: Gam, out: Output, validated: ValidatedInput, source: CsvSource, results: Results) -> None:
    run = bulk_issue.start_run(gam, validated, source.digest, str(Path(results.path).absolute()))
    results.begin()
    count = 0

    def deliver(keys: Sequence[bulk_issue.DeliveredKey]) -> None:
        nonlocal count
        results.append_keys(keys)
        count += len(keys)
        report_progress(count)

    try:
        with progress.progress_bar(out, "issuing keys", validated.counts.rows) as report_progress:
            bulk_issue.issue_keys(gam, run, deliver)
    except KeyboardInterrupt:
        total = format_count(validated.counts.rows, "key")
        out.print_notice(f"interrupted: {count:,} of {total} issued; run the same command again to continue")
        raise
    except StoreError as error:
        error.hint = f"{error.hint}; then run the same command again: {results.path} has {count:,} keys already"
        raise


def _print_plan(out: Output, validated: ValidatedInput) -> None:
    if out.is_human:
        out.print_note(f"would issue {_format_counts(validated)}; nothing was changed")
    else:
        out.print_record(Plan((), summary=PlanSummary(_count_new(validated), validated.counts.renewed, 0, 0, 0)))
    _print_warnings(out, validated)


def _count_new(validated: ValidatedInput) -> int:
    counts = validated.counts
    return counts.rows - counts.renewed - counts.imported - validated.repeated


def _format_counts(validated: ValidatedInput) -> str:
    renewed, repeated, existing = validated.counts.renewed, validated.repeated, validated.delivered_rows
    imported = validated.counts.imported
    return (
        format_count(_count_new(validated), "new key")
        + (f", {imported:,} imported" if imported else "")
        + (f", {renewed:,} with a new secret" if renewed else "")
        + (f", {repeated:,} without secrets, which were delivered before" if repeated else "")
        + (f", {existing:,} already in the file" if existing else "")
    )


def _print_warnings(out: Output, validated: ValidatedInput) -> None:
    counts = validated.counts
    if counts.shortened:
        out.print_warning(f"applications limit the lifetime of {format_count(counts.shortened, 'key')}")
    if counts.without_scopes:
        keys = format_count(counts.without_scopes, "key")
        out.print_warning(f"{keys} for applications that publish no scopes: they give access to no data")


def create_users(run: ChangeOptions, out: Output, csv: CsvTable, *, if_missing: bool, update: bool) -> None:
    """Create or update a user for each row of a CSV file: all of them or none."""
    options = csv_format.parse_options(csv.delimiter, csv.encoding, csv.ignore_column)
    existing = ExistingUsers.ACCEPT_SAME if if_missing else ExistingUsers.REJECT
    existing = ExistingUsers.UPDATE if update else existing
    with csv_input.open_csv(str(csv.table)) as source, run.open_for_change(out) as gam:
        problems = ProblemList(source.name)
        with progress.progress_bar(out, "creating users", source.size) as report_progress:
            rows = _read_users(source, problems, options, report_progress)
            counts = users.create_all(gam, problems, rows, existing)
    out.print_note(
        f"created {format_count(counts.created, 'user')}"
        + (f", updated {counts.updated:,}" if counts.updated else "")
        + (f", {counts.unchanged:,} already existed" if counts.unchanged else "")
    )


def _read_users(
    source: CsvSource, problems: ProblemList, options: CsvOptions, report_progress: ProgressCallback
) -> Iterator[UserRow]:
    for line, row in _read_rows(source, problems, (USER_COLUMNS, options), report_progress):
        try:
            fields = user_columns.parse_row(dict(zip(user_columns.COLUMNS, row, strict=True)))
        except UsageError as error:
            problems.add(line, error_message(error))
            continue
        name, guid = fields.pop("name", ""), fields.pop("guid", None)
        yield UserRow(line, str(name), None if guid is None else str(guid), fields)
