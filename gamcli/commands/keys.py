"""`gamcli key`: API keys."""

from itertools import chain
from typing import Annotated

import typer

from gamcli.actions import keys
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, delivery, diagnosis, forecasts, key_changes, key_messages, overview
from gamcli.commands.context import CliContext
from gamcli.commands.key_options import (
    AppOption,
    AuthTypeOption,
    ExpiresIn,
    KeyStatus,
    Label,
    OutDir,
    Overlap,
    Replace,
    RequestId,
    Scopes,
    UserOption,
)
from gamcli.commands.options import (
    AcceptInvalidating,
    Delimiter,
    EnabledFilter,
    Encoding,
    Field,
    Format,
    FromCsv,
    IgnoreColumn,
    KeyArgument,
    Limit,
    OutFile,
    Preview,
    SecretFormat,
    Sort,
    new_group,
    parse_duration,
    read_secret,
    reject_other_options,
    require_table,
)
from gamcli.commands.overview import ClientRecordFormat
from gamcli.errors import UsageError, command, format_count
from gamcli.model import Key
from gamcli.render.output import Output
from gamcli.rules import durations

verbs = new_group("Issue, list, rotate, verify, disable and revoke API keys.")
verbs.add_typer(diagnosis.verbs)
verbs.add_typer(key_changes.verbs)
verbs.add_typer(forecasts.verbs)

ATTENTION_NEEDED = 7
"""The exit code when keys have to be rotated."""

UserFilterOption = Annotated[str | None, typer.Option("--user", metavar="USER", help="Select only keys of this user.")]
AppFilterOption = Annotated[
    str | None, typer.Option("--app", metavar="APP", help="Select only keys for this application.")
]


@verbs.command()
def generate(
    context: typer.Context,
    user: UserOption = None,
    app: AppOption = None,
    table: FromCsv = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    ignore_column: IgnoreColumn = None,
    scope: Scopes = None,
    auth_type: AuthTypeOption = None,
    expires_in: ExpiresIn = None,
    label: Label = "",
    replace: Replace = False,
    overlap: Overlap = None,
    request_id: RequestId = None,
    dry_run: Preview = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
    out_dir: OutDir = None,
) -> None:
    """
    Issue an API key and print it once, or one for each CSV row (--from).

    The header of the file is user,app,scopes,expires_in,label,request_id; only user and app are required.

    Example: KEY=$(gamcli key generate --user ana --app portal --expires-in 90d)
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key, "api_key")
    require_table(table, out_dir=out_dir, delimiter=delimiter, encoding=encoding, ignore_column=ignore_column)
    if table is not None:
        reject_other_options(
            "--from", user=user, app=app, scope=scope, auth_type=auth_type, expires_in=expires_in, label=label,
            replace=replace, overlap=overlap, request_id=request_id, field=field,
        )  # fmt: skip
        key_messages.require_bulk_format(out)
        from gamcli.bulk import csv_format  # noqa: PLC0415 - as below
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single key needs no CSV

        options = csv_format.parse_options(delimiter, encoding, ignore_column)
        bulk.generate(cli, out, table, options, (out_file, out_dir), dry_run=dry_run)
        return
    user, app = key_messages.require_user_and_app(user, app)
    lifetime = parse_duration(expires_in)
    if replace and overlap is not None:
        raise UsageError("--replace and --overlap cannot be combined", "--replace revokes the old key immediately")
    scopes = tuple(scope) if scope else None
    spec = keys.KeySpec(user, app, scopes, auth_type, lifetime, label, replace, parse_duration(overlap))
    with (
        cli.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as save_secret,
    ):
        issued = key_messages.issue_key(gam, spec, request_id, save_secret)
    key_messages.report_issued(out, issued, lifetime, out_file)


@verbs.command()
def rotate(
    context: typer.Context,
    key: KeyArgument,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="Keep the old key valid for this long; 0 revokes it now.")
    ],
    if_due: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Do nothing unless the key expires within this time.")
    ] = None,
    dry_run: Preview = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Replace a key with one that has the same scopes, and print it once.

    Example: NEXT=$(gamcli key rotate 3GqWOffF --overlap 7d)
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key, "api_key")
    overlap_length, due = durations.parse(overlap), parse_duration(if_due)
    with (
        cli.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as save_secret,
    ):
        old = keys.show(gam, key)
        issued = keys.rotate(gam, old.id, overlap_length, if_due=due, save_secret=save_secret)
    if issued is None:
        message = f"not due for rotation yet: {key_messages.describe_key(old)}"
        delivery.print_result(out, old, ("api_key", None), message)
        return
    old_key = f"key {old.id} stays valid for {overlap}" if overlap_length else f"key {old.id} is replaced"
    message = f"{key_messages.describe_key(issued.record)}; {old_key}"
    delivery.print_result(out, issued.record, ("api_key", issued.secret), message, out_file)


@verbs.command("list")
def list_(
    context: typer.Context,
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    status: Annotated[
        list[KeyStatus] | None, typer.Option(help="Show only keys with this status; repeatable.", show_default=False)
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Show only keys with this label, such as 'ci-*'.")
    ] = None,
    enabled: EnabledFilter = None,
    expiring_within: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Show only active keys that expire within this time.")
    ] = None,
    unused_for: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Show only active keys unused for this long, such as 90d.")
    ] = None,
    available: Annotated[
        bool,
        typer.Option("--available", help="Show the applications that USER can have a key for.", show_default=False),
    ] = False,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List keys of every status, oldest first."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, keys.AvailableApp if available else Key)
    if available and (app or status or label or enabled is not None or expiring_within or unused_for or sort):
        raise UsageError("--available goes only with --user and --limit", "gamcli key list --available --user USER")
    if available:
        _list_available(cli, user, limit, out)
        return
    within, unused = parse_duration(expiring_within), parse_duration(unused_for)
    filters = keys.KeySearch(user, app, tuple(status or ()), label, enabled, within, unused, sort, limit)
    with cli.open_gam() as gam, keys.search(gam, filters) as rows:
        out.print_records(Key, rows)


def _list_available(cli: CliContext, user: str | None, limit: int | None, out: Output) -> None:
    if user is None:
        raise UsageError("--available needs --user", command("key", "list", "--available", "--user", "USER"))
    with cli.open_gam() as gam, keys.find_available_apps(gam, user) as rows:
        out.print_records(keys.AvailableApp, confirmation.take(rows, limit))


@verbs.command()
def due(
    context: typer.Context,
    within: Annotated[str, typer.Option(metavar="DURATION", help="Time window.")] = "14d",
    output: Format = None,
    field: Field = None,
) -> None:
    """
    List active keys that expire soon, soonest first; exit code 7 if any.

    Retiring keys are left out, since they were rotated already.

    Example: gamcli key due --within 14d || notify-send 'keys to rotate'
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    filters = keys.KeySearch(statuses=("active",), expiring_within=durations.parse(within), sort="expires_at")
    with cli.open_gam() as gam, keys.search(gam, filters) as rows:
        first = next(rows, None)
        out.print_records(Key, rows if first is None else chain((first,), rows))
    if first is not None:
        raise typer.Exit(ATTENTION_NEEDED)


