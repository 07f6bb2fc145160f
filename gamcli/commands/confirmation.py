"""
Confirm changes that cannot be undone, and report changes.

On a terminal the affected keys are listed, and a question is asked. Elsewhere the command line must confirm already:
`--accept-invalidating N` with the number of active keys that the change invalidates, or `--yes` when there are none.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from gamcli.actions.changes import ChangeResult
from gamcli.commands import prompts
from gamcli.errors import DeclinedError, InvalidatesKeysError, UnconfirmedError, command, format_count
from gamcli.render import errors, output
from gamcli.render.output import Output

Result = TypeVar("Result")
MANY_KEYS = 100
"""From this number of keys on, the number has to be typed."""


def confirm_invalidating(
    change: Callable[[int | None], Result], accept: int | None, *, show_all: bool = False
) -> Result:
    """Make a change with the confirmed number of keys; on a terminal, ask when it invalidates active keys."""
    try:
        return change(accept)
    except InvalidatesKeysError as error:
        error.shows_all = show_all
        if accept is not None or not sys.stdin.isatty():
            raise
        errors.print_impacts(error.impacts, show_all=show_all)
        count = len(error.impacts)
        if count < MANY_KEYS:
            prompts.confirm(f"{error.message}; continue?")
        elif prompts.ask(f"{error.message}; type {count} to continue") != str(count):
            raise DeclinedError from None
        return change(count)


def confirm_deleting(delete: Callable[..., Result], accept: int | None, *, yes: bool, show_all: bool = False) -> Result:
    """Delete what is confirmed; on a terminal, ask when that invalidates active keys, or when `--yes` is missing."""
    try:
        return confirm_invalidating(lambda count: delete(count, yes=yes), accept, show_all=show_all)
    except UnconfirmedError as error:
        if not sys.stdin.isatty():
            raise
        prompts.confirm(f"{error.message}; continue?")
        return delete(accept, yes=True)


def created_prefix(is_new: bool) -> str:
    """Return the start of the message of `create --if-missing`."""
    return "created" if is_new else "already exists with these settings:"


def report_change(
    out: Output, changed: ChangeResult[Any], subject: str, undo: tuple[str, ...], past_tense: str = "updated"
) -> None:
    """Print the result of a change: how many keys it invalidated or suspended, and the command that undoes it."""
    if not changed.is_changed:
        out.print_change(changed.record, f"{subject} is unchanged: it already has these settings")
        return
    out.print_change(changed.record, f"{past_tense} {subject}{invalidated_suffix(changed)}")
    if changed.suspended_count:
        line = output.add_global_options(command(*undo), out.global_options)
        keys = format_count(changed.suspended_count, "active key")
        out.print_warning(f"this suspends {keys}; to undo it: {line}")


def invalidated_suffix(changed: ChangeResult[Any]) -> str:
    """Return the part of a message that says how many keys a change invalidated."""
    count = sum(impact.is_permanent for impact in changed.impacts)
    return f"; permanently invalidated {format_count(count, 'key')}" if count else ""
