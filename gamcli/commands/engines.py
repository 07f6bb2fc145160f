"""What `gamcli serve` runs on: which event loop, in how many processes, and what it does in quiet moments."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamcli.commands.options import duration
from gamcli.commands.session import Session
from gamcli.errors import FailedError, UsageError

if TYPE_CHECKING:
    from gamcli.actions import Gam
    from gamcli.server.serving import Options, Serving

MAX_WORKERS = 64

PruneEvery = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Delete long dead tokens in quiet moments, as 'token prune' does.",
        show_default="never",
    ),
]
EngineName = Annotated[
    Literal["stdlib", "fast"],
    typer.Option(help="The event loop: Python's own, or uvloop, which comes with gamcli[fast]."),
]
WorkerCount = Annotated[
    int,
    typer.Option(min=1, max=MAX_WORKERS, metavar="N", help="Answer in so many processes, for more than one processor."),
]


@dataclass(frozen=True, slots=True)
class Engine:
    """What a server over a file runs on; `prune_every` as it was typed."""

    name: str
    workers: int
    prune_every: str | None

    @contextmanager
    def serving(self, session: Session, options: "Options", tell: Callable[[str], None]) -> "Iterator[Serving]":
        """Make the server over the store of this session; `tell` says what becomes of its workers."""
        make = _engines()[self.name]
        length = duration(self.prune_every)  # 0 is never
        if self.workers == 1:
            with session.gam() as gam, _swept(gam, length):
                yield make(gam, options)
            return
        with session.gam():  # what is wrong with it is told here, once
            pass
        from gamcli.server.workers import Workers  # noqa: PLC0415 - start-up: most servers are one process

        def own(options: "Options") -> "AbstractContextManager[Serving]":
            return _one(session, make, options)

        workers = Workers(self.workers, own, options, tell)
        if not length:
            yield workers
            return
        with session.gam() as gam, _swept(gam, length):  # behind the forks: no connection goes through one
            yield workers

    def require_alone(self) -> None:
        """Raise UsageError when more is asked for than a store in memory can do."""
        if self.workers > 1:
            raise UsageError("a store in memory is in one process", "leave --workers or --ephemeral out")
        if self.name != "stdlib":
            raise UsageError("a server for tests has one engine", "leave --engine or --ephemeral out")
        if duration(self.prune_every):
            raise UsageError("--prune-every is for a store that stays", "leave --prune-every or --ephemeral out")


Make = Callable[["Gam", "Options"], "Serving"]


@contextmanager
def _one(session: Session, make: Make, options: "Options") -> "Iterator[Serving]":
    with session.gam() as gam:
        yield make(gam, options)


def _engines() -> dict[str, Make]:
    def stdlib(gam: "Gam", options: "Options") -> "Serving":
        from gamcli.server.http import Server  # noqa: PLC0415 - start-up: either is enough

        return Server(gam, options)

    def fast(gam: "Gam", options: "Options") -> "Serving":
        try:
            from gamcli.server.fast import FastServer  # noqa: PLC0415 - start-up, and an extra
        except ImportError as error:
            raise FailedError("--engine fast needs uvloop", "pip install 'gamcli[fast]'") from error
        return FastServer(gam, options)

    return {"stdlib": stdlib, "fast": fast}


@contextmanager
def _swept(gam: "Gam", every: timedelta | None) -> Iterator[None]:
    """Delete what is long dead meanwhile, when that was asked for."""
    if not every:
        yield
        return
    from gamcli.server.sweeper import Sweeper  # noqa: PLC0415 - start-up: few servers prune

    with closing(Sweeper(gam, every)):
        yield
