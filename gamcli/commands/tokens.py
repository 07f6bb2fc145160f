"""`gamcli token`: access tokens."""

from enum import StrEnum
from typing import Annotated

import typer

from gamcli.actions import pruning, tokens
from gamcli.commands.context import CliContext
from gamcli.commands.options import DryRunOption, Field, Format, Limit, Sort, Wide, new_group
from gamcli.errors import format_count
from gamcli.model import format_rfc3339
from gamcli.model.maintenance import PruneResult
from gamcli.model.plan import DELETE, Change, FieldChange, Plan
from gamcli.model.tokens import Token
from gamcli.rules import durations

verbs = new_group("List, revoke and prune access tokens.")

TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="Token ID: the 12 characters after the '!'.")]


class TokenStatus(StrEnum):
    """The values of `--status`."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@verbs.command("list")
def list_(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Show only tokens of this user.")] = None,
    app: Annotated[str | None, typer.Option(metavar="APP", help="Show only tokens for this application.")] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Show only tokens issued for this key.")] = None,
    status: Annotated[
        list[TokenStatus] | None,
        typer.Option(help="Show only tokens with this status; repeatable.", show_default=False),
    ] = None,
    sort: Sort = None,
    limit: Limit = None,
    wide: Wide = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """List access tokens, oldest first."""
    cli = CliContext.from_typer(context)
    filters = tokens.TokenSearch(user, app, key, tuple(status or ()), sort, limit)
    with cli.open_gam() as gam, tokens.search(gam, filters) as rows:
        cli.output(output, field, Token, wide=wide).print_records(Token, rows)


@verbs.command()
def show(context: typer.Context, token: TokenArgument, output: Format = None, field: Field = None) -> None:
    """Show an access token, without its secret part, which is not stored."""
    cli = CliContext.from_typer(context)
    with cli.open_gam() as gam:
        cli.output(output, field, Token).print_record(tokens.show(gam, token))


@verbs.command()
def revoke(
    context: typer.Context,
    token: TokenArgument,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """Revoke an access token and all other tokens of its session."""
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, Token)
    with cli.open_for_change(out, dry_run=dry_run) as gam:
        result = tokens.revoke(gam, token)
    record = result.record
    prefix = "revoked" if result.is_changed else f"not revoked, because it is already {record.status(out.now())}:"
    session = " with its session" if result.is_changed and record.session else ""
    out.print_change(record, f"{prefix} token {record.id} of {record.user} for {record.app}{session}")


@verbs.command()
def prune(
    context: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="Delete only what has been inactive for longer than this.", show_default="30d"
        ),
    ] = None,
    dry_run: DryRunOption = False,
    output: Format = None,
    field: Field = None,
) -> None:
    """
    Delete expired and revoked tokens and sessions, in small batches.

    Active tokens and the audit log are kept.
    """
    cli = CliContext.from_typer(context)
    out = cli.output(output, field, PruneResult)
    retention = pruning.DEFAULT_RETENTION if older_than is None else durations.parse(older_than)
    if dry_run:
        out.require_plan_format()
        with cli.open_gam() as gam:
            prunable = pruning.count_prunable(gam, retention)
        changes = _planned_changes(prunable)
        out.print_plan(Plan.from_changes(changes, []))
        if out.is_human and changes:
            out.print_note(f"total: {_format_counts(prunable)}")
        return
    with cli.open_gam() as gam:
        pruned = pruning.prune(gam, retention)
    age = durations.format_duration(retention) or older_than
    out.print_change(pruned, f"deleted {_format_counts(pruned)}, inactive for longer than {age}")


def _format_counts(pruned: PruneResult) -> str:
    return f"{format_count(pruned.tokens, 'token')} and {format_count(pruned.sessions, 'session')}"


def _planned_changes(pruned: PruneResult) -> list[Change]:
    counts = {"tokens": pruned.tokens, "sessions": pruned.sessions}
    fields = tuple(FieldChange(name, count, None) for name, count in counts.items() if count)
    return [Change(DELETE, "token", f"inactive before {format_rfc3339(pruned.before)}", fields)] if fields else []
