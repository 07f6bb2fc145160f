"""
Asking before what cannot be undone, and telling what a change came to.

A terminal is shown the keys that would end, and asked. Elsewhere the answer must be on the command line already:
`--accept-invalidating N` with the right N, or `--yes` where no live key is at stake.
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
    """An action that deletes, given what was accepted."""

    def __call__(self, accept: int | None, *, yes: bool) -> Result_co:
        """Delete; raises EndsKeysError or UnconfirmedError when that was not accepted."""


def confirm_invalidating(change: Callable[[int | None], Result], accept: int | None) -> Result:
    """Return what `do` makes of the accepted count; a terminal is asked when live keys would end."""
    try:
        return change(accept)
    except InvalidatesKeysError as error:
        if accept is not None or not sys.stdin.isatty():
            raise
        for impact in error.impacts:
            output.print_message(output.format_impact(impact))
        _confirm(f"{error.message}; do it?")
        return change(len(error.impacts))


def confirm_deleting(delete: DeleteAction[Result], accept: int | None, *, yes: bool) -> Result:
    """Return what `do` deletes; a terminal is asked when nobody said yes, and first of all when live keys would end."""
    try:
        return confirm_invalidating(lambda count: delete(count, yes=yes), accept)
    except UnconfirmedError as error:
        if not sys.stdin.isatty():
            raise
        _confirm(f"{error.message}; do it?")
        return delete(accept, yes=True)


def _confirm(question: str) -> None:
    if not typer.confirm(question, err=True):
        raise FailedError("nothing was changed")


def created_prefix(is_new: bool) -> str:
    """Return how `create` begins what it tells."""
    return "created" if is_new else "there already, as asked:"


def report_change(
    out: Output, changed: ChangeResult[Any], subject: str, undo: tuple[str, ...], past_tense: str = "updated"
) -> None:
    """Answer a change that was `done`: which keys ended, how many are suspended and how to undo that."""
    if not changed.is_changed:
        out.print_change(changed.record, f"{subject} is so already: nothing to change")
        return
    out.print_change(changed.record, f"{past_tense} {subject}{invalidated_suffix(changed)}")
    if changed.suspended_count:
        line = output.add_global_options(command(*undo), out.global_options)
        out.print_warning(f"this suspends {format_count(changed.suspended_count, 'live key')}; to undo it: {line}")


def invalidated_suffix(changed: ChangeResult[Any]) -> str:
    """Return the end of a sentence that says how many keys a change ended."""
    count = sum(each.is_permanent for each in changed.impacts)
    return f"; {format_count(count, 'key')} ended for good" if count else ""


def take(rows: Iterable[Result], limit: int | None) -> Iterator[Result]:
    """Yield at most `limit` of what was found."""
    return islice(rows, limit)
