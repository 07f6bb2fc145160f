"""The subcommands that applications, users and authentication types share, such as enable, rename and delete."""

from collections.abc import Callable
from functools import partial
from typing import Any

import typer

from gamcli.actions import Gam
from gamcli.actions.changes import NOUNS, STATE_VERBS, ChangeResult
from gamcli.commands import confirmation
from gamcli.commands.options import DeleteOptions, KeyChangeOptions, NewName
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
    state, noun = STATE_VERBS[verb], NOUNS[kind]

    @group.command(verb, help=help_text)
    def change(name: argument, run: KeyChangeOptions) -> None:
        out = run.make_output(kind)
        with run.open_for_change(out) as gam:
            result = update(gam, name, dict(state.changes), verb)
        record = result.record
        undo = (noun.command, state.undo, record.name)
        confirmation.report_change(out, result, f"{noun.title} '{record.name}'", undo, state.past_tense)
        if isinstance(record, User) and out.is_human:
            _warn_if_still_suspended(out, record, verb)


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
    title = NOUNS[kind].title

    owned = "an application; keep its" if kind is App else f"a {title}; keep their"

    @group.command("rename", help=f"Rename {owned} keys, tokens and history.")
    def change(name: argument, new_name: NewName, run: KeyChangeOptions) -> None:
        out = run.make_output(kind)
        with run.open_for_change(out) as gam:
            result = rename(gam, name, new_name)
        if result.is_changed:
            out.print_change(result.record, f"renamed {title} '{name}' to '{new_name}'")
        else:
            out.print_change(result.record, f"{title} '{new_name}' is unchanged: it already has this name")


def add_delete(
    group: typer.Typer,
    help_text: str,
    argument: Any,  # noqa: ANN401 - an annotated type
    kind: type,
    delete: Callable[..., ChangeResult[Any]],
) -> None:
    """Add the subcommand `delete`; `argument` is the type of its argument."""

    @group.command("delete", help=help_text)
    def change(name: argument, run: DeleteOptions) -> None:
        out = run.make_output(kind)
        with run.open_for_change(out) as gam:
            result = confirmation.confirm_deleting(
                partial(delete, gam, name), run.accept, yes=run.yes, show_all=run.show_all
            )
        suffix = confirmation.invalidated_suffix(result)
        out.print_change(result.record, f"deleted {NOUNS[kind].title} '{result.record.name}'{suffix}")
