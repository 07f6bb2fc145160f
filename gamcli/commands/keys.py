"""`gamcli key`: API keys."""

from typing import Annotated

import typer

from gamcli.actions import key_lookup, keys
from gamcli.commands import confirmation, delivery, key_messages, overview
from gamcli.commands.context import CliContext
from gamcli.commands.key_options import (
    AppFilterOption,
    AppOption,
    ExpiresAt,
    ExpiresIn,
    KeyStatus,
    Label,
    OutDir,
    Overlap,
    Reissue,
    Replace,
    RequestId,
    Scopes,
    UserFilterOption,
    UserOption,
)
from gamcli.commands.options import (
    Delimiter,
    EnabledFilter,
    Encoding,
    Field,
    Format,
    FromCsv,
    IfMissing,
    IgnoreColumn,
    KeyArgument,
    Limit,
    OutFile,
    Preview,
    SecretFormat,
    Sort,
    Wide,
    new_group,
    parse_duration,
    parse_expiry,
    reject_other_options,
    require_table,
)
from gamcli.commands.overview import ClientRecordFormat
from gamcli.errors import UsageError, command
from gamcli.model import Key
from gamcli.render.output import Output

verbs = new_group("Issue, import, list, rotate, verify, disable and revoke API keys.")


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
    expires_in: ExpiresIn = None,
    expires_at: ExpiresAt = None,
    label: Label = "",
    replace: Replace = False,
    overlap: Overlap = None,
    request_id: RequestId = None,
    if_missing: IfMissing = False,
    reissue: Reissue = None,
    dry_run: Preview = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
    out_dir: OutDir = None,
) -> None:
    """
    Issue an API key and print it once, or one for each row of a CSV file (--from).

    The columns are user, app, scopes, expires_in, expires_at, label, request_id and api_key, which imports a key; only
    user and app are required.

    Example: KEY=$(gamcli key generate --user ana --app portal --expires-in 90d)
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Key, "api_key")
    require_table(
        table, out_dir=out_dir, reissue=reissue, delimiter=delimiter, encoding=encoding, ignore_column=ignore_column
    )
    if table is not None:
        reject_other_options(
            "--from", user=user, app=app, scope=scope, expires_in=expires_in, expires_at=expires_at, label=label,
            replace=replace, overlap=overlap, request_id=request_id, field=field,
        )  # fmt: skip
        key_messages.require_bulk_format(out)
        from gamcli.bulk import csv_format  # noqa: PLC0415 - as below
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single key needs no CSV

        options = csv_format.parse_options(delimiter, encoding, ignore_column)
        bulk.generate(
            cli, out, table, options, (out_file, out_dir), reissue=reissue, only_missing=if_missing, dry_run=dry_run
        )
        return
    user, app = key_messages.require_user_and_app(user, app)
    key_messages.reject_combinations(replace=replace, overlap=overlap)
    lifetime, instant = parse_expiry(expires_in, expires_at)
    scopes = tuple(scope) if scope else None
    spec = keys.KeySpec(user, app, scopes, lifetime, label, replace, parse_duration(overlap), instant)
    if if_missing and key_messages.report_existing(cli, out, spec):
        return
    with (
        cli.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as save_secret,
    ):
        issued = key_messages.issue_key(gam, spec, request_id, save_secret)
    key_messages.report_issued(out, issued, lifetime, out_file)


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
        typer.Option("--available", help="Show the applications for which --user can have a key.", show_default=False),
    ] = False,
    sort: Sort = None,
    limit: Limit = None,
    wide: Wide = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """List keys of every status, oldest first."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, key_lookup.AvailableApp if available else Key, wide=wide)
    if available and (app or status or label or enabled is not None or expiring_within or unused_for or sort):
        raise UsageError(
            "--available can be combined only with --user and --limit", "gamcli key list --available --user USER"
        )
    if available:
        _list_available(cli, user, limit, out)
        return
    within, unused = parse_duration(expiring_within), parse_duration(unused_for)
    filters = keys.KeySearch(user, app, tuple(status or ()), label, enabled, within, unused, sort, limit)
    with cli.open_gam() as gam, keys.search(gam, filters) as rows:
        out.print_records(Key, rows)


def _list_available(cli: CliContext, user: str | None, limit: int | None, out: Output) -> None:
    if user is None:
        raise UsageError("--available requires --user", command("key", "list", "--available", "--user", "USER"))
    with cli.open_gam() as gam, key_lookup.find_available_apps(gam, user) as rows:
        out.print_records(key_lookup.AvailableApp, confirmation.take(rows, limit))


@verbs.command()
def show(context: typer.Context, key: KeyArgument, output: ClientRecordFormat = None, field: Field = None) -> None:
    """Show a key, without its secret, which is shown only when it is issued."""
    overview.show(context, Key, keys.show, key, output, field)
