"""`gamcli key`: API keys."""

from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

import typer

from gamcli.actions import keys
from gamcli.actions.changes import ChangeResult
from gamcli.commands import confirmation, delivery, diagnosis, example_output, forecasts, key_messages, overview
from gamcli.commands.context import CliContext
from gamcli.commands.example_output import ClientRecordFormat
from gamcli.commands.key_options import (
    AppOption,
    AuthTypeOption,
    ExpiresIn,
    Label,
    Overlap,
    Replace,
    RequestId,
    Scopes,
    UserOption,
)
from gamcli.commands.options import (
    AcceptInvalidating,
    Field,
    Format,
    FromCsv,
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
)
from gamcli.errors import UsageError, command, format_count
from gamcli.model import Key
from gamcli.render.output import Output
from gamcli.rules import durations

verbs = new_group("API keys: issue, list, doubt, revoke.")
verbs.add_typer(diagnosis.verbs)
verbs.add_typer(forecasts.verbs)

ATTENTION_NEEDED = 7
"""The exit code of an answer that asks for somebody to act."""

UserFilterOption = Annotated[str | None, typer.Option("--user", metavar="USER", help="Only keys of this user.")]
AppFilterOption = Annotated[str | None, typer.Option("--app", metavar="APP", help="Only keys for this application.")]


class KeyStatus(StrEnum):
    """What `--status` takes."""

    ACTIVE = "active"
    RETIRING = "retiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"
    INVALIDATED = "invalidated"


@verbs.command()
def generate(
    context: typer.Context,
    user: UserOption = None,
    app: AppOption = None,
    table: FromCsv = None,
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
) -> None:
    """
    Generate an API key and print it, once; or many, of a CSV file.

    Its header is user,app,scopes,expires_in,label,request_id; only user and app need be there.
    Example: KEY=$(gamcli key generate --user ana --app portal --expires-in 90d)
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, Key, "api_key")
    if table is not None:
        reject_other_options("--from", user=user, app=app, scope=scope, auth_type=auth_type, expires_in=expires_in,
                      label=label, replace=replace, overlap=overlap, request_id=request_id, field=field)  # fmt: skip
        key_messages.require_bulk_format(out)
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single key needs no CSV

        bulk.generate(session, out, table, out_file, dry_run=dry_run)
        return
    whose, what = key_messages.require_user_and_app(user, app)
    asked = parse_duration(expires_in)
    if replace and overlap is not None:
        raise UsageError("--replace and --overlap contradict each other", "--replace ends the live key now")
    words = tuple(scope) if scope else None
    wish = keys.KeySpec(whose, what, words, auth_type, asked, label, replace, parse_duration(overlap))
    with (
        session.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as keep,
    ):
        found = key_messages.issue_key(gam, wish, request_id, keep)
    key_messages.report_issued(out, found, asked, out_file)


@verbs.command()
def rotate(
    context: typer.Context,
    key: KeyArgument,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old key lives beside the new one; 0 ends it now.")
    ],
    if_due: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Only when the key expires so soon, such as 14d.")
    ] = None,
    dry_run: Preview = False,
    output: SecretFormat = None,
    field: Field = None,
    out_file: OutFile = None,
) -> None:
    """
    Generate the key that follows one, with the same scopes, and print it, once.

    Example: NEXT=$(gamcli key rotate 3GqWOffF --overlap 7d)
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, Key, "api_key")
    beside, due = durations.parse(overlap), parse_duration(if_due)
    with (
        session.open_for_change(out, dry_run=dry_run) as gam,
        delivery.open_destination(out, out_file, dry_run=dry_run) as keep,
    ):
        old = keys.show(gam, key)
        issued = keys.rotate(gam, old.id, beside, if_due=due, save_secret=keep)
    if issued is None:
        delivery.print_result(
            out, old, ("api_key", None), f"nothing to rotate, it is not due yet: {key_messages.describe_key(old)}"
        )
        return
    given_way = f"key {old.id} retires in {overlap}" if beside else f"key {old.id} has ended"
    told = f"{key_messages.describe_key(issued.record)}; {given_way}"
    delivery.print_result(out, issued.record, ("api_key", issued.secret), told, out_file)


