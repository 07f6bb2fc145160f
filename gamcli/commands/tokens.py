"""`gamcli token`: access tokens that were issued."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.actions import tokens
from gamcli.commands.options import DryRun, Field, Format, Limit, Sort, noun
from gamcli.commands.session import Session
from gamcli.model import Token

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
