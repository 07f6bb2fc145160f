"""`gamcli token`: access tokens."""

from enum import StrEnum
from typing import Annotated

from gamcli.actions import pruning, tokens
from gamcli.commands.options import ChangeOptions, PrintOptions, SortedListOptions, argument, new_group, option
from gamcli.errors import format_count
from gamcli.model import format_rfc3339, plan
from gamcli.model.maintenance import PruneResult
from gamcli.model.tokens import Token
from gamcli.rules import durations

verbs = new_group("List, revoke and prune access tokens.")

TokenArgument = Annotated[str, argument("TOKEN", "Token ID: the 12 characters after the '!'.")]


class TokenStatus(StrEnum):
    """The values of `--status`."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@verbs.command("list")
def list_(
    user: Annotated[str | None, option("USER", "Show only tokens of this user.")] = None,
    app: Annotated[str | None, option("APP", "Show only tokens for this application.")] = None,
    key: Annotated[str | None, option("KEY", "Show only tokens issued for this key.")] = None,
    status: Annotated[list[TokenStatus] | None, option(None, "Show only tokens with this status; repeatable.")] = None,
    *,
    run: SortedListOptions,
) -> None:
    """List access tokens, oldest first."""
    filters = tokens.TokenSearch(user, app, key, tuple(status or ()), run.sort, run.limit)
    with run.cli.open_gam() as gam, tokens.search(gam, filters) as rows:
        run.make_output(Token).print_records(Token, rows)


@verbs.command()
def show(token: TokenArgument, run: PrintOptions) -> None:
    """Show an access token, without its secret part, which is not stored."""
    with run.cli.open_gam() as gam:
        run.make_output(Token).print_record(tokens.show(gam, token))


@verbs.command()
def revoke(token: TokenArgument, run: ChangeOptions) -> None:
    """Revoke an access token and all other tokens of its session."""
    out = run.make_output(Token)
    with run.open_for_change(out) as gam:
        result = tokens.revoke(gam, token)
    record = result.record
    prefix = "revoked" if result.is_changed else f"not revoked, because it is already {record.status(out.now())}:"
    session = " with its session" if result.is_changed and record.session else ""
    out.print_change(record, f"{prefix} token {record.id} of {record.user} for {record.app}{session}")


@verbs.command()
def prune(
    older_than: Annotated[
        str | None, option("DURATION", "Delete only what has been inactive for longer than this.", default="30d")
    ] = None,
    *,
    run: ChangeOptions,
) -> None:
    """
    Delete expired and revoked tokens and sessions, in small batches.

    Active tokens and the audit log are kept.
    """
    out = run.make_output(PruneResult)
    retention = pruning.DEFAULT_RETENTION if older_than is None else durations.parse(older_than)
    if run.dry_run:
        out.require_plan_format()
        with run.cli.open_gam() as gam:
            prunable = pruning.count_prunable(gam, retention)
        counts = {"tokens": prunable.tokens, "sessions": prunable.sessions}
        fields = tuple(plan.FieldChange(name, count, None) for name, count in counts.items() if count)
        name = f"inactive before {format_rfc3339(prunable.before)}"
        out.print_plan(plan.Plan.from_changes([plan.Change(plan.DELETE, "token", name, fields)] if fields else [], []))
        if out.is_human and fields:
            out.print_note(f"total: {_format_counts(prunable)}")
        return
    with run.cli.open_gam() as gam:
        pruned = pruning.prune(gam, retention)
    age = durations.format_duration(retention) or older_than
    out.print_change(pruned, f"deleted {_format_counts(pruned)}, inactive for longer than {age}")


def _format_counts(pruned: PruneResult) -> str:
    return f"{format_count(pruned.tokens, 'token')} and {format_count(pruned.sessions, 'session')}"
