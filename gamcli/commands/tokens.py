"""`gamcli token`: access tokens that were issued."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.actions import tokens
from gamcli.commands.options import DryRun, Field, Format, Limit, Sort, noun
from gamcli.commands.session import Session
from gamcli.model import Token, rfc3339
from gamcli.model.maintenance import Pruned
from gamcli.model.plan import DELETE, Change, FieldChange, Plan
from gamcli.render.output import count
from gamcli.rules import durations

verbs = noun("Access tokens that were issued.")

TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, the 12 letters behind the '!'.")]


class Status(StrEnum):
    """What `--status` takes."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@verbs.command("list")
def list_(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only tokens of this user.")] = None,
    app: Annotated[str | None, typer.Option(metavar="APP", help="Only tokens for this application.")] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Only tokens that this key was traded for.")] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only tokens with this status; repeatable.", show_default=False)
    ] = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the tokens, oldest first."""
    session = Session.of(context)
    search = tokens.TokenSearch(user, app, key, tuple(status or ()), sort, limit)
    with session.gam() as gam, tokens.listed(gam, search) as found:
        session.output(output, field, Token).records(Token, found)


@verbs.command()
def show(context: typer.Context, token: TokenArgument, output: Format = None, field: Field = None) -> None:
    """Show a token; the token itself is not kept."""
    session = Session.of(context)
    with session.gam() as gam:
        session.output(output, field, Token).record(tokens.show(gam, token))


@verbs.command()
def revoke(
    context: typer.Context, token: TokenArgument, dry_run: DryRun = False, output: Format = None, field: Field = None
) -> None:
    """End a token now, and its session: the tokens that were renewed with it, and its refresh token."""
    session = Session.of(context)
    out = session.output(output, field, Token)
    with session.changing(out, dry_run=dry_run) as gam:
        changed = tokens.revoke(gam, token)
    record = changed.record
    told = "revoked" if changed.differs else f"nothing to revoke, the token is {record.status(out.now())} already:"
    session_too = " with its session" if changed.differs and record.session else ""
    out.changed(record, f"{told} token {record.id} of {record.user} for {record.app}{session_too}")


@verbs.command()
def prune(
    context: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Only what has been dead for longer than this.", show_default="30d"),
    ] = None,
    dry_run: DryRun = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Delete the tokens and sessions that are long dead, in small parts, so that servers go on.

    What still lives stays, and so does what the audit trail tells.
    """
    from gamcli.actions import pruning  # noqa: PLC0415 - start-up: the others need less

    session = Session.of(context)
    out = session.output(output, field, Pruned)
    kept = pruning.KEPT if older_than is None else durations.parse(older_than)
    if dry_run:
        out.require_plan()
        with session.gam() as gam:
            found = pruning.rehearse(gam, kept)
        out.plan(Plan.of(_steps(found), []))
        if out.is_human and _steps(found):
            out.note(f"that is {_counted(found)}")
        return
    with session.gam() as gam:
        pruned = pruning.prune(gam, kept)
    out.changed(pruned, f"deleted {_counted(pruned)}, dead for longer than {durations.written(kept) or older_than}")


def _counted(found: Pruned) -> str:
    return f"{count(found.tokens, 'token')} and {count(found.sessions, 'session')}"


def _steps(found: Pruned) -> list[Change]:
    numbers = {"tokens": found.tokens, "sessions": found.sessions}
    told = tuple(FieldChange(name, number, None) for name, number in numbers.items() if number)
    return [Change(DELETE, "token", f"dead before {rfc3339(found.before)}", told)] if told else []
