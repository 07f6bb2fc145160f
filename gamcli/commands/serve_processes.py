"""What `gamcli serve` runs on: which event loop, in how many processes, and what it does in quiet moments."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamcli.commands.context import CliContext
from gamcli.commands.options import parse_duration
from gamcli.errors import UsageError

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.server.options import RunnableServer, ServerOptions

MAX_WORKERS = 64

PruneEvery = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Delete long dead tokens in quiet moments, as 'token prune' does.",
        show_default="never",
    ),
]


def _one_event_loop(name: str) -> str:
    if name == "fast":
        raise UsageError(
            "--engine fast was removed: the built-in server issues as many tokens per second",
            "remove --engine; use --workers N to serve with several processes",
        )
    return name


EngineName = Annotated[Literal["stdlib", "fast"], typer.Option(hidden=True, callback=_one_event_loop)]
"""Accepted for one release; there is one event loop."""
WorkerCount = Annotated[
    int,
    typer.Option(min=1, max=MAX_WORKERS, metavar="N", help="Answer in so many processes, for more than one processor."),
]


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What a server over a file runs on; `prune_every` as it was typed."""

    workers: int
    prune_every: str | None

    @contextmanager
    def open_server(
        self, cli: CliContext, options: "ServerOptions", report: Callable[[str], None]
    ) -> "Iterator[RunnableServer]":
        """Make the server over the store of this session; `tell` says what becomes of its workers."""
        from gamcli.server.transport.event_loop import Server  # noqa: PLC0415 - start-up

        length = parse_duration(self.prune_every)  # 0 is never
        if self.workers == 1:
            with cli.open_gam() as gam, _prune_in_background(gam, length):
                yield Server(gam, options)
            return
        with cli.open_gam():  # what is wrong with it is told here, once
            pass
        from gamcli.server.transport.workers import WorkerProcesses  # noqa: PLC0415 - start-up: most servers are one process

        def own(options: "ServerOptions") -> "AbstractContextManager[RunnableServer]":
            return _open_single_server(cli, options)

        workers = WorkerProcesses(self.workers, own, options, report)
        if not length:
            yield workers
            return
        with (
            cli.open_gam() as gam,
            _prune_in_background(gam, length),
        ):  # behind the forks: no connection goes through one
            yield workers

    def require_defaults(self) -> None:
        """Raise UsageError when more is asked for than a store in memory can do."""
        if self.workers > 1:
            raise UsageError("a store in memory is in one process", "leave --workers or --ephemeral out")
        if parse_duration(self.prune_every):
            raise UsageError("--prune-every is for a store that stays", "leave --prune-every or --ephemeral out")


@contextmanager
def _open_single_server(cli: CliContext, options: "ServerOptions") -> "Iterator[RunnableServer]":
    from gamcli.server.transport.event_loop import Server  # noqa: PLC0415 - start-up

    with cli.open_gam() as gam:
        yield Server(gam, options)


@contextmanager
def _prune_in_background(gam: "Gam", interval: timedelta | None) -> Iterator[None]:
    """Delete what is long dead meanwhile, when that was asked for."""
    if not interval:
        yield
        return
    from gamcli.server.pruner import Pruner  # noqa: PLC0415 - start-up: few servers prune

    with closing(Pruner(gam, interval)):
        yield