@verbs.command("list")
def list_(
    context: typer.Context,
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    status: Annotated[
        list[KeyStatus] | None, typer.Option(help="Only keys with this status; repeatable.", show_default=False)
    ] = None,
    expiring_within: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Only live keys that expire so soon, such as 14d.")
    ] = None,
    unused_for: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Only live keys that nobody used for so long, such as 90d.")
    ] = None,
    available: Annotated[
        bool, typer.Option("--available", help="The applications that USER can hold a key for.", show_default=False)
    ] = False,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the keys of every status, oldest first."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, keys.AvailableApp if available else Key)
    if available and (app or status or expiring_within or unused_for or sort):
        raise UsageError("--available goes with --user and --limit alone", "leave the other options out")
    if available:
        _list_available(session, user, limit, out)
        return
    within, unused = parse_duration(expiring_within), parse_duration(unused_for)
    search = keys.KeySearch(user, app, tuple(status or ()), within, unused, sort, limit)
    with session.open_gam() as gam, keys.search(gam, search) as found:
        out.print_records(Key, found)


def _list_available(cli: CliContext, user: str | None, limit: int | None, out: Output) -> None:
    if user is None:
        raise UsageError("--available needs --user", command("key", "list", "--available", "--user", "USER"))
    with cli.open_gam() as gam, keys.find_available_apps(gam, user) as found:
        out.print_records(keys.AvailableApp, confirmation.take(found, limit))


@verbs.command()
def due(
    context: typer.Context,
    within: Annotated[str, typer.Option(metavar="DURATION", help="How soon is soon.")] = "14d",
    output: Format = None,
    field: Field = None,
) -> None:
    """
    List the active keys that expire soon, the first to expire first; exit code 7 when there is any.

    Keys that retire were rotated already. Example: gamcli key due --within 14d || notify-send 'keys to rotate'
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, Key)
    search = keys.KeySearch(statuses=("active",), expiring_within=durations.parse(within), sort="expires_at")
    with session.open_gam() as gam, keys.search(gam, search) as found:
        first = next(found, None)
        out.print_records(Key, found if first is None else chain((first,), found))
    if first is not None:
        raise typer.Exit(ATTENTION_NEEDED)


@verbs.command()
def show(context: typer.Context, key: KeyArgument, output: ClientRecordFormat = None, field: Field = None) -> None:
    """Show a key; its secret was shown once and is not kept."""
    session = CliContext.from_typer(context)
    out = example_output.prepare_output(session, output, field, Key)
    with session.open_gam() as gam:
        if example_output.shows_overview(out, output):
            overview.show_record(out, gam, "key", key)
        else:
            example_output.print_record(out, output, keys.show(gam, key))


@verbs.command()
def revoke(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="Ids, or the beginnings of them.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for those who look later.")] = None,
    api_key_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Holds the key itself; '-' reads stdin.")
    ] = None,
    user: UserFilterOption = None,
    app: AppFilterOption = None,
    accept: AcceptInvalidating = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    End keys now, and the tokens that they were traded for.

    By id, by the key itself, or all of a user or application, which needs their number in --accept-invalidating.
    """
    session = CliContext.from_typer(context)
    out = session.output(output, field, Key)
    ways = (bool(ids), api_key_file is not None, user is not None or app is not None)
    if sum(ways) != 1:
        raise UsageError(
            "say which keys: by id, with --api-key-file, or with --user or --app", command("key", "revoke", "KEY")
        )
    secret = read_secret(api_key_file, "--api-key-file")
    with session.open_for_change(out, dry_run=dry_run) as gam:
        if secret is not None:
            ended = [keys.revoke_by_secret(gam, secret, reason)]
        elif ids:
            ended = keys.revoke(gam, ids, reason)
        else:
            search = keys.KeySearch(user, app)
            ended = confirmation.confirm_invalidating(
                lambda number: keys.revoke_all(gam, search, reason, number), accept
            )
    _print_revoked(out, ended, single=secret is not None or len(ids or ()) == 1)


def _print_revoked(out: Output, revoked: list[ChangeResult[Key]], *, single: bool) -> None:
    if not out.is_human and single:
        out.print_record(revoked[0].record)
    elif not out.is_human:
        out.print_records(Key, [each.record for each in revoked])
    else:
        for each in revoked:
            out.print_note(_revoked_message(out, each))
        if not single:
            out.print_note(f"revoked {format_count(sum(each.is_changed for each in revoked), 'key')}")


def _revoked_message(out: Output, changed: ChangeResult[Any]) -> str:
    key = changed.record
    told = "revoked" if changed.is_changed else f"nothing to revoke, the key is {key.status(out.now())} already:"
    return f"{told} key {key.id} of {key.user} for {key.app}"
