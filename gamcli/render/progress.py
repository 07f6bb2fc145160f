"""How far a long work has come, as a bar on a terminal; a pipe and `--quiet` see nothing of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gamcli.render.output import Output, make_console

ProgressCallback = Callable[[int], None]
"""Told how much of the whole is done by now."""


@contextmanager
def progress_bar(out: Output, label: str, total: int) -> Iterator[ProgressCallback]:
    """Show a bar as long as the `with` lasts, on stderr when that is a terminal."""
    if out.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(f"gamcli: {label}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=make_console(sys.stderr, no_color=out.no_color), transient=True) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.update(task, completed=done)
