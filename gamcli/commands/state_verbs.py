"""The subcommands enable, disable, block and unblock, which each set one flag of a record, and rename."""

from collections.abc import Callable
from typing import Any

import typer

from gamcli.actions import Gam
from gamcli.actions.changes import STATE_VERBS, ChangeResult
from gamcli.commands import confirmation
from gamcli.commands.context import CliContext
from gamcli.commands.options import Field, Format, NewName, Preview
from gamcli.errors import command
from gamcli.model import App, User
from gamcli.render.output import Output, add_global_options


def add_state_verb(
    group: typer.Typer,
    verb: str,
    help_text: str,
    argument: Any,  # noqa: ANN401 - an annotated type
    kind: type,
    update: Callable[[Gam, str, dict[str, object], str], ChangeResult[Any]],
) -> None:
    """Add the subcommand `verb`; `argument` is the type of its argument, `update` changes a record of that kind."""
    state = STATE_VERBS[verb]

    @group.command(verb, help=help_text)
    def run(
        context: typer.Context, name: argument, dry_run: Preview = False, output: Format = None, field: Field = None
    ) -> None:
        cli = CliContext.from_typer(context)
        out = cli.output(output, field, kind)
        with cli.open_for_change(out, dry_run=dry_run) as gam:
            result = update(gam, name, dict(state.changes), verb)
        noun, title = ("app", "application") if kind is App else ("user", "user")
        subject = f"{title} '{result.record.name}'"
        confirmation.report_change(out, result, subject, (noun, state.undo, result.record.name), state.past_tense)
        if isinstance(result.record, User) and out.is_human:
            _warn_if_still_suspended(out, result.record, verb)


def _warn_if_still_suspended(out: Output, user: User, verb: str) -> None:
    """Say that a user who was enabled is still blocked, or the other way round."""
    rest = {"enable": ("blocked", user.blocked, "unblock"), "unblock": ("disabled", not user.enabled, "enable")}
    status, is_suspended, fix = rest.get(verb, ("", False, ""))
    if is_suspended:
        line = add_global_options(command("user", fix, user.name), out.global_options)
        out.print_warning(f"user '{user.name}' is still {status}: {line}")


def add_rename(
    group: typer.Typer,
    argument: Any,  # noqa: ANN401 - an annotated type
    kind: type,
    rename: Callable[[Gam, str, str], ChangeResult[Any]],
) -> None:
    """Add the subcommand `rename`; `argument` is the type of its first argument."""
    noun = "application" if kind is App else "user"
    help_text = f"Rename {'an' if kind is App else 'a'} {noun}; keep its keys, tokens and history."

    @group.command("rename", help=help_text)
    def run(
        context: typer.Context,
        name: argument,
        new_name: NewName,
        dry_run: Preview = False,
        output: Format = None,
        field: Field = None,
    ) -> None:
        cli = CliContext.from_typer(context)
        out = cli.output(output, field, kind)
        with cli.open_for_change(out, dry_run=dry_run) as gam:
            result = rename(gam, name, new_name)
        if result.is_changed:
            out.print_change(result.record, f"renamed {noun} '{name}' to '{new_name}'")
        else:
            out.print_change(result.record, f"{noun} '{new_name}' is unchanged: it already has this name")
