"""`gamcli key`: API keys."""

from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

import typer

from gamcli.actions import keys
from gamcli.actions.changes import Changed
from gamcli.commands import confirmation, delivery, diagnosis, example_output, forecasts, key_messages, overview
from gamcli.commands.example_output import OfClient
from gamcli.commands.key_fields import (
    ExpiresIn,
    ForApp,
    ForUser,
    Label,
    OfAuthType,
    Overlap,
    Replace,
    RequestId,
    Scopes,
)
from gamcli.commands.options import (
    Accept,
    Field,
    Format,
    FromTable,
    Issuing,
    KeyArgument,
    Limit,
    Out,
    Preview,
    Sort,
    duration,
    noun,
    require_alone,
    secret_from,
)
from gamcli.commands.session import Session
from gamcli.errors import UsageError, command
from gamcli.model import Key
from gamcli.render.output import Output, count
from gamcli.rules import durations

verbs = noun("API keys: issue, list, doubt, revoke.")
verbs.add_typer(diagnosis.verbs)
verbs.add_typer(forecasts.verbs)

ATTENTION = 7
"""The exit code of an answer that asks for somebody to act."""

Owner = Annotated[str | None, typer.Option("--user", metavar="USER", help="Only keys of this user.")]
OfApp = Annotated[str | None, typer.Option("--app", metavar="APP", help="Only keys for this application.")]


class Status(StrEnum):
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
    user: ForUser = None,
    app: ForApp = None,
    table: FromTable = None,
    scope: Scopes = None,
    auth_type: OfAuthType = None,
    expires_in: ExpiresIn = None,
    label: Label = "",
    replace: Replace = False,
    overlap: Overlap = None,
    request_id: RequestId = None,
    dry_run: Preview = False,
    output: Issuing = None,
    field: Field = None,
    out_file: Out = None,
) -> None:
    """
    Generate an API key and print it, once; or many, of a CSV file.

    Its header is user,app,scopes,expires_in,label,request_id; only user and app need be there.
    Example: KEY=$(gamcli key generate --user ana --app portal --expires-in 90d)
    """
    session = Session.of(context)
    out = session.output(output, field, Key, "api_key")
    if table is not None:
        require_alone("--from", user=user, app=app, scope=scope, auth_type=auth_type, expires_in=expires_in,
                      label=label, replace=replace, overlap=overlap, request_id=request_id, field=field)  # fmt: skip
        key_messages.require_many(out)
        from gamcli.commands import bulk  # noqa: PLC0415 - start-up: a single key needs no CSV

        bulk.generate(session, out, table, out_file, dry_run=dry_run)
        return
    whose, what = key_messages.require_pair(user, app)
    asked = duration(expires_in)
    if replace and overlap is not None:
        raise UsageError("--replace and --overlap contradict each other", "--replace ends the live key now")
    words = tuple(scope) if scope else None
    wish = keys.KeyWish(whose, what, words, auth_type, asked, label, replace, duration(overlap))
    with session.changing(out, dry_run=dry_run) as gam, delivery.place(out, out_file, dry_run=dry_run) as keep:
        found = key_messages.make(gam, wish, request_id, keep)
    key_messages.tell(out, found, asked, out_file)


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
    output: Issuing = None,
    field: Field = None,
    out_file: Out = None,
) -> None:
    """
    Generate the key that follows one, with the same scopes, and print it, once.

    Example: NEXT=$(gamcli key rotate 3GqWOffF --overlap 7d)
    """
    session = Session.of(context)
    out = session.output(output, field, Key, "api_key")
    beside, due = durations.parse(overlap), duration(if_due)
    with session.changing(out, dry_run=dry_run) as gam, delivery.place(out, out_file, dry_run=dry_run) as keep:
        old = keys.show(gam, key)
        issued = keys.rotate(gam, old.id, beside, if_due=due, keep=keep)
    if issued is None:
        delivery.answer(out, old, ("api_key", None), f"nothing to rotate, it is not due yet: {key_messages.told(old)}")
        return
    given_way = f"key {old.id} retires in {overlap}" if beside else f"key {old.id} has ended"
    told = f"{key_messages.told(issued.record)}; {given_way}"
    delivery.answer(out, issued.record, ("api_key", issued.secret), told, out_file)