@verbs.command()
def show(context: typer.Context, key: KeyArgument, output: ClientRecordFormat = None, field: Field = None) -> None:
    """Show a key, without its secret, which is shown only when it is issued."""
    overview.show(context, Key, keys.show, key, output, field)


@verbs.command()
def revoke(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="IDs, or unique prefixes of them.", show_default=False)
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Reason, for the record and the audit log.")
    ] = None,
    api_key_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Revoke the key in this file; '-' is stdin.")
    ] = None,
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    accept: AcceptInvalidating = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Revoke keys, and the access tokens that were issued for them.

    Name keys by ID, or pass the key itself in a file. With --user or --app all keys of a user or an application are
    revoked; confirm the number of active ones with --accept-invalidating.
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key)
    selections = (bool(ids), api_key_file is not None, user is not None or app is not None)
    if sum(selections) != 1:
        raise UsageError(
            "select keys in one way: by ID, with --api-key-file, or with --user and --app",
            command("key", "revoke", "KEY"),
        )
    secret = read_secret(api_key_file, "--api-key-file")
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        if secret is not None:
            results = [keys.revoke_by_secret(gam, secret, reason)]
        elif ids:
            results = keys.revoke(gam, ids, reason)
        else:
            filters = keys.KeySearch(user, app)
            results = confirmation.confirm_invalidating(
                lambda count: keys.revoke_all(gam, filters, reason, count), accept
            )
    _print_revoked(out, results, single=secret is not None or len(ids or ()) == 1)


def _print_revoked(out: Output, results: list[ChangeResult[Key]], *, single: bool) -> None:
    if not out.is_human and single:
        out.print_record(results[0].record)
    elif not out.is_human:
        out.print_records(Key, [result.record for result in results])
    else:
        for result in results:
            key = result.record
            prefix = "revoked" if result.is_changed else f"not revoked, since it is already {key.status(out.now())}:"
            tokens = f"; {format_count(result.tokens, 'access token')} invalidated" if result.tokens else ""
            out.print_note(f"{prefix} key {key.id} of {key.user} for {key.app}{tokens}")
        if not single:
            out.print_note(f"revoked {format_count(sum(result.is_changed for result in results), 'key')}")
