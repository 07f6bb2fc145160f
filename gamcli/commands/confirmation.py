"""
Confirm changes that cannot be undone, and report changes.

On a terminal the affected keys are listed, and a question is asked. Elsewhere the command line must confirm already:
`--accept-invalidating N` with the number of active keys that the change invalidates, or `--yes` when there are none.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

import typer

from gamcli.actions.changes import ChangeResult
from gamcli.errors import FailedError, InvalidatesKeysError, UnconfirmedError, command, format_count
from gamcli.render import output
from gamcli.render.output import Output

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class DeleteAction(Protocol[Result_co]):
    """An action that deletes, given what was confirmed."""

    def __call__(self, accept: int | None, *, yes: bool) -> Result_co:
        """Delete; raises InvalidatesKeysError or UnconfirmedError when that was not confirmed."""


def confirm_invalidating(change: Callable[[int | None], Result], accept: int | None) -> Result:
    """Make a change with the confirmed number of keys; on a terminal, ask when it invalidates active keys."""
    try:
        return change(accept)
    except InvalidatesKeysError as error:
        if accept is not None or not sys.stdin.isatty():
            raise
        for impact in error.impacts:
            output.print_message(output.format_impact(impact))
        confirm(f"{error.message}; continue?")
        return change(len(error.impacts))


def confirm_deleting(delete: DeleteAction[Result], accept: int | None, *, yes: bool) -> Result:
    """Delete; on a terminal, ask when that invalidates active keys, or when `--yes` is missing."""
    try:
        return confirm_invalidating(lambda count: delete(count, yes=yes), accept)
    except UnconfirmedError as error:
        if not sys.stdin.isatty():
            raise
        confirm(f"{error.message}; continue?")
        return delete(accept, yes=True)


def confirm(question: str) -> None:
    """Ask a question on the terminal; raises FailedError unless the answer is yes."""
    if not typer.confirm(question, err=True):
        raise FailedError("nothing was changed")


def created_prefix(is_new: bool) -> str:
    """Return the start of the message of `create --if-missing`."""
    return "created" if is_new else "already exists with these settings:"


def report_change(
    out: Output, changed: ChangeResult[Any], subject: str, undo: tuple[str, ...], past_tense: str = "updated"
) -> None:
    """Print the result of a change: how many keys it invalidated or suspended, and the command that undoes it."""
    if not changed.is_changed:
        out.print_change(changed.record, f"{subject} is unchanged: it has these settings already")
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


def take(rows: Iterable[Result], limit: int | None) -> Iterator[Result]:
    """Yield at most `limit` rows."""
    return islice(rows, limit)