@verbs.command("list")
def list_(
    context: typer.Context,
    user: Owner = None,
    app: OfApp = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only keys with this status; repeatable.", show_default=False)
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
    session = Session.of(context)
    out = session.output(output, field, keys.Available if available else Key)
    if available and (app or status or expiring_within or unused_for or sort):
        raise UsageError("--available goes with --user and --limit alone", "leave the other options out")
    if available:
        _list_available(session, user, limit, out)
        return
    within, unused = duration(expiring_within), duration(unused_for)
    search = keys.KeySearch(user, app, tuple(status or ()), within, unused, sort, limit)
    with session.gam() as gam, keys.listed(gam, search) as found:
        out.records(Key, found)


def _list_available(session: Session, user: str | None, limit: int | None, out: Output) -> None:
    if user is None:
        raise UsageError("--available needs --user", command("key", "list", "--available", "--user", "USER"))
    with session.gam() as gam, keys.available(gam, user) as found:
        out.records(keys.Available, confirmation.first(found, limit))


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
    session = Session.of(context)
    out = session.output(output, field, Key)
    search = keys.KeySearch(statuses=("active",), expiring_within=durations.parse(within), sort="expires_at")
    with session.gam() as gam, keys.listed(gam, search) as found:
        first = next(found, None)
        out.records(Key, found if first is None else chain((first,), found))
    if first is not None:
        raise typer.Exit(ATTENTION)


@verbs.command()
def show(context: typer.Context, key: KeyArgument, output: OfClient = None, field: Field = None) -> None:
    """Show a key; its secret was shown once and is not kept."""
    session = Session.of(context)
    out = example_output.prepare(session, output, field, Key)
    with session.gam() as gam:
        if example_output.is_screen(out, output):
            overview.show(out, gam, "key", key)
        else:
            example_output.show(out, output, keys.show(gam, key))


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
    user: Owner = None,
    app: OfApp = None,
    accept: Accept = None,
    dry_run: Preview = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    End keys now, and the tokens that they were traded for.

    By id, by the key itself, or all of a user or application, which needs their number in --accept-invalidating.
    """
    session = Session.of(context)
    out = session.output(output, field, Key)
    ways = (bool(ids), api_key_file is not None, user is not None or app is not None)
    if sum(ways) != 1:
        raise UsageError(
            "say which keys: by id, with --api-key-file, or with --user or --app", command("key", "revoke", "KEY")
        )
    secret = secret_from(api_key_file, "--api-key-file")
    with session.changing(out, dry_run=dry_run) as gam:
        if secret is not None:
            ended = [keys.revoke_secret(gam, secret, reason)]
        elif ids:
            ended = keys.revoke(gam, ids, reason)
        else:
            search = keys.KeySearch(user, app)
            ended = confirmation.to_end_keys(lambda number: keys.revoke_all(gam, search, reason, number), accept)
    _tell_revoked(out, ended, single=secret is not None or len(ids or ()) == 1)


def _tell_revoked(out: Output, ended: list[Changed[Key]], *, single: bool) -> None:
    if not out.is_human and single:
        out.record(ended[0].record)
    elif not out.is_human:
        out.records(Key, [each.record for each in ended])
    else:
        for each in ended:
            out.note(_revoked(out, each))
        if not single:
            out.note(f"revoked {count(sum(each.differs for each in ended), 'key')}")


def _revoked(out: Output, changed: Changed[Any]) -> str:
    key = changed.record
    told = "revoked" if changed.differs else f"nothing to revoke, the key is {key.status(out.now())} already:"
    return f"{told} key {key.id} of {key.user} for {key.app}"
