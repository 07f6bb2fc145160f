"""`gamcli token`: access tokens that were issued."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.actions import tokens
from gamcli.commands.context import CliContext
from gamcli.commands.options import DryRunOption, Field, Format, Limit, Sort, new_group
from gamcli.errors import format_count
from gamcli.model import Token, format_rfc3339
from gamcli.model.maintenance import PruneResult
from gamcli.model.plan import DELETE, Change, FieldChange, Plan
from gamcli.rules import durations

verbs = new_group("Access tokens that were issued.")

TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, the 12 letters behind the '!'.")]


class TokenStatus(StrEnum):
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
        list[TokenStatus] | None, typer.Option(help="Only tokens with this status; repeatable.", show_default=False)
    ] = None,
    sort: Sort = None,
    limit: Limit = None,
    output: Format = None,
    field: Field = None,
) -> None:
    """List the tokens, oldest first."""
    session = CliContext.from_typer(context)
    search = tokens.TokenSearch(user, app, key, tuple(status or ()), sort, limit)
    with session.open_gam() as gam, tokens.search(gam, search) as found:
        session.output(output, field, Token).print_records(Token, found)


@verbs.command()
def show(context: typer.Context, token: TokenArgument, output: Format = None, field: Field = None) -> None:
    """Show a token; the token itself is not kept."""
    session = CliContext.from_typer(context)
    with session.open_gam() as gam:
        session.output(output, field, Token).print_record(tokens.show(gam, token))


@verbs.command()
def revoke(
    context: typer.Context,
    token: TokenArgument,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """End a token now, and its session: the tokens that were renewed with it, and its refresh token."""
    session = CliContext.from_typer(context)
    out = session.output(output, field, Token)
    with session.open_for_change(out, dry_run=dry_run) as gam:
        changed = tokens.revoke(gam, token)
    record = changed.record
    told = "revoked" if changed.is_changed else f"nothing to revoke, the token is {record.status(out.now())} already:"
    session_too = " with its session" if changed.is_changed and record.session else ""
    out.print_change(record, f"{told} token {record.id} of {record.user} for {record.app}{session_too}")


@verbs.command()
def prune(
    context: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Only what has been dead for longer than this.", show_default="30d"),
    ] = None,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Delete the tokens and sessions that are long dead, in small parts, so that servers go on.

    What still lives stays, and so does what the audit trail tells.
    """
    from gamcli.actions import pruning  # noqa: PLC0415 - start-up: the others need less

    session = CliContext.from_typer(context)
    out = session.output(output, field, PruneResult)
    kept = pruning.DEFAULT_RETENTION if older_than is None else durations.parse(older_than)
    if dry_run:
        out.require_plan_format()
        with session.open_gam() as gam:
            found = pruning.count_prunable(gam, kept)
        out.print_plan(Plan.from_changes(_planned_changes(found), []))
        if out.is_human and _planned_changes(found):
            out.print_note(f"that is {_count_message(found)}")
        return
    with session.open_gam() as gam:
        pruned = pruning.prune(gam, kept)
    out.print_change(
        pruned,
        f"deleted {_count_message(pruned)}, dead for longer than {durations.format_duration(kept) or older_than}",
    )


def _count_message(pruned: PruneResult) -> str:
    return f"{format_count(pruned.tokens, 'token')} and {format_count(pruned.sessions, 'session')}"


def _planned_changes(pruned: PruneResult) -> list[Change]:
    numbers = {"tokens": pruned.tokens, "sessions": pruned.sessions}
    told = tuple(FieldChange(name, number, None) for name, number in numbers.items() if number)
    return [Change(DELETE, "token", f"inactive before {format_rfc3339(pruned.before)}", told)] if told else []
