"""A progress bar on a terminal; nothing in a pipe or with `--quiet`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gamcli.render.output import Output, make_console

ProgressCallback = Callable[[int], None]
"""Receives the amount done so far."""


@contextmanager
def progress_bar(out: Output, label: str, total: int) -> Iterator[ProgressCallback]:
    """Show a progress bar on stderr during the `with` block, if stderr is a terminal."""
    if out.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(f"gamcli: {label}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=make_console(sys.stderr, no_color=out.no_color), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.update(task, completed=done)
