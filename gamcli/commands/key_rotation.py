"""`gamcli key rotate`, `due` and `forecast`: keys that expire soon, and their successors."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from itertools import chain, islice
from typing import Annotated, Literal

import typer

from gamcli.actions import key_lookup, keys, request_ids, rotation
from gamcli.actions.keys import KeySearch
from gamcli.actions.request_ids import RequestedKey
from gamcli.actions.rotation import DueKey
from gamcli.commands import delivery, key_messages
from gamcli.commands.key_options import AppFilterOption, KeyIssueOptions, OutDir, RequestId, UserFilterOption
from gamcli.commands.options import (
    ListOptions,
    OptionalKeyArgument,
    PrintOptions,
    Within,
    new_group,
    option,
    parse_duration,
)
from gamcli.errors import ConflictError, FailedError, NotFoundError, RefusedError, UsageError, command, format_count
from gamcli.model import Key
from gamcli.render.output import Output
from gamcli.rules import durations
from gamcli.rules.keys import IssuedKey, is_shortened

verbs = new_group()

ATTENTION_NEEDED = 7
"""The exit code when keys have to be rotated."""


@verbs.command()
def rotate(
    overlap: Annotated[str, option("DURATION", "Keep the old key valid for this long; 0 revokes it now.")],
    key: OptionalKeyArgument = None,
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    if_due: Annotated[str | None, option("DURATION", "Rotate the key only if it expires within this time.")] = None,
    due: Annotated[str | None, option("DURATION", "Rotate all keys that expire within this time.")] = None,
    request_id: RequestId = None,
    *,
    run: KeyIssueOptions,
    out_dir: OutDir = None,
) -> None:
    """
    Replace a key with one that has the same scopes and lifetime, and print it once.

    Name the key, or its --user and --app. With --due, rotate all keys that expire soon, or only those of --user and
    --app, and write the new keys to --out FILE.csv or --out-dir DIR. If that is interrupted, run it again to continue.
    Exit code 7 if a key could not be rotated.

    Example: NEXT=$(gamcli key rotate 3GqWOffF --overlap 7d)
    """
    out = run.make_output(Key, "api_key")
    length, window = durations.parse(overlap), parse_duration(if_due)
    if due is not None:
        if any(each is not None for each in (key, if_due, request_id, run.output, run.field)):
            raise UsageError(
                "--due can be combined only with --user, --app, --out and --out-dir", "--due 14d --out FILE.csv"
            )
        _rotate_due(run, out, KeySearch(user, app, expiring_within=durations.parse(due)), length, out_dir)
        return
    if out_dir is not None or (key is None) == (user is None and app is None) or (user is None) != (app is None):
        raise UsageError("select a key by ID, by --user and --app, or with --due", command("key", "rotate", "KEY"))
    if request_id is not None and window is not None:
        raise UsageError("--request-id and --if-due cannot be combined", "use only one of them")
    with delivery.open_for_issuing(run, out) as (gam, save_secret):
        old = keys.show(gam, key) if key is not None else key_lookup.find_current(gam, str(user), str(app))
        issued = (
            rotation.rotate(gam, old.id, length, if_due=window, save_secret=save_secret)
            if request_id is None
            else request_ids.rotate(gam, old.id, length, request_id, save_secret)
        )
    _report_rotated(out, old, issued, overlap, run.out_file)


def _report_rotated(
    out: Output, old: Key, issued: IssuedKey | RequestedKey | None, overlap: str, out_file: str | None
) -> None:
    if issued is None:
        message = f"not due for rotation yet: {key_messages.describe_key(old)}"
        delivery.print_result(out, old, None, message)
        return
    if isinstance(issued, RequestedKey) and issued.is_repeat:
        key_messages.report_issued(out, issued, None, out_file)
        return
    length = durations.parse(overlap)
    ends_first = bool(length) and old.expires_at is not None and old.expires_at < issued.record.created_at + length
    until = f"until it expires {old.expires_at:%Y-%m-%d %H:%M}Z" if ends_first else f"for {overlap}"
    old_key = f"key {old.id} stays valid {until}" if length else f"key {old.id} is replaced"
    message = f"{key_messages.describe_key(issued.record)}; {old_key}"
    delivery.print_result(out, issued.record, issued.secret, message, out_file)
    if ends_first:
        out.print_warning(f"key {old.id} expires before the overlap of {overlap} ends")
    lifetime = old.expires_at - old.created_at if old.expires_at else None
    if lifetime is None and issued.record.expires_at is not None:
        lifetime = durations.MAX_DURATION
    if is_shortened(issued.record, lifetime):
        out.print_note(f"the new key has the maximum lifetime of application '{issued.record.app}'")
    elif lifetime is not None:
        out.print_note("the new key has the same lifetime as the old one")


def _rotate_due(run: KeyIssueOptions, out: Output, search: KeySearch, overlap: timedelta, out_dir: str | None) -> None:
    """Rotate each due key in its own transaction; exits with 7 if some could not be rotated."""
    if (run.out_file is None) == (out_dir is None) and not run.dry_run:
        raise UsageError("--due requires --out or --out-dir", "--out FILE.csv, or --out-dir DIR")
    from gamcli.bulk import rotation_results  # noqa: PLC0415 - start-up: a single key needs no CSV

    with run.cli.open_gam() as gam:
        with rotation.find_due(gam, search) as rows:
            due = list(rows)
        if run.dry_run:
            out.print_note(f"would rotate {format_count(sum(not row.refusal for row in due), 'key')}")
            return
        failures = [(row.key, row.refusal) for row in due if row.refusal]
        open_results = rotation_results.open_folder if out_dir else rotation_results.open_file
        path = str(out_dir or run.out_file)
        with open_results(path, partial(key_lookup.exists, gam)) as save_secret:
            for key in (row.key for row in due if not row.refusal):
                try:
                    rotation.rotate(gam, key.id, overlap, if_due=search.expiring_within, save_secret=save_secret)
                except (ConflictError, NotFoundError, RefusedError, UsageError) as error:
                    failures.append((key, f"{error.message}; {error.hint}" if error.hint else error.message))
    for key, reason in failures:
        out.print_warning(f"not rotated: key {key.id} of {key.user} for {key.app}: {reason}")
    out.print_note(f"rotated {format_count(len(due) - len(failures), 'key')}; written to {path}")
    if failures:
        raise typer.Exit(ATTENTION_NEEDED)


def _find_rotatable(rows: Iterable[DueKey], refusals: list[str]) -> Iterator[Key]:
    """Yield the keys that can be rotated now, and add to `refusals` why the others cannot."""
    for row in rows:
        if row.refusal is None:
            yield row.key
        else:
            refusals.append(row.refusal)


@verbs.command()
def due(
    within: Within = "14d",
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    program: Annotated[
        str | None, option("CMD", "Run this command for each key, with the key as JSON on stdin.", "--exec")
    ] = None,
    *,
    run: ListOptions,
) -> None:
    """
    List keys that are due for rotation; exit code 7 if there are any.

    These are active keys that expire soon and expired keys without a successor; retiring keys were rotated already.
    Keys that cannot be rotated now, because the user is blocked or the application is disabled, are counted on stderr
    and do not change the exit code.

    Example: gamcli key due --within 14d || notify-send 'keys to rotate'
    """
    from gamcli.render.machine import json_line, to_dict  # noqa: PLC0415 - start-up: rarely needed
    from gamcli.system import subprocesses  # noqa: PLC0415 - start-up, as above

    out = run.make_output(Key)
    search = KeySearch(user, app, expiring_within=durations.parse(within))
    refusals: list[str] = []
    with run.cli.open_gam() as gam, rotation.find_due(gam, search) as rows:
        due_keys = _find_rotatable(rows, refusals)
        found = [
            *islice(due_keys, 1 if program is None else None)
        ]  # the command may change the store, so it runs afterwards
        if program is None:
            out.print_records(Key, chain(found, due_keys))
    if program is not None:
        for key in found:
            code = subprocesses.run_with_input(["sh", "-c", program], json_line(to_dict(key, out.now())))
            if code:
                raise FailedError(f"the command failed with exit code {code} for key {key.id}", f"--exec '{program}'")
        out.print_records(Key, found)
    if len(refusals) == 1:
        out.print_note(f"1 key that is due cannot be rotated now: {refusals[0]}")
    elif refusals:
        out.print_note(f"{len(refusals):,} keys that are due cannot be rotated now; the first: {refusals[0]}")
    if found:
        raise typer.Exit(ATTENTION_NEEDED)


@verbs.command()
def forecast(
    by: Annotated[
        Literal["day", "week", "month"],
        option(None, "Length of a period, in UTC; weeks start on Monday.", default=True),
    ] = "week",
    within: Within = "12w",
    *,
    run: PrintOptions,
) -> None:
    """
    Count the active keys that will expire, by week, day or month.

    Retiring keys are not counted, because they were rotated already.

    Example: gamcli key forecast --by month --within 365d
    """
    from gamcli.actions import forecasts  # noqa: PLC0415 - start-up: rarely needed

    out = run.make_output(forecasts.Forecast)
    window = durations.parse(within)
    with run.cli.open_gam() as gam:
        outlook = forecasts.forecast(gam, by, window)
    out.print_records(forecasts.Forecast, outlook.periods)
    if later := outlook.expiring_later:
        verb = "expires" if later == 1 else "expire"
        out.print_note(f"{format_count(later, 'active key')} {verb} after {outlook.until:%Y-%m-%d %H:%M}Z")
    if never := outlook.never_expiring:
        out.print_note(f"{format_count(never, 'active key')} never {'expires' if never == 1 else 'expire'}")
