"""`gamcli key generate --from` and `gamcli user create --from`: many at once, of a CSV file."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gamcli.actions import Gam, bulk_issue, bulk_validation, users
from gamcli.actions.bulk_validation import Checked, KeyRow
from gamcli.actions.problems import Faults, told
from gamcli.actions.users import UserRow
from gamcli.bulk import csv_input, user_columns
from gamcli.bulk.csv_input import Source
from gamcli.commands import bulk_results
from gamcli.commands.bulk_results import Results
from gamcli.commands.session import Session
from gamcli.errors import StoreError, UsageError
from gamcli.model.plan import Plan, Summary
from gamcli.render import progress
from gamcli.render.output import Output, count
from gamcli.render.progress import Reached

KEY_COLUMNS = ("user", "app", "scopes", "expires_in", "label", "request_id")
KEY_REQUIRED = ("user", "app")

STEP = 4096
"""After so many rows the bar moves."""


def generate(session: Session, out: Output, path: str, out_file: str | None, *, dry_run: bool) -> None:
    """Make the keys that the rows of the CSV file at `path` ask for, and write them to `out_file`."""
    if out_file is None:
        raise UsageError("--from needs --out", "--out FILE.csv, where the keys go")
    with (
        session.gam() as gam,
        csv_input.opened(path) as source,
        bulk_results.opened(out_file, source.file) as found,
        _hasty(),
    ):
        batch = bulk_issue.known(gam, source.digest)
        there = found.read(gam, batch)
        faults = Faults(source.name)
        with progress.bar(out, "checking", source.size) as reached:
            rows = _rows(source, faults, (KEY_COLUMNS, KEY_REQUIRED), reached)
            checked = bulk_validation.check(gam, faults, (KeyRow(line, *row) for line, row in rows), batch, there)
        if dry_run:
            _tell_plan(out, checked)
            return
        _make(gam, out, checked, source, found)
    _tell(out, checked, out_file)


def _rows(
    source: Source, faults: Faults, columns: tuple[Sequence[str], Sequence[str]], reached: Reached
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the rows with their lines, the fields in the order of `columns`: those known, and those required."""
    rows = csv_input.records(source, faults)
    line, header = next(rows, (1, []))
    pick = csv_input.columns(header, *columns, lambda what: faults.add(line, what))
    faults.require_none()
    for number, (at, row) in enumerate(rows):
        if number % STEP == 0:
            reached(source.file.tell())
        yield at, pick(row)


def _make(gam: Gam, out: Output, checked: Checked, source: Source, found: Results) -> None:
    run = bulk_issue.begin(gam, checked, source.digest, str(Path(found.path).absolute()))
    found.begin()
    done = 0
    with progress.bar(out, "making keys", checked.counts.rows) as reached:

        def deliver(made: Sequence[bulk_issue.Made]) -> None:
            nonlocal done
            found.add(made)
            done += len(made)
            reached(done)

        try:
            bulk_issue.make(gam, run, deliver)
        except StoreError as error:
            error.hint = f"{error.hint}; the same command goes on with the {done} keys in {found.path}"
            raise


@contextmanager
def _hasty() -> Iterator[None]:
    """Look for no circles among records that have none: that takes a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _tell_plan(out: Output, checked: Checked) -> None:
    counts = checked.counts
    new = counts.rows - counts.renewed - checked.repeated
    if out.is_human:
        out.note(f"{new:,} to make{_others(checked)}; nothing was changed")
    else:
        out.record(Plan((), summary=Summary(new, counts.renewed, 0, 0, 0)))
    _warn(out, checked)


def _tell(out: Output, checked: Checked, out_file: str) -> None:
    made = count(checked.counts.rows - checked.counts.renewed - checked.repeated, "key")
    out.note(f"made {made}{_others(checked)}; {out_file} holds {checked.there + checked.counts.rows:,}")
    _warn(out, checked)


def _others(checked: Checked) -> str:
    renewed = f", {checked.counts.renewed:,} with a fresh secret" if checked.counts.renewed else ""
    repeated = f", {checked.repeated:,} without their secrets, which have arrived before" if checked.repeated else ""
    there = f", {checked.there:,} there already" if checked.there else ""
    return renewed + repeated + there


def _warn(out: Output, checked: Checked) -> None:
    counts = checked.counts
    if counts.cut:
        out.warn(f"applications let {count(counts.cut, 'key')} live less long than was asked")
    if counts.bare:
        out.warn(f"{count(counts.bare, 'key')} for applications that publish no scope: they reveal nothing")


def create_users(session: Session, out: Output, path: str, *, if_missing: bool, dry_run: bool) -> None:
    """Make the users that the rows of the CSV file at `path` describe, all of them or none."""
    with csv_input.opened(path) as source, session.changing(out, dry_run=dry_run) as gam:
        faults = Faults(source.name)
        with progress.bar(out, "making users", source.size) as reached:
            made, there = users.create_all(gam, faults, _users(source, faults, reached), if_missing=if_missing)
    out.note(f"created {count(made, 'user')}" + (f", {there:,} there already" if there else ""))


def _users(source: Source, faults: Faults, reached: Reached) -> Iterator[UserRow]:
    for line, row in _rows(source, faults, (user_columns.COLUMNS, user_columns.REQUIRED), reached):
        try:
            fields = user_columns.parsed(dict(zip(user_columns.COLUMNS, row, strict=True)))
        except UsageError as error:
            faults.add(line, told(error))
            continue
        name, guid = fields.pop("name", ""), fields.pop("guid", None)
        yield UserRow(line, str(name), None if guid is None else str(guid), fields)
