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

from gamcli.actions.changes import Changed
from gamcli.errors import EndsKeysError, FailedError, UnconfirmedError, command
from gamcli.render import output
from gamcli.render.output import Output

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Deletion(Protocol[Result_co]):
    """An action that deletes, given what was accepted."""

    def __call__(self, accept: int | None, *, yes: bool) -> Result_co:
        """Delete; raises EndsKeysError or UnconfirmedError when that was not accepted."""


def to_end_keys(do: Callable[[int | None], Result], accept: int | None) -> Result:
    """Return what `do` makes of the accepted count; a terminal is asked when live keys would end."""
    try:
        return do(accept)
    except EndsKeysError as error:
        if accept is not None or not sys.stdin.isatty():
            raise
        for impact in error.impacts:
            output.talk(output.impact_line(impact))
        _confirm(f"{error.message}; do it?")
        return do(len(error.impacts))


def to_delete(do: Deletion[Result], accept: int | None, *, yes: bool) -> Result:
    """Return what `do` deletes; a terminal is asked when nobody said yes, and first of all when live keys would end."""
    try:
        return to_end_keys(lambda count: do(count, yes=yes), accept)
    except UnconfirmedError as error:
        if not sys.stdin.isatty():
            raise
        _confirm(f"{error.message}; do it?")
        return do(accept, yes=True)


def _confirm(question: str) -> None:
    if not typer.confirm(question, err=True):
        raise FailedError("nothing was changed")


def made(fresh: bool) -> str:
    """Return how `create` begins what it tells."""
    return "created" if fresh else "there already, as asked:"


def tell(out: Output, changed: Changed[Any], what: str, undo: tuple[str, ...], done: str = "updated") -> None:
    """Answer a change that was `done`: which keys ended, how many are suspended and how to undo that."""
    if not changed.differs:
        out.changed(changed.record, f"{what} is so already: nothing to change")
        return
    out.changed(changed.record, f"{done} {what}{ended(changed)}")
    if changed.suspended:
        line = output.hinted(command(*undo), out.before)
        out.warn(f"this suspends {output.count(changed.suspended, 'live key')}; to undo it: {line}")


def ended(changed: Changed[Any]) -> str:
    """Return the end of a sentence that says how many keys a change ended."""
    count = sum(each.ends for each in changed.impacts)
    return f"; {output.count(count, 'key')} ended for good" if count else ""


def first(found: Iterable[Result], limit: int | None) -> Iterator[Result]:
    """Yield at most `limit` of what was found."""
    return islice(found, limit)
